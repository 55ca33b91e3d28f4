"""Waves of a simulated board: its pins, and what goes over them by name, as a VCD file.

They are made of what passes between the engine and the line, so that they are the same on every
engine. Time is that of the device's clock: while the board is idle it stands still.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from heapq import heappop, heappush
from io import StringIO
from itertools import count
from pathlib import Path
from typing import Any

from vcd import VCDWriter

from .decode import LONGEST_FRAME, DeviceFrame, HostFrame, LinkDecoder
from .options import BoardOptions
from .pins import CHARACTER_BITS, IDLE, LEVELS, character, pulses
from .tap import Transfer

__all__ = ["WaveWriter"]

_NANOSECONDS = 1_000_000_000
#: Characters of the file that are held back at most.
_TEXT_LIMIT = 1 << 16


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Characters between two delimiters, and when each of them began.

    ``starts`` has one time more than ``body`` has bytes: that of the delimiter.
    """

    body: bytes
    whole: bool
    starts: list[float]


class _Direction:
    """The variables of one direction, and the frame whose characters are coming.

    Attributes
    ----------
    begun : float or None
        When that frame began, in clocks.
    """

    def __init__(
        self, waves: WaveWriter, scope: str, texts: tuple[str, ...], numbers: dict[str, int]
    ) -> None:
        self._waves = waves
        self._character = waves.variable(scope, "character", 8)
        self._texts = {name: waves.variable(scope, name, None) for name in texts}
        self._numbers = {name: waves.variable(scope, name, size) for name, size in numbers.items()}
        self._body = bytearray()
        self._starts: list[float] = []
        self._whole = True
        self.begun: float | None = None

    def byte(self, byte: int, begin: float, end: float, whole: bool) -> _Stretch | None:
        """Draw a character; return the stretch that it ends, unless that is empty."""
        self._waves.change(self._character, begin, byte)
        # Two equal ones in a row are two, so the stop bit does not count.
        self._waves.change(self._character, end - (end - begin) / CHARACTER_BITS, None)
        if len(self._body) < LONGEST_FRAME:
            self._starts.append(begin)
        else:
            self._starts[-1] = begin
        self._whole = self._whole and whole
        if byte or not whole:
            if len(self._body) < LONGEST_FRAME:
                self._body.append(byte)
                self.begun = self._starts[0]
            else:
                # What nobody ends must not be waited for.
                self._whole = False
                self.begun = None
            return None
        stretch = _Stretch(bytes(self._body), self._whole, self._starts)
        self._body, self._starts = bytearray(), []
        self._whole, self.begun = True, None
        return stretch if stretch.body else None

    def show(self, stretch: _Stretch, **values: str | int | None) -> None:
        """Give variables a value from the first character to before the delimiter."""
        for name, value in values.items():
            self._draw(name, stretch.starts[0], stretch.starts[-1], value)

    def show_part(self, stretch: _Stretch, first: int, last: int, **values: str) -> None:
        """Likewise, from the character ``first`` of its body to before ``last``."""
        for name, value in values.items():
            self._draw(name, stretch.starts[first], stretch.starts[last], value)

    def _draw(self, name: str, begin: float, end: float, value: str | int | None) -> None:
        if name in self._texts:
            variable, rest = self._texts[name], ""
        else:
            variable, rest = self._numbers[name], None
        self._waves.change(variable, begin, value)
        self._waves.change(variable, end, rest)


