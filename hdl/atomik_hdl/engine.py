"""Banks with a generator on each lane, run for a number of cycles through a few registers."""

from amaranth import *
from amaranth.lib import enum, stream, wiring
from amaranth.lib.wiring import In, Out

from atomik_fpga.protocol import LANE_STEP, MIN_BANKS_WIDTH, SEED_STEP, BankRegister

from .banks import DeltaBanks
from .table import TableOp, request_layout, response_layout

__all__ = ["BanksEngine"]

_COUNT_BITS = 32


class _Phase(enum.Enum):
    """What the engine does."""

    #: Nothing.
    IDLE = 0
    #: Wait until every lane has seen that it is to stop.
    DRAIN = 1
    #: Make the state 0.
    LOAD = 2
    #: Let the seeds go to the lanes.
    FILL = 3
    #: Let the first lane accumulate.
    RUN = 4
    #: Wait until the last lane has done so as often.
    FLUSH = 5
    #: Ask for the state.
    READ = 6
    #: Wait for it.
    WAIT = 7


def _step(word, rotation, shift):
    return (word ^ (word << shift)[: len(word)]).rotate_left(rotation)


class BanksEngine(wiring.Component):
    """`DeltaBanks` that get a delta a lane in every cycle of a run.

    Each lane has a generator: one word, of which each cycle of a run accumulates the value that it
    has and then takes the step `atomik_fpga.protocol.LANE_STEP`. The word that lane n starts with
    is 2 n + 1 steps `atomik_fpga.protocol.SEED_STEP` from the seed. The state starts at 0.

    ``i`` has the registers `atomik_fpga.protocol.BankRegister`, by the two low bits of their
    addresses: ``LOAD`` of SEED and RUN, ``READ`` of all. Other ops do nothing.

    A run is told from lane to lane, one a cycle, as are the seeds before it: nothing goes to all
    lanes. Of each bit and lane there is one register with one 4-input function, beside the banks.

    Latency and throughput
    ----------------------
    ``i`` is ready unless a response waits. A response is valid in the cycle after its request. A
    run of n cycles has its state `overhead` + n cycles after its first delta, which is what ELAPSED
    says then; what goes before is bounded by twice the lanes and the latency of the banks.

    A reset ends a run and makes all registers 0.

    Parameters
    ----------
    width : int
        Bits of a delta, 32 to 1024.
    lanes : int
        1 to 1024.

    Members
    -------
    i : In(stream.Signature(request_layout(width, 4)))
        Ops on registers.
    o : Out(stream.Signature(response_layout(width)))
        Their values, in ``state``; ``accumulator`` has no meaning.
    running : Out(1)
        A run is under way, as the register RUN says.

    Raises
    ------
    TypeError, ValueError
        As `DeltaBanks`, and for a width that has no room for a count of cycles.
    """

    def __init__(self, width, lanes):
        self._banks = DeltaBanks(width, lanes)
        if width < MIN_BANKS_WIDTH:
            raise ValueError(f"Width must be at least {MIN_BANKS_WIDTH}, not {width}")
        super().__init__(
            {
                "i": In(stream.Signature(request_layout(width, len(BankRegister)))),
                "o": Out(stream.Signature(response_layout(width))),
                "running": Out(1),
            }
        )

    @property
    def overhead(self):
        """Cycles of a run in which not every lane accumulates, and those until its state."""
        return self._banks.banks + 1 + self._banks.latency

    def elaborate(self, platform):
        m = Module()

        m.submodules.banks = banks = self._banks
        lanes, width = banks.banks, banks.width

        # Registers.
        seed = Signal(width)
        left = Signal(_COUNT_BITS)
        elapsed = Signal(_COUNT_BITS)
        state = Signal(width)
        valid = Signal()
        value = Signal(width)
        start = Signal()
        read = Signal()
        request = self.i.payload

        def is_register(register):
            return request.address == (register & (len(BankRegister) - 1))

        m.d.comb += [
            self.i.ready.eq(~valid),
            self.o.valid.eq(valid),
            self.o.payload.state.eq(value),
        ]
        with m.If(self.o.ready):
            m.d.sync += valid.eq(0)
        with m.If(self.i.valid & self.i.ready):
            m.d.comb += [
                read.eq(request.op == TableOp.READ),
                start.eq((request.op == TableOp.LOAD) & is_register(BankRegister.RUN)),
            ]
            with m.If((request.op == TableOp.LOAD) & is_register(BankRegister.SEED)):
                m.d.sync += seed.eq(request.data)
        with m.If(read):
            m.d.sync += valid.eq(1)
            with m.Switch(request.address):
                for register, source in (
                    (BankRegister.SEED, seed),
                    (BankRegister.RUN, self.running),
                    (BankRegister.ELAPSED, elapsed),
                    (BankRegister.STATE, state),
                ):
                    with m.Case(register & (len(BankRegister) - 1)):
                        m.d.sync += value.eq(source)

        # Seeds enter at the last lane and go down, runs enter at the first one and go up.
        phase = Signal(_Phase)
        maker = Signal(width, reset_less=True)
        runs = Signal(lanes)
        m.d.sync += [
            maker.eq(_step(maker, *SEED_STEP)),
            runs.eq(Cat(phase == _Phase.RUN, runs)),
        ]
        above = maker
        for n in reversed(range(lanes)):
            word = Signal(width, name=f"word{n}", reset_less=True)
            m.d.sync += word.eq(Mux(runs[n], _step(word, *LANE_STEP), above))
            m.d.comb += [banks.lanes[n].payload.eq(word), banks.lanes[n].valid.eq(runs[n])]
            above = word

        # A run.
        timer = Signal(range(lanes))
        over = timer == lanes - 1
        m.d.comb += [self.running.eq(phase != _Phase.IDLE), banks.read_response.ready.eq(1)]
        with m.If((phase == _Phase.DRAIN) | (phase == _Phase.FILL) | (phase == _Phase.FLUSH)):
            m.d.sync += timer.eq(Mux(over, 0, timer + 1))
        m.d.sync += elapsed.eq(elapsed + 1)
        with m.Switch(phase):
            with m.Case(_Phase.IDLE):
                m.d.sync += elapsed.eq(elapsed)
            with m.Case(_Phase.DRAIN):
                with m.If(over):
                    m.d.sync += phase.eq(_Phase.LOAD)
            with m.Case(_Phase.LOAD):
                m.d.comb += banks.load.valid.eq(1)
                m.d.sync += maker.eq(seed)
                with m.If(banks.load.ready):
                    m.d.sync += phase.eq(_Phase.FILL)
            with m.Case(_Phase.FILL):
                m.d.sync += elapsed.eq(0)
                with m.If(over):
                    m.d.sync += phase.eq(Mux(left == 0, _Phase.FLUSH, _Phase.RUN))
            with m.Case(_Phase.RUN):
                m.d.sync += left.eq(left - 1)
                with m.If(left == 1):
                    m.d.sync += phase.eq(_Phase.FLUSH)
            with m.Case(_Phase.FLUSH):
                with m.If(over):
                    m.d.sync += phase.eq(_Phase.READ)
            with m.Case(_Phase.READ):
                m.d.comb += banks.read.valid.eq(1)
                with m.If(banks.read.ready):
                    m.d.sync += phase.eq(_Phase.WAIT)
            with m.Case(_Phase.WAIT):
                with m.If(banks.read_response.valid):
                    m.d.sync += [
                        state.eq(banks.read_response.payload.state),
                        phase.eq(_Phase.IDLE),
                    ]
        with m.If(start):
            m.d.sync += [left.eq(request.data), timer.eq(0), phase.eq(_Phase.DRAIN)]

        return m
