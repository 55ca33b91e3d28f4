"""What happens to hosts, device and line in a trial besides the faults of the line."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from atomik_fpga.errors import (
    AtomikError,
    DeviceFaultError,
    LinkLostError,
    SessionLostError,
)
from atomik_fpga.link import Engine, Handshake

from .oracle import Client, WrongValueError
from .trials import Trial
from .virtual_line import GatewareDevice

__all__ = ["EVENTS", "STARTS", "Event"]

Event = Callable[[Trial], None]

#: Clocks within which a device has executed a short frame and begun to answer it.
_EXECUTION = 400
_SESSION_ENDS = (SessionLostError, LinkLostError)


def _reset(trial: Trial) -> None:
    trial.line.reset()
    trial.unknown = trial.disturbed = True


def _ask(trial: Trial) -> None:
    trial.client.do("read")
    trial.client.flush()


def _expect_the_end(trial: Trial, what: str) -> None:
    trial.expect(SessionLostError, lambda: _ask(trial), what)


def reset(trial: Trial) -> None:
    """Reset the device at any moment."""
    for _ in range(trial.rng.randrange(30)):
        trial.guarded(trial.step)
    _reset(trial)
    _expect_the_end(trial, "a reset")


def reset_before_open(trial: Trial) -> None:
    """Reset the device between INFO and OPEN."""
    handshake = trial.line.peer
    assert isinstance(handshake, Handshake)

    def greet() -> None:
        trial.line.run_until(lambda: handshake.info is not None)

    trial.guarded(greet)
    trial.line.reset()
    trial.disturbed = True


def _ambushed_reset(trial: Trial, act: Callable[[Sequence[int]], None]) -> None:
    struck = []

    def strike(characters: Sequence[int]) -> None:
        act(characters)
        struck.append(True)

    trial.line.ambush = strike
    trial.client.do("accum")

    def wait() -> None:
        trial.client.submit(trial.client.builder.seal())
        trial.line.run_until(lambda: bool(struck))

    trial.guarded(wait)
    _expect_the_end(trial, "a reset")


def reset_in_frame(trial: Trial) -> None:
    """Reset the device in the midst of a frame."""

    def act(characters: Sequence[int]) -> None:
        place = trial.rng.randrange(len(characters) + 1)
        trial.line.drive(characters[:place])
        _reset(trial)
        trial.line.drive(characters[place:])

    _ambushed_reset(trial, act)


def reset_before_ack(trial: Trial) -> None:
    """Reset the device between the check of a frame and its acknowledgement."""

    def act(characters: Sequence[int]) -> None:
        trial.line.end.take(characters)
        if isinstance(trial.line.end, GatewareDevice):
            trial.line.end.rest(trial.rng.randrange(_EXECUTION))
        _reset(trial)

    _ambushed_reset(trial, act)


def reset_before_read(trial: Trial) -> None:
    """Reset the device between an acknowledgement and a read."""
    trial.guarded(trial.client.flush)
    _reset(trial)
    _expect_the_end(trial, "a reset")


def restart_host(trial: Trial) -> None:
    """Kill the host with bytes in flight, perhaps in the midst of a frame, and start another."""
    trial.disturbed = True
    line, client = trial.line, trial.client
    for _ in range(trial.rng.randrange(12)):
        client.act()
    client.submit(client.builder.seal())
    data = line.engine.output(line.now)
    line.put(data[: trial.rng.randrange(len(data) + 1)], to_device=True)
    line.note("the host is killed, and started again")
    trial.guarded(trial.restart)


def two_hosts(trial: Trial) -> None:
    """Let another host take the device over, and take it back."""
    trial.disturbed = True
    line, mine = trial.line, trial.client
    for _ in range(trial.rng.randrange(6)):
        mine.act()
    first = line.peer
    other = Client(line, trial.rng, mine.width, mine.depth)
    line.note("another host comes")
    line.peer, line.others = line.greet(), [first]
    try:
        other.connect()
        other.reload()
        for _ in range(10):
            other.act()
        other.flush()
    except AtomikError as error:
        # The first host may not have been told: what it sends is of a session that was.
        trial.errors.append(error)
        line.note(f"the other host's error: {error}")
        trial.unknown = True
    second, line.peer, line.others = line.peer, first, []
    line.note("the first host goes on")
    if not isinstance(second, Engine):
        trial.guarded(mine.flush)
        return
    mine.contexts = other.contexts
    trial.left = mine.contexts.snapshot
    _expect_the_end(trial, "another host")
    # The first host has the device again: now it is the other one that must be told.
    mine_again, line.peer = line.peer, second
    try:
        other.do("read")
        line.settle()
    except _SESSION_ENDS as error:
        line.note(f"the other host is told: {error}")
    else:
        raise WrongValueError("the first host's return was not noticed")
    line.peer = mine_again


def identify(trial: Trial) -> None:
    """Let somebody ask what the device is in the midst of the session."""
    trial.disturbed = True
    line = trial.line
    other = line.greet(identify_only=True)
    line.others = [other]
    session = line.engine._mask
    for _ in range(5):
        trial.guarded(trial.client.act)
    trial.guarded(trial.client.flush)
    trial.guarded(lambda: line.run_for(0.0 if other.done else 1.0))
    line.others = []
    if other.info is not None and other.info.session != session:
        raise WrongValueError(f"INFO tells of session {other.info.session:#x}, not {session:#x}")


def full_window(trial: Trial) -> None:
    """Post more frames than may be outstanding."""
    trial.disturbed = True
    for _ in range(300):
        trial.client.do("accum")
        trial.client.submit(trial.client.builder.seal())
    trial.guarded(trial.client.flush)


def _meanwhile(trial: Trial, faults: str, kinds: Sequence[str], seconds: float) -> None:
    """Act while the line has other faults, for some time; then it is as before."""
    line = trial.line
    line.inject(faults)
    for kind in kinds:
        trial.client.do(kind)
    trial.client.submit(trial.client.builder.seal())
    trial.guarded(lambda: line.run_for(seconds))
    line.inject(trial.faults)


def lost_acks(trial: Trial) -> None:
    """Lose whatever the device says for a while, under a full window."""
    kinds = ["accum", "seal"] * 140
    _meanwhile(trial, "lose:1@host", kinds, trial.rng.uniform(0.1, 2.0))
    trial.guarded(trial.client.flush)


def nak_storm(trial: Trial) -> None:
    """Damage frames so that NAKs come, each of them several times."""
    storm = "flip:0.01@device,repeat/NAK:1,late/NAK:0.7,empty:0.5@device"
    kinds = ["accum", "seal", "seal", "read"] * 12
    _meanwhile(trial, storm, kinds, trial.rng.uniform(0.1, 1.0))
    trial.guarded(trial.client.flush)


def lost_swap_reply(trial: Trial) -> None:
    """Lose the answers to swaps for a while."""
    kinds = ["swap", "accum", "swap_to"]
    _meanwhile(trial, "lose/VALUES:1", kinds, trial.rng.uniform(0.05, 2.0))
    trial.guarded(trial.client.flush)


def lost_fault(trial: Trial) -> None:
    """Lose the acknowledgement that tells of a fault, and some more of them."""
    trial.disturbed = True
    trial.guarded(trial.client.flush)
    trial.client.blunder()
    kinds = ["accum", "seal", "load", "seal"]
    line = trial.line
    line.inject("lose:1@host")

    def lose_and_ask() -> None:
        for kind in kinds:
            trial.client.do(kind)
        line.run_for(trial.rng.uniform(0.05, 1.0))
        line.inject(trial.faults)
        _ask(trial)

    trial.expect(DeviceFaultError, lose_and_ask, "a fault of the device")


def unplug(trial: Trial) -> None:
    """Pull the plug, and put it in again; the device may lose its power by that."""
    line = trial.line
    line.note("the plug is pulled")
    line.unplugged = True
    for _ in range(trial.rng.randrange(1, 10)):
        trial.client.act()
    errors = len(trial.errors)
    try:
        _ask(trial)
    except LinkLostError as error:
        line.unplugged = False
        line.note("the plug is put in again")
        line.forget()
        if trial.rng.random() < 0.5:
            _reset(trial)
        trial.recover(error)
    if len(trial.errors) == errors:
        raise WrongValueError("a line without a plug answered")


def partial_write(trial: Trial) -> None:
    """Let the host's port take a part of what is written, and fail."""
    trial.disturbed = True
    line, client = trial.line, trial.client
    for _ in range(trial.rng.randrange(1, 12)):
        client.act()
    client.submit(client.builder.seal())
    data = line.engine.output(line.now)
    line.put(data[: trial.rng.randrange(len(data) + 1)], to_device=True)
    trial.recover(LinkLostError("the port failed in the midst of a write"))


def slow_reader(trial: Trial) -> None:
    """Read nothing for a while, more than the host's port can hold."""
    trial.disturbed = True
    trial.line.stop_reading(trial.rng.uniform(0.05, 0.8), trial.rng.choice([0, 16, 64, 256]))
    for kind in ["swap", "accum", "read", "seal", "read"] * 6:
        trial.client.do(kind)
    trial.guarded(trial.client.flush)


#: What happens once, at a random moment; by its name in the tables.
EVENTS: dict[str, Event] = {
    "device reset, any moment": reset,
    "device reset, mid-frame": reset_in_frame,
    "device reset, between check and ack": reset_before_ack,
    "device reset, between ack and read": reset_before_read,
    "host killed and restarted": restart_host,
    "two hosts": two_hosts,
    "INFO in a session": identify,
    "full window": full_window,
    "all acks lost": lost_acks,
    "NAK storm": nak_storm,
    "lost SWAP reply": lost_swap_reply,
    "error status in a lost ack": lost_fault,
    "unplug": unplug,
    "partial write": partial_write,
    "slow reader": slow_reader,
}
#: What happens before a session is open.
STARTS: dict[str, Event] = {"device reset, before OPEN": reset_before_open}
