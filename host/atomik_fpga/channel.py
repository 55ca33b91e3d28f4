"""Threads and locks around an engine and a port."""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from collections.abc import Callable, Sequence

from .errors import AtomikError, ClosedError, DriverError, ForkError
from .link import Engine, FrameBuilder, Payload, Reply, Session
from .protocol import Op
from .transport import Port
from .turns import Turn, Watch

__all__ = ["NEVER", "Channel"]

#: What was posted is sent after this time, in seconds, if no frame is full before.
_HOLD = 0.003
#: Frames that may wait behind a full window before posting waits too.
_BACKLOG = 4
#: A time that does not come.
NEVER = math.inf
#: How often the timers of a line with a time of its own are looked at, in seconds.
_OWN_TIME_POLL = 0.01
#: Seconds within which the threads end when asked to.
_END = 2.0

_log = logging.getLogger(__name__)


class Channel:
    """Carries payloads over an open session: a reader, and a pacer for all that is due by time.

    `_lock` guards all state, and what calls change of it is changed in a `_turn`. Bytes are written
    by one thread at a time, outside of the lock, so that a full line does not keep what arrives
    from being taken in.

    Whatever goes wrong, an error of this module included, becomes the error of every later call.

    Parameters
    ----------
    port : Port
        Open.
    session : Session
        Open.
    """

    def __init__(self, port: Port, session: Session) -> None:
        self._port = port
        tag = int.from_bytes(os.urandom(2), "little")
        self._engine = Engine(session, tag, f" at {port.url}")
        self._builder = FrameBuilder(session.info)
        # Accumulates that wait to be folded with others: the XOR of them, by address.
        self._folded: dict[int, int] = {}
        self._error: AtomikError | None = None
        self._raised = False
        self._ending = False
        # A token of the one who writes.
        self._writing: object | None = None
        # On the monotonic clock: when the pacer wakes of itself, when it sends what is posted.
        self._wake_at = -NEVER
        self._flush_at = NEVER
        # Rounds of the reader, how many they were when a timer was found to have run out, and when
        # it had, on the line's clock.
        self._rounds = 0
        self._rounds_then: int | None = None
        self._ran_out = -NEVER
        self._make_locks()
        self._turn = Turn(self)
        self._threads = [
            threading.Thread(target=self._run, args=(work,), name=name, daemon=True)
            for name, work in (("atomik-reader", self._read), ("atomik-pacer", self._keep_pace))
        ]
        started = False
        try:
            for thread in self._threads:
                thread.start()
            started = True
        finally:
            if not started:
                self._threads = [thread for thread in self._threads if thread.is_alive()]
                self.abandon()

    def _make_locks(self) -> None:
        self._lock = threading.Lock()
        self._arrived = threading.Condition(self._lock)
        self._pace = threading.Condition(self._lock)

    @property
    def url(self) -> str:
        """The port's name or URL."""
        return self._port.url

    @property
    def error(self) -> AtomikError | None:
        """What every call raises from now on; None while all is well."""
        return self._error

    def flush(self) -> None:
        """Return when all that was posted has acted."""
        with self._lock, self._turn:
            self._unfold()
            self._post(self._builder.seal())
            target = self._engine.submitted
        self._pump()
        with self._lock:
            while self._engine.acknowledged < target:
                self._check()
                self._arrived.wait()

    def settle(self, *, told: bool) -> None:
        """Return when all that was posted has acted, or at once if the session has ended.

        Raises
        ------
        AtomikError
            What went wrong, unless the caller was ``told`` before.
        """
        if self._error is None:
            self.flush()
        elif not told and not isinstance(self._error, ClosedError):
            with self._lock:
                self._check()

    def abandon(self) -> None:
        """Close the port of a channel that has failed; calls go on raising its error."""
        if self._ending:
            return
        self._end_threads()
        self._port.close()

    def disown(self) -> None:
        """In a child process: never use the port, which is the parent's."""
        self._make_locks()
        self._port.disown()
        self._error = ForkError(
            f"The connection to {self.url} was opened before fork, and belongs to the parent "
            "process: connect again in the child, to another port, or use the parent's"
        )

    # For the ops. Those whose names say nothing of the lock are called without it.

    def _check(self) -> None:
        """Raise what stands against any further call. Needs the lock."""
        if self._error is not None:
            self._raised = True
            # Without what the calls before have left in it, which would grow for ever.
            raise self._error.with_traceback(None)

    def _post(self, full: Payload | None) -> None:
        """Submit a full frame, and see to what is held being sent in time. Needs the lock."""
        if full is not None:
            self._engine.submit(full)
        if self._flush_at is NEVER:
            self._hold()

    def _hold(self) -> None:
        """See to what is held being sent in time. Needs the lock."""
        if self._folded or not self._builder.empty:
            self._flush_at = time.monotonic() + _HOLD
            self._wake_pacer(self._flush_at)

    def _unfold(self) -> None:
        """Post what was folded. Needs the lock; to be called before any op but an accumulate."""
        if not self._folded:
            return
        # By address, so that neighbours share runs. Of accumulates the order means nothing.
        for address, delta in sorted(self._folded.items()):
            full = self._builder.accum(address, delta) if delta else None
            if full is not None:
                self._engine.submit(full)
        self._folded.clear()

    def _ask(self, op: Op, first: int, count: int, operands: Sequence[int] = ()) -> Reply:
        """Submit a replying run behind all that is posted. Needs the lock."""
        self._unfold()
        payloads = self._builder.reply(op, first, count, operands)
        for payload in payloads:
            self._engine.submit(payload)
        reply = payloads[-1].reply
        if reply is None:
            raise TypeError(f"{op!r} does not reply")
        return reply

    def _await(self, reply: Reply) -> list[int]:
        """Return the words of a reply when they have come."""
        with self._lock:
            while reply.words is None:
                self._check()
                self._arrived.wait()
        return reply.words

    def _wait_for_room(self) -> None:
        """Wait while too much is posted."""
        if self._engine.backlog <= _BACKLOG:
            return
        with self._lock:
            while self._engine.backlog > _BACKLOG:
                self._check()
                self._arrived.wait()

    def _pump(self) -> None:
        """Write what is due, unless another thread is at it: then that one does."""
        turn = object()
        try:
            with Watch(self):
                with self._lock:
                    if self._writing is not None:
                        return
                    # At once, and inside: an interrupt must not leave it to nobody.
                    self._writing = turn
                data = self._next_output()
                while data:
                    self._port.write(data)
                    data = self._next_output(further=True)
        finally:
            # Unless others write already, because nothing else was due.
            if self._writing is turn:
                with self._lock:
                    self._writing = None

    def _next_output(self, *, further: bool = False) -> bytes:
        """Return what is due, or let others write; no ``further`` round is for a deadline alone."""
        with self._lock:
            if self._error is not None or (further and not self._engine.pending):
                self._writing = None
                return b""
            try:
                now = self._port.clock()
                data = self._engine.output(now, deaf=self._is_deaf(now))
                self._take_error()
                if not data:
                    self._writing = None
                elif self._wake_at > 0:
                    self._wake_pacer(self._deadline(time.monotonic()))
            except BaseException as error:
                self._stop_with(self._broken(error))
                raise
            return data

    def _is_deaf(self, now: float) -> bool:
        """Return whether a timer has run out while an answer may lie here unread. Needs the lock.

        On a busy machine the reader comes late to what is there: a timer counts once the reader
        has handed over what it had in its hands, and has been around once more if it left anything.
        No longer: a device that never stops talking would stop the timer for ever. Where a read
        can't be ended, even that would take too long.
        """
        deadline = self._engine.next_deadline
        if deadline is None or now < deadline or not self._port.can_cancel:
            self._rounds_then = None
        elif self._rounds_then is None or deadline != self._ran_out:
            # The timer of before may have been for what has been answered meanwhile.
            self._ran_out = deadline
            self._rounds_then = self._rounds
            if not self._port.waiting:
                # Never where something waits: the read that is cancelled would leave it there.
                self._port.cancel_read()
        else:
            rounds = self._rounds - self._rounds_then
            if rounds > 1 or (rounds == 1 and not self._port.waiting):
                self._rounds_then = None
        return self._rounds_then is not None

    # Threads.

    def _run(self, work: Callable[[], None]) -> None:
        try:
            with Watch(self):
                work()
        finally:
            if not self._ending and self._error is None:
                # Without an Exception, so nothing said why; nobody must wait for this thread.
                self._fail(self._broken(SystemExit(f"{threading.current_thread().name} ended")))
        if work == self._read and self._error is not None:
            # At once: a port that was unplugged gets its name again only when nobody has it open.
            self._port.close()

    def _read(self) -> None:
        while not self._ending and self._error is None:
            data = self._port.read()
            if data:
                with self._lock:
                    self._engine.receive(data, self._port.clock())
                    self._take_error()
                    self._arrived.notify_all()
            self._rounds += 1
            if data or self._rounds_then is not None:
                self._pump()

    def _keep_pace(self) -> None:
        while True:
            with self._lock:
                self._wake_at = -NEVER
                now = time.monotonic()
                if now >= self._flush_at:
                    self._flush_at = NEVER
                    if self._engine.backlog <= _BACKLOG:
                        self._unfold()
                    elif self._folded:
                        # The line is behind: what would wait behind it may as well be folded.
                        self._flush_at = now + _HOLD
                    full = self._builder.seal()
                    if full is not None:
                        self._engine.submit(full)
                elif (due := min(self._flush_at, self._deadline(now))) > now:
                    self._wake_at = due
                    self._pace.wait(None if due == NEVER else due - now)
                elif self._writing or self._rounds_then is not None:
                    # What is due is up to the thread that writes, or reads; both may take a while.
                    self._pace.wait(_HOLD)
                if self._ending or self._error is not None:
                    return
            self._pump()

    def _deadline(self, now: float) -> float:
        """Return when the engine's next timer is due, on the monotonic clock. Needs the lock."""
        deadline = self._engine.next_deadline
        if deadline is None:
            return NEVER
        # What another clock will show, and when, can't be known: it is looked at often.
        return now + _OWN_TIME_POLL if self._port.own_time else deadline

    def _wake_pacer(self, due: float) -> None:
        """See to it that the pacer is awake when ``due`` comes. Needs the lock."""
        if due < self._wake_at:
            self._pace.notify()

    # The end.

    def _take_error(self) -> None:
        """Let everybody know what the engine has found. Needs the lock."""
        if self._error is None and self._engine.error is not None:
            self._stop_with(self._engine.error)

    def _fail(self, error: AtomikError) -> None:
        with self._lock:
            if self._error is None:
                self._stop_with(error)

    def _broken(self, error: BaseException) -> DriverError:
        """Return what an error, or an interrupt, in the midst of a change means for the user."""
        what = f"failed ({type(error).__name__}: {error})"
        if not isinstance(error, Exception):
            what = f"was interrupted in the midst of a call ({type(error).__name__})"
        broken = DriverError(
            f"The driver of {self.url} {what}: the state of the device is unknown, connect again "
            "and reload it"
        )
        broken.__cause__ = error
        return broken

    def _stop_with(self, error: AtomikError) -> None:
        """Make this the error of all calls. Needs the lock."""
        _log.debug("%s: %s", self.url, error)
        self._error = error
        self._arrived.notify_all()
        self._pace.notify_all()

    def _end_threads(self) -> None:
        with self._lock:
            self._ending = True
            self._pace.notify_all()
        self._port.cancel_read()
        for thread in self._threads:
            thread.join(_END)

    def _finish(self, *, flush: bool = True) -> None:
        """Flush, then close the port in any case; raise what no call has raised yet."""
        if isinstance(self._error, ClosedError):
            return
        try:
            if flush:
                self.settle(told=self._raised)
        finally:
            if not isinstance(self._error, ForkError):
                self.abandon()
                self._error = ClosedError(f"The connection to {self.url} is closed: connect again")
