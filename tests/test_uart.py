# amaranth: UnusedElaboratable=no

import random
import re
from collections.abc import Callable, Coroutine, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out, Signature

from atomik_hdl.uart import BaudPlan, UartReceiver, UartTransmitter

from .simulate import simulate

#: Clocks a bit: the least, odd ones, fractions, and 12 MHz at 1M and 115200 baud.
RATIOS = (4, 4.4, 5, 8, 8.33, 12, 16, 104.17)

CHARACTERS = (0x00, 0xFF, 0x55, 0xAA, 0x01, 0x80, 0x7F, 0xFE, 0x0F, 0xF0)

Process = Callable[[Any], Coroutine[Any, Any, None]]


def bits_of(character: int, *, stop: int = 1) -> list[int]:
    return [0, *(character >> n & 1 for n in range(8)), stop]


def line(levels: Sequence[int], clocks_a_bit: float, *, delay: float = 0.0) -> list[int]:
    """The level at each clock edge of a line that changes at the exact, fractional times."""
    length = int(delay + len(levels) * clocks_a_bit)
    return [
        levels[int((clock - delay) / clocks_a_bit)] if clock >= delay else 1
        for clock in range(length)
    ]


def receive(
    dut: UartReceiver, levels: Sequence[int], tmp_path: Path, *, tail: int = 0
) -> list[tuple[int, int]]:
    """What comes out while the line goes through the levels, one a clock, and is high after."""
    received = []

    async def testbench(ctx: Any) -> None:
        await ctx.tick().repeat(4)
        for level in [*levels, *[1] * (tail + 8)]:
            ctx.set(dut.rx, level)
            _, _, valid, payload = await ctx.tick().sample(dut.o.valid, dut.o.payload)
            if valid:
                received.append((payload.data, payload.error))

    simulate(dut, testbench, deadline=len(levels) + tail + 20, tmp_path=tmp_path)
    return received


def data_of(received: Sequence[tuple[int, int]]) -> list[int]:
    assert [error for _, error in received] == [0] * len(received)
    return [character for character, _ in received]


def sent(
    dut: UartTransmitter, characters: Sequence[int], clocks: int, tmp_path: Path
) -> tuple[list[int], list[int]]:
    """The line, one level a clock, and the clock in which each of the characters transferred."""
    levels = []
    transfers = []

    async def feed(ctx: Any) -> None:
        ctx.set(dut.i.valid, 1)
        for character in characters:
            ctx.set(dut.i.payload, character)
            await ctx.tick().until(dut.i.ready)
            transfers.append(len(levels) - 1)
        ctx.set(dut.i.valid, 0)

    async def watch(ctx: Any) -> None:
        for _ in range(clocks):
            _, _, level = await ctx.tick().sample(dut.tx)
            levels.append(level)

    simulate(dut, watch, feed, deadline=clocks + 4, tmp_path=tmp_path)
    return levels, transfers


class TestConstruction:
    def test_receiver_signature(self) -> None:
        payload = data.StructLayout({"data": 8, "error": 1})
        assert UartReceiver(12e6, 1e6).signature == Signature(
            {"rx": In(1, init=1), "o": Out(stream.Signature(payload, always_ready=True))}
        )

    def test_transmitter_signature(self) -> None:
        assert UartTransmitter(12e6, 1e6).signature == Signature(
            {"i": In(stream.Signature(8)), "tx": Out(1, init=1)}
        )

    @pytest.mark.parametrize("component", [UartReceiver, UartTransmitter])
    def test_parameters_are_kept(self, component: Any) -> None:
        dut = component(12_000_000, 115_200)
        assert dut.clock_frequency == 12_000_000
        assert dut.baud == 115_200
        assert dut.baud_error == BaudPlan(12_000_000, 115_200).baud_error

    @pytest.mark.parametrize("component", [UartReceiver, UartTransmitter, BaudPlan])
    @pytest.mark.parametrize("value", [0, -1, 0.0, float("nan"), "fast", None, True])
    def test_a_parameter_that_is_no_positive_number_is_refused(
        self, component: Any, value: Any
    ) -> None:
        message = f"Clock frequency must be a positive number, not {value!r}"
        with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
            component(value, 115_200)
        message = f"Baud rate must be a positive number, not {value!r}"
        with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
            component(12_000_000, value)

    @pytest.mark.parametrize("component", [UartReceiver, UartTransmitter, BaudPlan])
    def test_fewer_than_four_clocks_a_bit_are_refused(self, component: Any) -> None:
        message = (
            "Baud rate 3000001 needs a clock of at least 12000004 Hz (4 clocks a bit), not "
            "12000000 Hz; use a faster clock (a PLL) or a baud rate of at most 3000000"
        )
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            component(12_000_000, 3_000_001)

    @pytest.mark.parametrize("component", [UartReceiver, UartTransmitter, BaudPlan])
    def test_a_baud_error_over_two_percent_is_refused(self, component: Any) -> None:
        message = (
            "Baud rate 50 is -4.6% off with a clock of 100000000 Hz (at most 2% allowed); use a "
            "slower clock or a higher baud rate"
        )
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            component(100_000_000, 50)


