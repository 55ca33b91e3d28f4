"""Bytes between a simulated board and its clients, of which the one that wrote last is answered."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable
from contextlib import suppress

from atomik_fpga.errors import AtomikError, ClosedError

from .board import SimBoard

__all__ = ["Exchange", "Lane", "Wake"]

_log = logging.getLogger(__name__)

#: Bytes that wait for a client that is slow to take them; what is more is lost.
_QUEUE_LIMIT = 1 << 16
#: How often a lane that waits for room towards the board looks whether it is to end, in seconds.
_PATIENCE_SECONDS = 0.1


class Wake:
    """Something to put into a ``select`` so that another thread can end it."""

    def __init__(self) -> None:
        self._read, self._write = socket.socketpair()

    def fileno(self) -> int:
        """Return what becomes readable, for good, at `set`."""
        return self._read.fileno()

    def set(self) -> None:
        """Wake who waits; may be called again, and after `close`."""
        with suppress(OSError):
            self._write.send(b"\0")

    def close(self) -> None:
        """Give the sockets back."""
        self._read.close()
        self._write.close()


class Exchange:
    """The one reader of a board, which hands on what the board sends.

    It goes to the `Lane` that wrote last, from its first byte on; what the board had sent before
    that and was not read yet is dropped. A lane that does not take its bytes keeps neither the
    board nor another lane waiting.

    Parameters
    ----------
    board : SimBoard
    """

    def __init__(self, board: SimBoard) -> None:
        self._board = board
        self._lock = threading.Lock()
        self._lanes: set[Lane] = set()
        self._answered: Lane | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="atomik-sim-out", daemon=True)
        self._thread.start()

    def enter(self, lane: Lane) -> None:
        """Count ``lane`` among those that end when the board does."""
        with self._lock:
            self._lanes.add(lane)

    def leave(self, lane: Lane) -> None:
        """Forget ``lane``. What the board sends is lost until another one writes."""
        with self._lock:
            self._lanes.discard(lane)
            if self._answered is lane:
                self._answered = None

    def write(self, lane: Lane, data: bytes) -> int:
        """Queue bytes for the board as far as there is room; from now on ``lane`` is answered.

        Raises
        ------
        BoardFailedError, ClosedError
            If the simulation has ended.
        """
        with self._lock:
            if self._answered is not lane:
                self._board.discard_input()
                self._answered = lane
        return self._board.write(data, _PATIENCE_SECONDS)

    def stop(self) -> None:
        """End the reading, and every lane; returns when all has ended."""
        self._stopping.set()
        self._board.cancel_read()
        self._thread.join()
        for lane in self._present():
            lane.stop()
        # Cancelling is remembered for a read that comes too late for it: there is none now.
        with suppress(OSError, ClosedError):
            self._board.read(0)

    def _present(self) -> list[Lane]:
        with self._lock:
            return list(self._lanes)

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                data = self._board.read(1)
                data += self._board.read(self._board.in_waiting, 0)
                with self._lock:
                    lane = self._answered
                if data and lane is not None:
                    lane.put(data)
        except AtomikError as error:
            _log.debug("From board to clients: %s", error)
            for lane in self._present():
                lane.end()


class Lane:
    """Carries bytes both ways between an `Exchange` and one client, in two threads of its own.

    Parameters
    ----------
    exchange : Exchange
    receive : callable that returns bytes
        Waits for bytes from the client; returns none when it has left.
    send : callable of bytes
    halt : callable
        Makes a ``receive`` and a ``send`` that wait return, or raise OSError. May be called again.
    ended : callable
        Called when all is over, in one of the threads.
    """

    def __init__(
        self,
        exchange: Exchange,
        receive: Callable[[], bytes],
        send: Callable[[bytes], None],
        halt: Callable[[], None],
        ended: Callable[[], None],
    ) -> None:
        self._exchange = exchange
        self._receive = receive
        self._send = send
        self._halt = halt
        self._ended = ended
        self._stopping = False
        self._queue = bytearray()
        self._changed = threading.Condition()
        self._inward = threading.Thread(target=self._to_board, name="atomik-sim-in", daemon=True)
        self._outward = threading.Thread(target=self._to_client, name="atomik-sim-to", daemon=True)
        exchange.enter(self)
        # The inward one may be over at once, and waits for the other then.
        self._outward.start()
        self._inward.start()

    def put(self, data: bytes) -> None:
        """Send ``data`` to the client, without waiting: where there is no room, it is lost."""
        with self._changed:
            room = _QUEUE_LIMIT - len(self._queue)
            if room < len(data):
                _log.debug("A client is slow to read: %d bytes are lost", len(data) - room)
            self._queue += data[:room]
            self._changed.notify_all()

    def end(self) -> None:
        """Begin to end it."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._halt()

    def stop(self) -> None:
        """End it; returns when it has ended."""
        self.end()
        self._inward.join()

    def _to_board(self) -> None:
        try:
            while not self._stopping:
                data = self._receive()
                if not data:
                    break
                while data and not self._stopping:
                    data = data[self._exchange.write(self, data) :]
        except (OSError, ClosedError) as error:
            _log.debug("From client to board: %s", error)
        finally:
            self.end()
            self._outward.join()
            self._exchange.leave(self)
            self._ended()

    def _to_client(self) -> None:
        try:
            while data := self._next():
                self._send(data)
        except OSError as error:
            _log.debug("From board to client: %s", error)
        finally:
            self.end()

    def _next(self) -> bytes:
        """Wait for bytes for the client; return none at the end."""
        with self._changed:
            while not self._queue and not self._stopping:
                self._changed.wait()
            data = b"" if self._stopping else bytes(self._queue)
            self._queue.clear()
        return data
