"""A lock that knows of fork."""

from __future__ import annotations

import os
from threading import RLock

from .errors import ForkError

__all__ = ["ForkLock"]


class ForkLock:
    """A reentrant lock. A thread that held it when the process forked holds it for ever in the
    child, which then gets an error in place of an endless wait.
    """

    __slots__ = ("_process", "acquire", "release")

    def __init__(self) -> None:
        lock = RLock()
        self.acquire = lock.acquire
        self.release = lock.release
        self._process = os.getpid()

    def wait(self) -> None:
        """Acquire the lock, which is held.

        Raises
        ------
        ForkError
            If it was made in another process.
        """
        if os.getpid() != self._process:
            raise ForkError(
                "This object was made before fork, and belongs to the parent process: make "
                "another one in the child, on another port, or use the parent's"
            )
        self.acquire()

    def __enter__(self) -> None:
        if not self.acquire(False):
            self.wait()

    def __exit__(self, *_: object) -> None:
        self.release()
