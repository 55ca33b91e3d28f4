"""What the header of a run asks for, and whether it may."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from atomik_fpga.protocol import (
    BANK_REGISTERS,
    MAX_COUNT,
    REPLYING_OPS,
    DeviceFault,
    Op,
    operand_bytes,
)

from ..table import TableOp
from .sender import reply_bytes

__all__ = ["RunDecoder"]

_TABLE_OPS = {
    Op.ACCUM: TableOp.ACCUM,
    Op.ACCUM_EACH: TableOp.ACCUM,
    Op.LOAD: TableOp.LOAD,
    Op.READ: TableOp.READ,
    Op.PEEK: TableOp.READ,
    Op.SWAP: TableOp.SWAP,
    Op.SWAP_TO: TableOp.SWAP_TO,
    Op.CLEAR: TableOp.CLEAR,
}
_REGISTER_OPS = frozenset({Op.LOAD, Op.READ})
_OPERAND_OPS = frozenset({Op.ACCUM, Op.ACCUM_EACH, Op.LOAD, Op.SWAP_TO})


class RunDecoder(wiring.Component):
    """Decodes and checks one run, in the same cycle.

    Parameters
    ----------
    width, depth : int
        Of the table.
    slot_bytes : int
        Of the reply's slot.
    registers : bool
        There are `atomik_fpga.protocol.BankRegister`.

    Members
    -------
    op : In(3)
        Opcode, an `atomik_fpga.protocol.Op`.
    more : In(5)
        Count, less 1.
    context : In(16)
        First address.
    left : In(9)
        Bytes that follow the header in its frame.
    has_operands : Out(1)
        Operands follow the header,
    operands : Out
        that many bytes of them.
    replies : Out(1)
        Each op gives a value.
    pairs : Out(1)
        Each value is a state and an accumulator.
    steps : Out(1)
        Each op goes to the next address.
    table_op : Out(TableOp)
        What the table does for each op.
    fault : Out(4)
        The `atomik_fpga.protocol.DeviceFault` of this run.
    """

    def __init__(self, width, depth, *, slot_bytes, registers=False):
        self._width = width
        self._depth = depth
        self._slot_bytes = slot_bytes
        self._registers = registers
        super().__init__(
            {
                "op": In(3),
                "more": In(range(MAX_COUNT)),
                "context": In(16),
                "left": In(9),
                "has_operands": Out(1),
                "operands": Out(range(MAX_COUNT * operand_bytes(width) + 1)),
                "replies": Out(1),
                "pairs": Out(1),
                "steps": Out(1),
                "table_op": Out(TableOp),
                "fault": Out(4),
            }
        )

    def elaborate(self, platform):
        m = Module()

        with m.Switch(self.op):
            for op in Op:
                with m.Case(op):
                    m.d.comb += [
                        self.has_operands.eq(op in _OPERAND_OPS),
                        self.replies.eq(op in REPLYING_OPS),
                        self.pairs.eq(op == Op.PEEK),
                        self.steps.eq(op != Op.ACCUM),
                        self.table_op.eq(_TABLE_OPS[op]),
                    ]

        size = (self.more + 1) * operand_bytes(self._width)
        clear_all = (self.more == 0) & (self.context == 0)
        last = self.context + Mux(self.steps, self.more, 0)
        m.d.comb += self.operands.eq(Mux(self.has_operands, size, 0))
        outside = last >= self._depth
        if self._registers:
            register_op = Signal()
            with m.Switch(self.op):
                with m.Case(*sorted(_REGISTER_OPS)):
                    m.d.comb += register_op.eq(1)
            within = (self.context >= BANK_REGISTERS) & (last >> len(self.context) == 0)
            outside &= ~(register_op & within)
        with m.If((self.left < self.operands) | ((self.op == Op.CLEAR) & ~clear_all)):
            m.d.comb += self.fault.eq(DeviceFault.MALFORMED)
        with m.Elif(outside):
            m.d.comb += self.fault.eq(DeviceFault.ADDRESS)
        with m.Elif(
            self.replies
            & (
                (self.left != self.operands)
                | ((size << self.pairs) > reply_bytes(self._slot_bytes))
            )
        ):
            m.d.comb += self.fault.eq(DeviceFault.REPLY)

        return m
