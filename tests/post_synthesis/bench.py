"""Byte streams as levels at a board's pins, what the device in Python answers, and comparisons."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

from atomik_boards.clocking import RESET_HOLD_SECONDS
from atomik_fpga.protocol import FEATURE_FABRIC_PORT
from atomik_sim.model import DeviceModel

from ..test_model_equals_gateware import Traffic
from ..wire import info_frame
from .gates import GateNetlist
from .netlist import Netlist

__all__ = ["Stimulus", "first_difference", "received"]


class Stimulus:
    """What a board's pins see in a run, and the bytes that must be answered.

    Two sessions of random frames, right and wrong ones, each frame sent when the one before was
    answered; between them the reset button is pressed. Then ``tail`` frames back to back, whose
    replies are not predicted, because acknowledgements that wait for the line become one.

    Parameters
    ----------
    netlist : Netlist
        Whose board it is for.
    pins : sequence of str
        Inputs, as `GateNetlist` has them.
    frames, tail : int
        How many of each.
    seed : int
        Of the frames.

    Attributes
    ----------
    levels : bytes
        For each cycle a bit for each input.
    quiet_from : int
        The cycle in which the tail begins.
    sent : list of bytes
        The frames before the tail.
    answers : bytes
        What comes back before `quiet_from`.
    """

    def __init__(
        self, netlist: Netlist, pins: Sequence[str], *, frames: int, tail: int, seed: int
    ) -> None:
        self._design = netlist.design
        self._build_id = netlist.build_id
        self._pins = list(pins)
        self._clocks = self._design.clock.hz / self._design.baud
        board = self._design.board
        if board.reset is None:
            raise ValueError(f"{board.name} has no reset button to press")
        self._rx = 1 << self._pins.index("{}_{}__rx__io".format(*board.uart))
        self._button = 1 << self._pins.index("{}_{}__io".format(*board.reset))
        module, _, name = board.platform.partition(":")
        platform = getattr(importlib.import_module(module), name)()
        (inverted,) = platform.request(*board.reset, dir="-").invert
        self._released = self._button if inverted else 0
        self._levels = bytearray()
        self.sent: list[bytes] = []
        self.answers = b""

        hold = int(2 * RESET_HOLD_SECONDS * self._design.clock.hz) + self._design.contexts
        self._idle(hold)
        self._session(frames // 2, seed)
        self._levels += bytes([self._rx | (self._button - self._released)]) * 10
        self._idle(hold)
        traffic = self._session(frames - frames // 2, seed + 1)
        self.quiet_from = len(self._levels)
        for _ in range(tail):
            self._send(traffic.frame())
        self._idle(4000)
        self.levels = bytes(self._levels)

    def _idle(self, cycles: int) -> None:
        self._levels += bytes([self._rx | self._released]) * cycles

    def _send(self, frame: bytes) -> None:
        bits = [bit for byte in frame for bit in (0, *(byte >> n & 1 for n in range(8)), 1)]
        for n, bit in enumerate(bits):
            cycles = round((n + 1) * self._clocks) - round(n * self._clocks)
            self._levels += bytes([self._released | (self._rx if bit else 0)]) * cycles

    def _session(self, frames: int, seed: int) -> Traffic:
        design = self._design
        model = DeviceModel(
            design.width,
            design.contexts,
            reply_slots=design.board.reply_slots,
            clock_hz=design.clock.hz,
            baud=design.baud,
            build_id=self._build_id,
            features=FEATURE_FABRIC_PORT,
        )
        traffic = Traffic(str(seed), design.width, design.contexts)
        opening = [info_frame(seed & 0xFFFF), traffic.session.open()]
        for n in range(frames):
            frame = opening[n] if n < len(opening) else traffic.frame()
            answer = model.receive(frame)
            self.sent.append(frame)
            self.answers += answer
            self._send(frame)
            # What is answered takes its time on the line, what is executed less than this.
            self._idle(round(10 * len(answer) * self._clocks) + design.contexts + 1024)
            traffic.next, traffic.faulty = model.next, model.fault != 0
        return traffic

    def replies(self, netlist: GateNetlist, responses: bytes) -> bytes:
        """Return the bytes on the line to the host before the tail.

        Raises
        ------
        ValueError
            If a character has no stop bit.
        """
        tx = netlist.outputs.index("{}_{}__tx__io".format(*self._design.board.uart))
        levels = bytes(response >> tx & 1 for response in responses[: self.quiet_from])
        return received(levels, self._clocks)


def received(levels: bytes, clocks: float) -> bytes:
    """Return the characters on a line, given its level in each cycle and the cycles of a bit.

    Raises
    ------
    ValueError
        If a character has no stop bit.
    """
    characters = bytearray()
    # The transmitter is silent, not low, until it is out of reset.
    at = levels.find(0, max(levels.find(1), 0))
    while at >= 0:
        bits = [levels[at + int((n + 0.5) * clocks)] for n in range(10)]
        if bits[0] or not bits[9]:
            raise ValueError(f"What starts in cycle {at} is no character")
        characters.append(sum(bit << n for n, bit in enumerate(bits[1:9])))
        at = levels.find(0, at + int(9.5 * clocks))
    return bytes(characters)


def first_difference(one: bytes, other: bytes) -> int | None:
    """Return the first cycle in which the pins of two runs differ, or None."""
    if one == other:
        return None
    return next(n for n, pair in enumerate(zip(one, other, strict=True)) if pair[0] != pair[1])
