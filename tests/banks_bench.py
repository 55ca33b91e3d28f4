"""Scripted traffic for `DeltaBanks`, and its history-keeping model in plain Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from atomik_hdl.banks import DeltaBanks

__all__ = ["KEEP", "RESPONDING", "Cycle", "Record", "covered_answers", "group_size", "play"]

RESPONDING = ("read", "swap")

#: A swap that keeps the state; any other swap is the value of the new reference.
KEEP = "keep"

#: Lanes of a group, by topology; None is all.
_GROUP_SIZE = {"chain": 6, "tree": None}


def group_size(topology: str, banks: int) -> int:
    """Return how many lanes follow each other with the same skew."""
    return _GROUP_SIZE[topology] or banks


@dataclass(frozen=True)
class Cycle:
    """What is offered in one cycle: deltas by lane, and tokens; None and False are none."""

    deltas: Mapping[int, int] = field(default_factory=dict)
    load: int | None = None
    read: bool = False
    swap: int | str | None = None


@dataclass
class Record:
    """What transferred: requests and responses, cycle by cycle."""

    accepted: list[Cycle] = field(default_factory=list)
    answers: dict[str, list[tuple[int, int]]] = field(
        default_factory=lambda: {port: [] for port in RESPONDING}
    )
    #: Cycles in which the answers transferred.
    times: dict[str, list[int]] = field(default_factory=lambda: {port: [] for port in RESPONDING})


def covered_answers(
    accepted: Sequence[Cycle], topology: str, banks: int
) -> dict[str, list[tuple[int, int]]]:
    """Return the state and accumulator of each response to traffic from a reset on.

    The tokens of cycle t come after what group g accepted up to cycle t + g in a chain, and up to
    cycle t in a tree. Of each group, as many cycles after the reset as that are left out.
    """
    answers: dict[str, list[tuple[int, int]]] = {port: [] for port in RESPONDING}
    size = group_size(topology, banks)
    reference = accumulator = 0
    for time, tokens in enumerate(accepted):
        for lane in range(banks):
            later = time + lane // size
            if later < len(accepted):
                accumulator ^= accepted[later].deltas.get(lane, 0)
        before = reference ^ accumulator, accumulator
        if tokens.read:
            answers["read"].append(before)
        if tokens.swap is not None:
            answers["swap"].append(before)
            reference = before[0] if tokens.swap == KEEP else int(tokens.swap)
            accumulator = 0
        if tokens.load is not None:
            reference, accumulator = tokens.load, 0
    return answers


def _put(ctx: Any, dut: DeltaBanks, cycle: Cycle, before: Mapping[int, int]) -> None:
    """Set all inputs for the next clock edge. Payloads of idle ports are all ones.

    ``before`` are the deltas of the cycle before, so that lanes at rest are left alone.
    """
    ones = (1 << dut.width) - 1
    for number in before.keys() | cycle.deltas.keys():
        lane = dut.lanes[number]
        ctx.set(lane.valid, number in cycle.deltas)
        ctx.set(lane.payload, cycle.deltas.get(number, ones))
    ctx.set(dut.load.valid, cycle.load is not None)
    ctx.set(dut.load.payload, ones if cycle.load is None else cycle.load)
    ctx.set(dut.read.valid, cycle.read)
    ctx.set(dut.swap.valid, cycle.swap is not None)
    ctx.set(dut.swap.payload.keep, cycle.swap == KEEP)
    ctx.set(dut.swap.payload.value, cycle.swap if isinstance(cycle.swap, int) else ones)


async def play(
    ctx: Any,
    dut: DeltaBanks,
    script: Sequence[Cycle],
    *,
    taking: Callable[[], bool] = lambda: True,
    drain: bool = True,
) -> Record:
    """Offer one cycle of ``script`` after the other; return what transferred.

    Responses are taken in the cycles in which ``taking`` says so, a question for each port. With
    ``drain``, cycles without requests follow, in which all responses are taken.
    """
    record = Record()
    idle = [Cycle()] * (dut.latency + 2 if drain else 0)
    before: Mapping[int, int] = {}
    for time, cycle in enumerate([*script, *idle]):
        _put(ctx, dut, cycle, before)
        before = cycle.deltas
        for port in RESPONDING:
            response = getattr(dut, f"{port}_response")
            ready = time >= len(script) or taking()
            ctx.set(response.ready, ready)
            if ctx.get(response.valid) and ready:
                payload = ctx.get(response.payload)
                record.answers[port].append((payload.state, payload.accumulator))
                record.times[port].append(time)
        record.accepted.append(
            Cycle(
                deltas=cycle.deltas,
                load=cycle.load if ctx.get(dut.load.ready) else None,
                read=cycle.read and bool(ctx.get(dut.read.ready)),
                swap=cycle.swap if ctx.get(dut.swap.ready) else None,
            )
        )
        await ctx.tick()
    _put(ctx, dut, Cycle(), before)
    return record
