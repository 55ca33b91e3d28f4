"""What the diagrams show: each a few cycles of one component, with the inputs of each cycle."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from atomik_hdl.banks import DeltaBanks
from atomik_hdl.core import DeltaCore
from atomik_hdl.device import DeltaDevice
from atomik_hdl.table import DeltaTable, TableOp

from .. import wire
from ..simulate import simulate
from ..wire import Session
from .recorder import Lane, Recorder

__all__ = ["SCENARIOS"]

#: Values of input ports by cycle; what is not named is 0.
Script = Mapping[int, Mapping[str, Any]]


def _hexadecimal(value: int) -> str:
    return f"{value:02x}"


def _stream(name: str, stream: Any, *payload: tuple[str, Any]) -> list[Lane]:
    """Lanes of a stream; its payload means something where it is valid."""
    return [
        Lane(f"{name}.valid", stream.valid),
        Lane(f"{name}.ready", stream.ready),
        *(
            Lane(f"{name}.{field}", value, _hexadecimal, stream.valid, stream.ready)
            for field, value in payload
        ),
    ]


def _core(title: str, ports: Sequence[str], script: Script, cycles: int) -> dict[str, Any]:
    dut = DeltaCore(8)
    swap = dut.swap
    replaces = swap.valid & ~swap.payload.keep
    shown = {
        "load": _stream("load", dut.load, ("payload", dut.load.payload)),
        "accum": _stream("accum", dut.accum, ("payload", dut.accum.payload)),
        "read": _stream("read", dut.read),
        "swap": [
            *_stream("swap", swap),
            Lane("swap.payload.keep", swap.payload.keep, str, swap.valid, swap.ready),
            Lane("swap.payload.value", swap.payload.value, _hexadecimal, replaces, swap.ready),
        ],
        **{
            name: _stream(
                name,
                response,
                ("payload.state", response.payload.state),
                ("payload.accumulator", response.payload.accumulator),
            )
            for name, response in (
                ("read_response", dut.read_response),
                ("swap_response", dut.swap_response),
            )
        },
    }
    recorder = Recorder(title, [shown[port] for port in ports])

    async def testbench(ctx: Any) -> None:
        for cycle in range(cycles):
            inputs = script.get(cycle, {})
            for name, stream in (("load", dut.load), ("accum", dut.accum)):
                ctx.set(stream.valid, name in inputs)
                ctx.set(stream.payload, inputs.get(name, 0))
            ctx.set(dut.read.valid, "read" in inputs)
            ctx.set(dut.swap.valid, "swap" in inputs)
            ctx.set(dut.swap.payload, inputs.get("swap", {"keep": 0, "value": 0}))
            ctx.set(dut.read_response.ready, inputs.get("read_response.ready", 1))
            ctx.set(dut.swap_response.ready, inputs.get("swap_response.ready", 1))
            recorder.sample(ctx)
            await ctx.tick()

    simulate(dut, testbench, deadline=cycles + 1)
    return recorder.wave()


def core_accum() -> dict[str, Any]:
    """One context: a load, a delta a cycle, and reads while they come."""
    script: Script = {
        1: {"load": 0x50},
        2: {"accum": 0x01},
        3: {"accum": 0x02, "read": 1},
        4: {"accum": 0x04},
        5: {"accum": 0x08},
        6: {"read": 1},
    }
    title = "DeltaCore: load, a delta a cycle, read (8 bits, hexadecimal)"
    return _core(title, ["load", "accum", "read", "read_response"], script, 10)


def core_read() -> dict[str, Any]:
    """A response that waits, and a request that waits for it."""
    waits = {"read": 1, "read_response.ready": 0}
    script: Script = {
        1: {"accum": 0x0A, "read": 1},
        2: {"accum": 0x30, **waits},
        3: waits,
        4: waits,
        5: {"read": 1},
        6: {"read": 1},
    }
    title = "DeltaCore: a response waits until it is taken, and the next request until then"
    return _core(title, ["accum", "read", "read_response"], script, 10)


def core_swap() -> dict[str, Any]:
    """Swaps of both kinds, each with a delta in the same cycle."""
    script: Script = {
        0: {"load": 0x50},
        1: {"accum": 0x03},
        2: {"swap": {"keep": 1, "value": 0}, "accum": 0x08},
        5: {"swap": {"keep": 0, "value": 0x70}, "accum": 0x01},
        6: {"read": 1},
    }
    title = "DeltaCore: a delta that comes with a swap belongs to the new epoch"
    ports = ["load", "accum", "swap", "swap_response", "read", "read_response"]
    return _core(title, ports, script, 10)


def core_order() -> dict[str, Any]:
    """All four ports in one cycle."""
    script: Script = {
        0: {"load": 0x50},
        1: {"accum": 0x03},
        2: {
            "read": 1,
            "swap": {"keep": 0, "value": 0x11},
            "load": 0x20,
            "accum": 0x04,
        },
        5: {"read": 1},
    }
    title = "DeltaCore: in one cycle read comes first, then swap, load and accum"
    ports = ["load", "accum", "swap", "read", "swap_response", "read_response"]
    return _core(title, ports, script, 9)


def _table(title: str, script: Script, cycles: int) -> dict[str, Any]:
    dut = DeltaTable(8, 4)
    request, response = dut.i.payload, dut.o.payload
    valid, ready = dut.i.valid, dut.i.ready
    addressed = valid & (request.op != TableOp.CLEAR)
    has_operand = addressed & (request.op != TableOp.READ) & (request.op != TableOp.SWAP)
    recorder = Recorder(
        title,
        [
            [
                Lane("i.valid", valid),
                Lane("i.ready", ready),
                Lane("i.payload.op", request.op, lambda op: TableOp(op).name, valid, ready),
                Lane("i.payload.address", request.address, str, addressed, ready),
                Lane("i.payload.data", request.data, _hexadecimal, has_operand, ready),
            ],
            _stream(
                "o",
                dut.o,
                ("payload.state", response.state),
                ("payload.accumulator", response.accumulator),
            ),
        ],
    )

    async def testbench(ctx: Any) -> None:
        ctx.set(dut.o.ready, 1)
        # The clearing after a reset.
        await ctx.tick().until(dut.i.ready)
        for cycle in range(cycles):
            op, address, data = script.get(cycle, (None, 0, 0))
            ctx.set(dut.i.valid, op is not None)
            ctx.set(request.op, TableOp.ACCUM if op is None else op)
            ctx.set(request.address, address)
            ctx.set(request.data, data)
            recorder.sample(ctx)
            await ctx.tick()

    simulate(dut, testbench, deadline=cycles + 20)
    return recorder.wave()


def table_back_to_back() -> dict[str, Any]:
    """Ops on one address, one a cycle."""
    script = {
        1: (TableOp.LOAD, 2, 0x50),
        2: (TableOp.ACCUM, 2, 0x01),
        3: (TableOp.ACCUM, 2, 0x02),
        4: (TableOp.READ, 2, 0),
        5: (TableOp.SWAP, 2, 0),
        6: (TableOp.READ, 2, 0),
    }
    title = "DeltaTable: an op a cycle on one address, responses 11 cycles later"
    return _table(title, script, 19)


def table_clear() -> dict[str, Any]:
    """A clear between two reads."""
    script = {
        0: (TableOp.LOAD, 3, 0x50),
        1: (TableOp.READ, 3, 0),
        2: (TableOp.CLEAR, 0, 0),
        # It waits for `i.ready`.
        **dict.fromkeys(range(3, 8), (TableOp.READ, 3, 0)),
    }
    title = "DeltaTable: CLEAR of 4 contexts, i.ready low for 4 cycles"
    return _table(title, script, 20)


def banks_skew() -> dict[str, Any]:
    """A read among deltas of lanes of two groups."""
    dut = DeltaBanks(8, 7)
    # The first lane of each group of the chain.
    lanes = {name: dut.lanes[number] for name, number in (("lanes[0]", 0), ("lanes[6]", 6))}
    script: Script = {
        1: {"load": 0x50},
        4: {"lanes[0]": 0x01},
        5: {"lanes[0]": 0x02, "lanes[6]": 0x10, "read": 1},
        6: {"lanes[0]": 0x04, "lanes[6]": 0x20},
        7: {"lanes[6]": 0x40},
    }
    recorder = Recorder(
        "DeltaBanks of 7 lanes in a chain: the second group's deltas count a cycle longer",
        [
            _stream("load", dut.load, ("payload", dut.load.payload)),
            *(_stream(name, lane, ("payload", lane.payload)) for name, lane in lanes.items()),
            _stream("read", dut.read),
            _stream(
                "read_response",
                dut.read_response,
                ("payload.state", dut.read_response.payload.state),
                ("payload.accumulator", dut.read_response.payload.accumulator),
            ),
        ],
    )

    async def testbench(ctx: Any) -> None:
        ctx.set(dut.read_response.ready, 1)
        for cycle in range(14):
            inputs = script.get(cycle, {})
            for name, stream in (("load", dut.load), *lanes.items()):
                ctx.set(stream.valid, name in inputs)
                ctx.set(stream.payload, inputs.get(name, 0))
            ctx.set(dut.read.valid, "read" in inputs)
            recorder.sample(ctx)
            await ctx.tick()

    simulate(dut, testbench, deadline=15)
    return recorder.wave()


def device_accum() -> dict[str, Any]:
    """Deltas from the fabric while the link executes a frame."""
    clocks = 4
    dut = DeltaDevice(12_000_000, 12_000_000 // clocks, 8, 4)
    port = dut.accum
    recorder = Recorder(
        "DeltaDevice: deltas from the fabric yield to ops of the link (three ACCUM here)",
        [
            [
                Lane("accum.valid", port.valid),
                Lane("accum.ready", port.ready),
                Lane("accum.payload.address", port.payload.address, str, port.valid, port.ready),
                Lane("accum.payload.delta", port.payload.delta, _hexadecimal, None, port.ready),
            ],
        ],
    )
    readies: list[int] = []
    session = Session()

    async def line(ctx: Any) -> None:
        await ctx.tick().repeat(4 * clocks)
        frame = session.data(0, wire.run(wire.ACCUM, 1, 1, 2, 4, size=1))
        for byte in session.open() + b"\0" * 60 + frame:
            for bit in (0, *(byte >> n & 1 for n in range(8)), 1):
                ctx.set(dut.rx, bit)
                await ctx.tick().repeat(clocks)
        await ctx.tick().repeat(100)

    async def fabric(ctx: Any) -> None:
        delta = 0
        ctx.set(port.valid, 1)
        while True:
            ctx.set(port.payload, {"address": delta % 4, "delta": delta % 256})
            recorder.sample(ctx)
            readies.append(ctx.get(port.ready))
            await ctx.tick()
            delta += readies[-1]

    simulate(dut, line, background=[fabric], deadline=20_000)
    # The last stretch of low cycles: the first is the clearing after the reset.
    first = next(n for n in range(100, len(readies)) if not readies[n])
    return recorder.wave(slice(first - 3, first + 11))


#: Diagrams by the name of their file.
SCENARIOS: Mapping[str, Callable[[], dict[str, Any]]] = {
    "timing-core-accum": core_accum,
    "timing-core-read": core_read,
    "timing-core-swap": core_swap,
    "timing-core-order": core_order,
    "timing-table-ops": table_back_to_back,
    "timing-table-clear": table_clear,
    "timing-banks-skew": banks_skew,
    "timing-device-accum": device_accum,
}