class WaveWriter:
    """A `Tap` that writes a VCD file.

    ``rx`` is exact to the clock; ``tx`` is drawn from the bytes that were received, and is exact to
    a bit. A frame stands from the start of its first character to that of its delimiter; when the
    device executes it is not visible at the pins. Scope ``board``:

    ``rx``, ``tx``, ``reset``
        The pins.
    ``host.character``, ``device.character``
        The byte on ``rx``, on ``tx``, up to its stop bit; else z.
    ``host.frame``, ``host.kind``, ``host.seq``, ``host.op``
        The frame towards the device in words (``ACCUM x32 @3 seq 17``), its kind, its number, and
        the one run whose characters are on the line.
    ``device.frame``, ``device.status``, ``device.next``, ``device.opcount``, ``device.fault``
        The reply in words, the name of its status, its number, its op count, the name of the fault
        that is latched.

    The file is complete up to the latest reply, and once the board is idle, without being closed.

    Parameters
    ----------
    path : str
    options : BoardOptions
    clocks : int
        The device's clocks now: where the waves begin.

    Raises
    ------
    OSError
        If the file can't be written.
    """

    #: So that each character has its time.
    batch = 1

    def __init__(self, path: str, options: BoardOptions, clocks: int = 0) -> None:
        self._frequency = options.clock_frequency
        self._bit = options.clock_frequency / options.baud
        self._decoder = LinkDecoder(options.width)
        # Kept closed between two writes: nobody tells a board that its process ends.
        self._path = Path(path).absolute()
        self._path.write_text("")
        self._text = StringIO()
        self._writer = VCDWriter(
            self._text,
            timescale="1 ns",
            date="",
            comment=f"{options.board}, {options.contexts} contexts of {options.width} bits",
            init_timestamp=self._nanoseconds(clocks),
        )
        self._events: list[tuple[int, int, Any, Any]] = []
        self._order = count()
        self._written = self._nanoseconds(clocks)
        self._end = clocks
        self._rx = self._writer.register_var("board", "rx", "wire", 1, 1)
        self._tx = self._writer.register_var("board", "tx", "wire", 1, 1)
        self._reset = self._writer.register_var("board", "reset", "wire", 1, 0)
        self._host = _Direction(self, "host", ("frame", "kind", "op"), {"seq": 16})
        self._device = _Direction(
            self, "device", ("frame", "status", "fault"), {"next": 16, "opcount": 32}
        )
        self._reply_begun: float | None = None
        self._reply_ended: float = clocks
        self._closed = False

    def transferred(self, transfer: Transfer) -> None:
        """Draw what went over the line."""
        self._end = transfer.end
        length = (transfer.end - transfer.start) / max(len(transfer.characters), 1)
        for position, levels in enumerate(transfer.characters):
            if levels != IDLE:
                self._drive(levels, transfer.start + position * length, length / CHARACTER_BITS)
        answered = self._sample(transfer)
        self._write_until(self._certain(transfer.end - self._bit))
        if answered or self._text.tell() > _TEXT_LIMIT:
            self._save()

    def rested(self) -> None:
        """Write to the file all that is known."""
        self._write_until(self._certain(math.inf))
        self._writer.flush()
        self._save()

    def reset(self, start: int, end: int) -> None:
        """Draw a pulse of ``reset``."""
        self.change(self._reset, start, 1)
        self.change(self._reset, end, 0)
        self._end = end

    def close(self) -> None:
        """Write the rest. May be called again."""
        if not self._closed:
            self._closed = True
            self._write_until(math.inf)
            self._writer.close(max(self._nanoseconds(self._end), self._written))
            self._save()

    def variable(self, scope: str, name: str, size: int | None) -> Any:
        """Return a new variable: of ``size`` bits, or of text if that is None."""
        if size is None:
            return self._writer.register_var(f"board.{scope}", name, "string", init="")
        return self._writer.register_var(f"board.{scope}", name, "wire", size, "z")

    def change(self, variable: Any, clock: float, value: Any) -> None:
        """Give ``variable`` a value at a time, at the earliest at what is written already."""
        time = max(self._nanoseconds(clock), self._written)
        heappush(self._events, (time, next(self._order), variable, value))

    def _nanoseconds(self, clock: float) -> int:
        return round(clock * _NANOSECONDS / self._frequency)

    def _drive(self, levels: int, begin: float, bit: float) -> None:
        for number in range(CHARACTER_BITS):
            clock = begin + number * bit
            for level, clocks in pulses(levels, number, round(bit)):
                self.change(self._rx, clock, level)
                clock += clocks
        end = begin + CHARACTER_BITS * bit
        self.change(self._rx, end, 1)
        levels &= LEVELS
        if levels == IDLE:
            return
        byte = levels >> 1 & 0xFF
        stretch = self._host.byte(byte, begin, end, levels == character(byte))
        if stretch is not None:
            self._name_request(stretch)

    def _sample(self, transfer: Transfer) -> bool:
        """Draw the bytes that were received; return whether a reply is complete.

        When a byte began is known from how many bits of it were sampled at the end of a transfer.
        """
        answered = False
        for byte in transfer.received:
            begin = transfer.start if self._reply_begun is None else self._reply_begun
            begin = max(begin, self._reply_ended)
            for number in range(CHARACTER_BITS):
                self.change(self._tx, begin + number * self._bit, character(byte) >> number & 1)
            self._reply_ended = begin + CHARACTER_BITS * self._bit
            self._reply_begun = None
            stretch = self._device.byte(byte, begin, self._reply_ended, True)
            if stretch is not None:
                self._name_reply(stretch)
                answered = True
        bits = transfer.received_bits % CHARACTER_BITS
        if bits and self._reply_begun is None:
            self._reply_begun = transfer.end - bits * self._bit
        return answered

    def _save(self) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(self._text.getvalue())
        self._text.seek(0)
        self._text.truncate()

    def _name_request(self, stretch: _Stretch) -> None:
        whole = stretch.whole
        frame = self._decoder.from_host(stretch.body) if whole else HostFrame("DAMAGED")
        self._host.show(stretch, frame=frame.name, kind=frame.kind, seq=frame.seq)
        for run in frame.runs:
            # The first character is COBS' own.
            self._host.show_part(stretch, run.start + 1, run.stop + 1, op=run.name)

    def _name_reply(self, stretch: _Stretch) -> None:
        whole = stretch.whole
        frame = self._decoder.from_device(stretch.body) if whole else DeviceFrame(None)
        known = frame.kind is not None
        self._device.show(
            stretch,
            frame=frame.name,
            status="DAMAGED" if frame.kind is None else frame.kind.name,
            next=frame.next if known else None,
            opcount=frame.opcount if known else None,
            fault=frame.fault,
        )

    def _certain(self, clock: float) -> float:
        """Return the time up to which nothing can still be drawn, at most ``clock``."""
        begun = (self._host.begun, self._device.begun, self._reply_begun)
        return min([clock, *(time for time in begun if time is not None)])

    def _write_until(self, clock: float) -> None:
        limit = clock if math.isinf(clock) else self._nanoseconds(clock)
        while self._events and self._events[0][0] <= limit:
            time = self._events[0][0]
            values: dict[int, tuple[Any, Any]] = {}
            # Where one thing ends and the next one begins, the end is not worth a line.
            while self._events and self._events[0][0] == time:
                _, _, variable, value = heappop(self._events)
                values[id(variable)] = variable, value
            for variable, value in values.values():
                self._writer.change(variable, time, value)
            self._written = time
