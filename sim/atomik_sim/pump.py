"""Bytes between a simulated board and a client, and what servers of boards have in common."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

from atomik_fpga.errors import ClosedError

from .board import SimBoard

__all__ = ["Pump", "Server"]

_log = logging.getLogger(__name__)


class Pump:
    """Carries bytes both ways between a board and one client, in two threads of its own.

    Parameters
    ----------
    board : SimBoard
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
        board: SimBoard,
        receive: Callable[[], bytes],
        send: Callable[[bytes], None],
        halt: Callable[[], None],
        ended: Callable[[], None],
    ) -> None:
        self._board = board
        self._receive = receive
        self._send = send
        self._halt = halt
        self._ended = ended
        self._stopping = threading.Event()
        self._inward = threading.Thread(target=self._to_device, name="atomik-sim-in", daemon=True)
        self._outward = threading.Thread(
            target=self._from_device, name="atomik-sim-out", daemon=True
        )
        self._inward.start()
        self._outward.start()

    def stop(self) -> None:
        """End it; returns when it has ended."""
        self._end()
        self._inward.join()

    def _end(self) -> None:
        self._stopping.set()
        self._halt()
        self._board.cancel_read()
        self._board.cancel_write()

    def _to_device(self) -> None:
        try:
            while not self._stopping.is_set():
                data = self._receive()
                if not data:
                    break
                while data and not self._stopping.is_set():
                    data = data[self._board.write(data) :]
        except (OSError, ClosedError) as error:
            _log.debug("From client to board: %s", error)
        finally:
            self._end()
            self._outward.join()
            # Cancelling is remembered for a call that comes too late for it: there is none now.
            with suppress(OSError, ClosedError):
                self._board.read(0)
                self._board.write(b"")
            self._ended()

    def _from_device(self) -> None:
        try:
            while not self._stopping.is_set():
                data = self._board.read(1)
                data += self._board.read(self._board.in_waiting, 0)
                if data:
                    self._send(data)
        except (OSError, ClosedError) as error:
            _log.debug("From board to client: %s", error)
        finally:
            self._end()


class Server:
    """What both kinds of server have in common; a context manager that closes itself.

    Parameters
    ----------
    board : SimBoard
    """

    def __init__(self, board: SimBoard) -> None:
        self._board = board
        self._closed = threading.Event()
        self._wake_read, self._wake_write = socket.socketpair()
        board.hold()

    @property
    def board(self) -> SimBoard:
        """The board that is served."""
        return self._board

    def wait(self, timeout: float) -> bool:
        """Wait ``timeout`` seconds, or until `close`; return whether it is closed.

        Raises
        ------
        BoardFailedError
            If the board's simulation has failed.
        """
        self._board.check()
        return self._closed.wait(timeout)

    def close(self) -> None:
        """End it. The board is left as it is. May be called again."""
        if not self._closed.is_set():
            self._closed.set()
            self._wake_write.send(b"\0")
            self._shut()
            self._wake_read.close()
            self._wake_write.close()
            self._board.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _shut(self) -> None:
        """End what the kind of server has begun."""
        raise NotImplementedError
