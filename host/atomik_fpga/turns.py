"""What an error, or an interrupt, inside of a channel's work makes of the channel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import AtomikError

if TYPE_CHECKING:
    from types import TracebackType

    from .channel import Channel

__all__ = ["Turn", "Watch"]


class Turn:
    """A call's turn to change the state of a channel, or the error that stands against it.

    An error inside, or an interrupt, may have left half of the change behind: it ends the channel.
    The lock is taken around it and not by it, since an interrupt in between would leave it locked.
    """

    __slots__ = ("_channel",)

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def __enter__(self) -> None:
        if self._channel._error is not None:
            self._channel._check()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None or isinstance(error, AtomikError):
            return
        channel = self._channel
        broken = channel._broken(error)
        channel._stop_with(broken)
        if isinstance(error, Exception):
            channel._raised = True
            raise broken from error


class Watch:
    """Around work that no caller waits for: the error that ends it is that of every later call."""

    __slots__ = ("_channel",)

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if not isinstance(error, Exception):
            # An interrupt of a write: what was not written is sent again.
            return False
        channel = self._channel
        channel._fail(error if isinstance(error, AtomikError) else channel._broken(error))
        return True
