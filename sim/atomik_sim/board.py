"""A simulated board: a device, the bytes at its serial port, and its clock."""

from __future__ import annotations

import logging
import threading
from time import monotonic, sleep

from atomik_fpga.errors import ClosedError

from .cable import Cable
from .clock import BoardClock
from .engine import Engine, make_engine
from .faults import FaultyCable, FaultyLine
from .options import BoardOptions
from .pins import IDLE
from .status import BoardFailedError, BoardStatus
from .tap import Tap, Transfer

__all__ = ["SimBoard"]

_log = logging.getLogger(__name__)

#: Bytes towards the device that are taken without waiting, as an operating system's port does.
_SEND_LIMIT = 4096
#: Bytes from the device that are kept until they are read.
_RECEIVE_LIMIT = 1 << 16

#: How far simulated time may run ahead of wall time: what an operating system can well sleep.
_LEAD_SECONDS = 1e-3


class SimBoard:
    """One board, and the cable to it. Safe from threads.

    The device runs in a thread of its own: from the first use on, until `close`, or until it has
    nothing left to do after `release`. While it is idle its clock is stopped, which costs no
    processor time. The device has no timers, and an engine is idle only when what is beside it is
    at rest too: skipping clocks in which nothing can happen changes nothing of what comes after.

    Parameters
    ----------
    options : BoardOptions
    engine : Engine
        What runs the gateware; by default, what ``options`` say.

    Attributes
    ----------
    cable : Cable
        Replaced in order to inject faults, as the option ``faults`` does.

    Raises
    ------
    UnsupportedPortError
        If the simulator is not installed.
    OSError
        If the file for waves can't be written.
    """

    def __init__(
        self, options: BoardOptions | None = None, *, engine: Engine | None = None
    ) -> None:
        self._options = BoardOptions() if options is None else options
        self._engine = make_engine(self._options) if engine is None else engine
        self._taps: list[Tap] = []
        if self._options.vcd:
            from .waves import WaveWriter

            self._taps.append(WaveWriter(self._options.vcd, self._options, self._engine.clocks))
        self.cable = Cable()
        spec = self._options.fault_spec()
        if spec is not None:
            line = FaultyLine(spec, self._options.width)
            self.cable = FaultyCable(line, self._options.baud)

        self._clock = BoardClock(self._options.clock_frequency, lambda: self._engine.clocks)
        self._condition = threading.Condition()
        self._thread: threading.Thread | None = None
        self._held = False
        self._closed = False
        self._failure: str | None = None
        self._reset_wanted = False
        self._read_cancelled = False
        self._write_cancelled = False
        self._to_send = bytearray()
        self._sending = False
        self._received = bytearray()
        self._sent_count = self._received_count = self._lost_count = self._resets = 0

    @property
    def options(self) -> BoardOptions:
        """What the board was made with."""
        return self._options

    @property
    def engine_name(self) -> str:
        """What runs the gateware: it may stand in for the one that the options name."""
        return self._engine.name

    @property
    def in_waiting(self) -> int:
        """Bytes that can be read at once."""
        return len(self._received)

    @property
    def out_waiting(self) -> int:
        """Bytes that were written and are not yet on the line."""
        return len(self._to_send)

    @property
    def failed(self) -> bool:
        """The simulation ended with an error."""
        return self._failure is not None

    @property
    def status(self) -> BoardStatus:
        """What the board has done so far."""
        with self._condition:
            bits_to_device, bits_from_device = self._engine.pin_bits
            return BoardStatus(
                clocks=self._engine.clocks,
                bytes_to_device=self._sent_count,
                bytes_from_device=self._received_count,
                bits_to_device=bits_to_device,
                bits_from_device=bits_from_device,
                bytes_lost=self._lost_count,
                resets=self._resets,
                idle=self._clock.idle,
            )

    def link_clock(self) -> float:
        """Return the time on the board in seconds: simulated clocks; wall time while it is idle."""
        with self._condition:
            return self._clock.seconds()

    def tap(self, tap: Tap) -> None:
        """Let ``tap`` see from now on what happens at the device's pins, until `close`."""
        with self._condition:
            self._taps = [*self._taps, tap]

    def hold(self) -> None:
        """Keep the board's thread until `release`; starts the device if it is new."""
        with self._condition:
            self.check()
            self._held = True
            self._read_cancelled = self._write_cancelled = False
            self._start()

    def release(self) -> None:
        """Let the board's thread end when the device has done what it was sent."""
        with self._condition:
            self._held = False
            self._condition.notify_all()

    def close(self) -> None:
        """Stop the device at once and for good. Whoever waits gets `ClosedError`."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()
            thread = self._thread
            taps, self._taps = self._taps, []
        if thread is not None:
            thread.join()
        for tap in taps:
            tap.close()

    def write(self, data: bytes, timeout: float | None = None) -> int:
        """Queue ``data`` for the device; wait while the queue is full.

        Returns
        -------
        int
            Bytes that were queued: fewer after ``timeout`` seconds, or after `cancel_write`.

        Raises
        ------
        BoardFailedError, ClosedError
            If the simulation has ended.
        """
        deadline = None if timeout is None else monotonic() + timeout
        done = 0
        with self._condition:
            while done < len(data):
                self.check()
                room = _SEND_LIMIT - len(self._to_send)
                if room > 0:
                    self._to_send += data[done : done + room]
                    done = min(done + room, len(data))
                    self._wake()
                elif self._write_cancelled or not self._wait(deadline):
                    break
            self._write_cancelled = False
        return done

    def read(self, size: int, timeout: float | None = None) -> bytes:
        """Take up to ``size`` bytes from the device; wait until there are as many.

        Returns
        -------
        bytes
            Fewer after ``timeout`` seconds, or after `cancel_read`.

        Raises
        ------
        BoardFailedError, ClosedError
            If the simulation has ended and nothing is left to be read.
        """
        deadline = None if timeout is None else monotonic() + timeout
        with self._condition:
            while len(self._received) < size and not self._read_cancelled:
                if not self._received:
                    self.check()
                elif self._closed or self.failed:
                    break
                if not self._wait(deadline):
                    break
            self._read_cancelled = False
            data = bytes(self._received[:size])
            del self._received[:size]
        return data

    def drain(self, timeout: float | None = None) -> bool:
        """Wait until everything written is on the line; return whether that came to pass."""
        deadline = None if timeout is None else monotonic() + timeout
        with self._condition:
            while self._to_send or self._sending:
                self.check()
                if not self._wait(deadline):
                    return False
        return True

    def cancel_read(self) -> None:
        """Make the `read` that waits in another thread, or else the next one, return at once."""
        with self._condition:
            self._read_cancelled = True
            self._condition.notify_all()

    def cancel_write(self) -> None:
        """Likewise for `write`, as far as it has to wait."""
        with self._condition:
            self._write_cancelled = True
            self._condition.notify_all()

    def discard_input(self) -> None:
        """Drop what was received and not yet read."""
        with self._condition:
            self._received.clear()

    def discard_output(self) -> None:
        """Drop what was written and is not yet on the line."""
        with self._condition:
            self._to_send.clear()
            self._condition.notify_all()

    def reset(self) -> None:
        """Reset the device, between two characters, and return when that has happened.

        Bytes that are queued towards it stay queued.
        """
        with self._condition:
            resets = self._resets
            self._reset_wanted = True
            self.check()
            self._wake()
            while self._resets == resets:
                self.check()
                self._condition.wait()

    def check(self) -> None:
        """Raise what ended the simulation, if anything: `BoardFailedError` or `ClosedError`."""
        if self._failure is not None:
            raise BoardFailedError(self._failure)
        if self._closed:
            raise ClosedError("The simulated board is closed; open it again for a new one")

    def _wait(self, deadline: float | None) -> bool:
        """Wait for a change; return False once the deadline has passed."""
        if deadline is None:
            return self._condition.wait()
        left = deadline - monotonic()
        return left > 0 and self._condition.wait(left)

    def _start(self) -> None:
        if self._thread is None:
            name = f"atomik-sim-{self._options.board}"
            self._thread = threading.Thread(target=self._run, name=name, daemon=True)
            self._thread.start()

    def _wake(self) -> None:
        """Let the clock run on: there is something to do."""
        self._clock.run()
        self._start()
        self._condition.notify_all()

    def _run(self) -> None:
        failure: str | None = "The simulated board stopped with an unexpected error"
        try:
            if self._engine.clocks == 0:
                # The line is at rest when a board comes up; a receiver waits for that.
                self._transfer([IDLE])
            while self._await_work():
                self._step()
            failure = None
        except OSError as error:
            failure = f"The simulated board stopped: {error}"
        finally:
            if failure is not None:
                with self._condition:
                    self._failure = failure
                    self._stopped()

    def _await_work(self) -> bool:
        """Stop the clock while there is nothing to do; return False when the thread is to end."""
        with self._condition:
            while not self._closed:
                awaited = self._to_send or self._reset_wanted or self.cable.pending
                if awaited or not self._engine.idle:
                    return True
                self._clock.stop()
                for tap in self._taps:
                    tap.rested()
                if not self._held:
                    break
                self._condition.wait()
            self._stopped()
            return False

    def _stopped(self) -> None:
        self._thread = None
        # Time must go on: somebody may be waiting for a timeout in it.
        self._clock.stop()
        self._condition.notify_all()

    def _step(self) -> None:
        with self._condition:
            reset, self._reset_wanted = self._reset_wanted, False
            cable, batch = self.cable, self._batch()
            before = len(self._to_send)
            data = b"" if cable.full else bytes(self._to_send[:batch])
            del self._to_send[: len(data)]
            self._sending = bool(data) or cable.full
            # Those who wait for room are woken up once there is plenty of it, not at each byte.
            if len(self._to_send) <= _SEND_LIMIT // 2 < before:
                self._condition.notify_all()
        if reset:
            before_reset = self._engine.clocks
            self._engine.reset()
            for tap in self._taps:
                tap.reset(before_reset, self._engine.clocks)
        received = cable.receive(self._transfer(cable.drive(data, batch)))
        with self._condition:
            self._sending = cable.full
            self._sent_count += len(data)
            self._resets += reset
            self._keep(received)
            if received or reset or not self._to_send:
                self._condition.notify_all()

    def _batch(self) -> int:
        return min([self._engine.batch, *(tap.batch for tap in self._taps if tap.batch)])

    def _transfer(self, characters: list[int]) -> bytes:
        """Let the engine do it, and tell what happened."""
        start = self._engine.clocks
        received = self._engine.transfer(characters)
        if self._taps:
            transfer = Transfer(
                start, self._engine.clocks, characters, received, self._engine.pin_bits[1]
            )
            for tap in self._taps:
                tap.transferred(transfer)
        if self._options.realtime:
            with self._condition:
                lead = self._clock.lead()
            if lead > _LEAD_SECONDS:
                sleep(lead)
        return received

    def _keep(self, received: bytes) -> None:
        room = _RECEIVE_LIMIT - len(self._received)
        lost = len(received) - room
        if lost > 0:
            if not self._lost_count:
                _log.warning("Nobody reads what the simulated board sends; bytes are being lost")
            self._lost_count += lost
        self._received += received[:room]
        self._received_count += len(received)
