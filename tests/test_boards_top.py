"""A board's top at its pins: line, lamps and button, on Amaranth's simulator."""

from typing import Any

import pytest
from amaranth import Elaboratable, Module
from amaranth.lib import io
from amaranth.sim import Simulator

from atomik_boards.catalog import BOARDS, Board
from atomik_boards.clocking import RESET_HOLD_SECONDS
from atomik_boards.design import plan_design
from atomik_boards.platforms import load_platform
from atomik_boards.top import BoardTop
from atomik_fpga.protocol import Info

from .wire import INFO, OPENED, Reply, Session, info_frame

#: The fastest that both oscillators make: a short simulation.
BAUD = 3_000_000
#: In seconds of the simulation.
DEADLINE = 2e-3
BUILD_ID = 0x0123_4567_89AB_CDEF


class Pins(Elaboratable):
    """A board's top whose pins a testbench moves.

    It stands in for the board's platform, and hands out simulated ports of the real ones' widths,
    directions and polarities.
    """

    def __init__(self, board: Board) -> None:
        self._platform, self._uart = load_platform(board)
        self.default_clk = self._platform.default_clk
        design = plan_design(board, freq=board.clock_hz, baud=BAUD, contexts=2, width=8)
        self._top = BoardTop(design, self._uart, build_id=BUILD_ID)
        self._ports: dict[tuple[str, int], Any] = {}
        self._board = board

    def elaborate(self, platform: Any) -> Module:
        module: Module = self._top.elaborate(self)
        return module

    def request(self, name: str, number: int = 0, **options: Any) -> Any:
        real = self._platform.request(name, number, **options)
        if isinstance(real, io.SingleEndedPort):
            port = self._simulated(real)
        else:
            port = type(real)()
            for subsignal, pin in vars(real).items():
                setattr(port, subsignal, self._simulated(pin))
        self._ports[name, number] = port
        return port

    def _simulated(self, real: io.SingleEndedPort) -> io.SimulationPort:
        return io.SimulationPort(real.direction, len(real), invert=real.invert, name="pin")

    @property
    def clock(self) -> Any:
        return self._ports[self.default_clk, 0].i

    @property
    def rx(self) -> Any:
        return self._ports[self._uart].rx.i

    @property
    def tx(self) -> Any:
        return self._ports[self._uart].tx.o

    def is_lit(self, ctx: Any, lamp: str) -> bool:
        name, number, *colour = self._board.leds[lamp]
        port = self._ports[name, number]
        port = getattr(port, colour[0]) if colour else port
        level: int = ctx.get(port.o)
        return bool(level) != port.invert[0]

    def press(self, ctx: Any, *, pressed: bool) -> None:
        assert self._board.reset is not None
        port = self._ports[self._board.reset]
        ctx.set(port.i, pressed != port.invert[0])


def run(board: Board, script: Any) -> None:
    """Run ``script(ctx, pins, ask)``; ``await ask(frame)`` sends it and returns the reply."""
    pins = Pins(board)
    simulator = Simulator(pins)
    bit = 1 / BAUD
    period = 1 / board.clock_hz

    async def oscillator(ctx: Any) -> None:
        while True:
            ctx.set(pins.clock, 1)
            await ctx.delay(period / 2)
            ctx.set(pins.clock, 0)
            await ctx.delay(period / 2)

    async def testbench(ctx: Any) -> None:
        async def ask(frame: bytes) -> Reply:
            for byte in frame:
                for level in (0, *(byte >> n & 1 for n in range(8)), 1):
                    ctx.set(pins.rx, level)
                    await ctx.delay(bit)
            received = bytearray()
            while not received or received[-1]:
                while ctx.get(pins.tx):
                    await ctx.delay(period)
                await ctx.delay(1.5 * bit - period / 2)
                byte = 0
                for n in range(8):
                    byte |= ctx.get(pins.tx) << n
                    await ctx.delay(bit)
                received.append(byte)
            return Session().decode(bytes(received[:-1]))

        ctx.set(pins.rx, 1)
        pins.press(ctx, pressed=False)
        await ctx.delay(1.5 * RESET_HOLD_SECONDS)
        await script(ctx, pins, ask)

    async def watch(ctx: Any) -> None:
        await ctx.delay(DEADLINE)
        raise AssertionError(f"The device did not answer within {DEADLINE} s")

    simulator.add_testbench(testbench)
    simulator.add_testbench(oscillator, background=True)
    simulator.add_testbench(watch, background=True)
    simulator.run()


#: One of each family, and one whose UART is at pins and whose lamps are one of three colours.
TRIED = ("icebreaker", "ulx3s-25f", "orangecrab-25f")
EACH_BOARD = pytest.mark.parametrize("board", [BOARDS[name] for name in TRIED], ids=TRIED)


@EACH_BOARD
def test_the_device_identifies_itself_on_the_pins_of_the_board(board: Board) -> None:
    replies: list[Reply] = []

    async def script(ctx: Any, pins: Pins, ask: Any) -> None:
        replies.append(await ask(info_frame(0x1234)))

    run(board, script)

    (reply,) = replies
    assert (reply.kind, reply.next) == (INFO, 0x1234)
    info = Info.unpack(reply.payload)
    assert (info.clock_hz, info.baud) == (board.clock_hz, BAUD)
    assert (info.width, info.depth) == (8, 2)
    assert info.reply_slots == board.reply_slots
    assert info.build_id == BUILD_ID


@EACH_BOARD
def test_a_lamp_shows_the_session_until_the_button_resets_the_device(board: Board) -> None:
    lamps: list[bool] = []
    kinds: list[int] = []

    async def script(ctx: Any, pins: Pins, ask: Any) -> None:
        lamps.append(pins.is_lit(ctx, "session"))
        kinds.append((await ask(Session().open())).kind)
        lamps.append(pins.is_lit(ctx, "session"))
        pins.press(ctx, pressed=True)
        await ctx.delay(1e-6)
        pins.press(ctx, pressed=False)
        await ctx.delay(1e-6)
        lamps.append(pins.is_lit(ctx, "session"))
        lamps.append(pins.is_lit(ctx, "error"))

    run(board, script)

    assert kinds == [OPENED]
    assert lamps == [False, True, False, False]