class TestBaudPlan:
    @pytest.mark.parametrize(
        ("clock_frequency", "baud", "phase_bits", "step"),
        [(12e6, 3e6, 2, 1), (16e6, 1e6, 4, 1), (12e6, 1e6, 12, 341), (12e6, 115_200, 16, 629)],
    )
    def test_the_accumulator_is_no_wider_than_the_baud_rate_needs(
        self, clock_frequency: float, baud: float, phase_bits: int, step: int
    ) -> None:
        plan = BaudPlan(clock_frequency, baud)
        assert (plan.phase_bits, plan.step) == (phase_bits, step)

    def test_reached_baud_is_the_mean_rate_of_the_overflows(self) -> None:
        plan = BaudPlan(12_000_000, 115_200)
        assert plan.reached_baud == 12_000_000 * 629 / 65_536
        assert plan.baud_error == pytest.approx(-0.00023, abs=1e-5)

    @pytest.mark.parametrize("ratio", RATIOS)
    def test_error_is_at_most_a_tenth_of_a_percent(self, ratio: float) -> None:
        assert abs(BaudPlan(ratio * 1e6, 1e6).baud_error) <= 0.001


class TestReceiver:
    def test_nothing_is_received_from_a_high_line(self, tmp_path: Path) -> None:
        assert receive(UartReceiver(16e6, 1e6), [1] * 400, tmp_path) == []

    def test_nothing_is_received_from_a_line_that_is_low_from_the_start(
        self, tmp_path: Path
    ) -> None:
        dut = UartReceiver(16e6, 1e6)
        received = []

        async def testbench(ctx: Any) -> None:
            ctx.set(dut.rx, 0)
            for level in [*[0] * 400, *[1] * 40, *line(bits_of(0x5A), 16), *[1] * 20]:
                ctx.set(dut.rx, level)
                _, _, valid, payload = await ctx.tick().sample(dut.o.valid, dut.o.payload)
                if valid:
                    received.append((payload.data, payload.error))

        simulate(dut, testbench, deadline=1000, tmp_path=tmp_path)
        assert received == [(0x5A, 0)]

    @pytest.mark.parametrize("ratio", RATIOS)
    def test_characters_back_to_back(self, ratio: float, tmp_path: Path) -> None:
        levels = [bit for character in CHARACTERS for bit in bits_of(character)]
        received = receive(
            UartReceiver(ratio * 1e6, 1e6), line(levels, ratio), tmp_path, tail=int(ratio)
        )
        assert data_of(received) == [*CHARACTERS]

    def test_every_character(self, tmp_path: Path) -> None:
        levels = [bit for character in range(256) for bit in bits_of(character)]
        received = receive(UartReceiver(5e6, 1e6), line(levels, 5), tmp_path, tail=5)
        assert data_of(received) == list(range(256))

    @pytest.mark.parametrize("ratio", [4, 5, 8.33, 16])
    def test_characters_at_any_phase_and_with_any_pause(self, ratio: float, tmp_path: Path) -> None:
        rng = random.Random(ratio)
        characters = [rng.randrange(256) for _ in range(40)]
        levels: list[int] = []
        for character in characters:
            levels += line(bits_of(character), ratio, delay=rng.uniform(0, 3 * ratio))
        received = receive(UartReceiver(ratio * 1e6, 1e6), levels, tmp_path, tail=int(ratio))
        assert data_of(received) == characters

    @pytest.mark.parametrize(
        ("ratio", "error"), [(4, 0.02), (5, 0.03), (8, 0.035), (12, 0.04), (16, 0.045)]
    )
    @pytest.mark.parametrize("sign", [-1, 1])
    def test_sender_may_be_slower_or_faster(
        self, ratio: float, error: float, sign: int, tmp_path: Path
    ) -> None:
        levels = [bit for character in CHARACTERS for bit in bits_of(character)]
        actual = ratio * (1 - sign * error)
        received = receive(
            UartReceiver(ratio * 1e6, 1e6), line(levels, actual), tmp_path, tail=int(ratio)
        )
        assert data_of(received) == [*CHARACTERS]

    @pytest.mark.parametrize("clocks", [1, 4, 7])
    def test_a_glitch_shorter_than_half_a_bit_is_no_character(
        self, clocks: int, tmp_path: Path
    ) -> None:
        levels = [*[1] * 20, *[0] * clocks, *[1] * 9, *line(bits_of(0xC3), 16)]
        assert receive(UartReceiver(16e6, 1e6), levels, tmp_path, tail=16) == [(0xC3, 0)]

    def test_low_stop_bit_is_an_error(self, tmp_path: Path) -> None:
        levels = line([*bits_of(0xA5, stop=0), 1, *bits_of(0x3C)], 16)
        (_, error), character = receive(UartReceiver(16e6, 1e6), levels, tmp_path, tail=16)
        assert error == 1
        assert character == (0x3C, 0)

    def test_a_break_is_one_error_however_long_it_is(self, tmp_path: Path) -> None:
        levels = [*[0] * 1600, *[1] * 16, *line(bits_of(0x3C), 16)]
        (_, error), character = receive(UartReceiver(16e6, 1e6), levels, tmp_path, tail=16)
        assert error == 1
        assert character == (0x3C, 0)


class TestTransmitter:
    def test_line_is_high_and_ready_from_the_start(self, tmp_path: Path) -> None:
        dut = UartTransmitter(16e6, 1e6)

        async def testbench(ctx: Any) -> None:
            for _ in range(40):
                assert (ctx.get(dut.tx), ctx.get(dut.i.ready)) == (1, 1)
                await ctx.tick()

        simulate(dut, testbench, deadline=50, tmp_path=tmp_path)

    @pytest.mark.parametrize("ratio", RATIOS)
    def test_edges_are_within_a_clock_of_their_times_with_no_gap_between_characters(
        self, ratio: float, tmp_path: Path
    ) -> None:
        bits = [bit for character in CHARACTERS for bit in bits_of(character)]
        dut = UartTransmitter(ratio * 1e6, 1e6)
        clocks_a_bit = ratio / (1 + dut.baud_error)
        levels, _ = sent(dut, CHARACTERS, int(ratio * (len(bits) + 2)), tmp_path)
        start = levels.index(0)
        edges = [n - start for n in range(1, len(levels)) if levels[n] != levels[n - 1]][1:]
        wanted = [n * clocks_a_bit for n in range(1, len(bits)) if bits[n] != bits[n - 1]]
        assert len(edges) == len(wanted)
        assert all(abs(a - b) <= 0.75 for a, b in zip(edges, wanted, strict=True))

    def test_start_bit_two_clocks_after_the_transfer(self, tmp_path: Path) -> None:
        levels, (transfer,) = sent(UartTransmitter(16e6, 1e6), [0x00], 200, tmp_path)
        assert levels.index(0) == transfer + 2

    def test_next_character_is_taken_in_with_the_stop_bit(self, tmp_path: Path) -> None:
        levels, transfers = sent(UartTransmitter(16e6, 1e6), [0x00] * 4, 700, tmp_path)
        start = levels.index(0)
        assert transfers[1:] == [start + 160 * n + 144 for n in range(3)]
        assert all(b - a == 160 for a, b in pairwise(transfers[1:]))

    @pytest.mark.parametrize("pause", range(14, 22))
    def test_character_that_comes_around_the_end_of_the_stop_bit(
        self, pause: int, tmp_path: Path
    ) -> None:
        dut = UartTransmitter(8e6, 1e6)
        levels = []

        async def feed(ctx: Any) -> None:
            for character in (0x12, 0x34):
                ctx.set(dut.i.payload, character)
                ctx.set(dut.i.valid, 1)
                await ctx.tick().until(dut.i.ready)
                ctx.set(dut.i.valid, 0)
                await ctx.tick().repeat(60 + pause)

        async def watch(ctx: Any) -> None:
            for _ in range(200):
                _, _, level = await ctx.tick().sample(dut.tx)
                levels.append(level)

        simulate(dut, watch, feed, deadline=300, tmp_path=tmp_path)
        received = receive(UartReceiver(8e6, 1e6), levels, tmp_path)
        assert data_of(received) == [0x12, 0x34]

    @pytest.mark.parametrize("ratio", RATIOS)
    def test_receiver_hears_what_was_sent(self, ratio: float, tmp_path: Path) -> None:
        levels, _ = sent(
            UartTransmitter(ratio * 1e6, 1e6), CHARACTERS, int(ratio * 102) + 10, tmp_path
        )
        received = receive(UartReceiver(ratio * 1e6, 1e6), levels, tmp_path)
        assert data_of(received) == [*CHARACTERS]
