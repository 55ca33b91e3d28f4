"""A `DeltaTable` under traffic with pauses on both sides, and what its responses must be."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from atomik_hdl.table import DeltaTable, TableOp

from .simulate import simulate

__all__ = ["OPS", "RESPONDING", "Model", "Request", "Response", "check", "read_all", "run"]

ACCUM, LOAD, READ, SWAP, SWAP_TO, CLEAR = TableOp
OPS = (ACCUM, LOAD, READ, SWAP, SWAP_TO)
RESPONDING = (READ, SWAP, SWAP_TO)

Request = tuple[TableOp, int, int]
Response = tuple[int, int]


class Model:
    """References and accumulators, as the algebra has them."""

    def __init__(self, depth: int) -> None:
        self.reference = [0] * depth
        self.accumulator = [0] * depth

    def act(self, op: TableOp, address: int, operand: int) -> Response | None:
        """Do one op; return the state and the accumulator before it if it responds."""
        if op == CLEAR:
            self.reference = [0] * len(self.reference)
            self.accumulator = [0] * len(self.accumulator)
            return None
        accumulator = self.accumulator[address]
        state = self.reference[address] ^ accumulator
        if op == ACCUM:
            self.accumulator[address] ^= operand
        elif op != READ:
            self.reference[address] = state if op == SWAP else operand
            self.accumulator[address] = 0
        return (state, accumulator) if op in RESPONDING else None

    def run(self, requests: Sequence[Request]) -> list[Response]:
        responses = (self.act(*request) for request in requests)
        return [response for response in responses if response is not None]


def run(
    dut: DeltaTable,
    requests: Sequence[Request],
    count: int,
    tmp_path: Path,
    *,
    stalls: Sequence[tuple[float, float]] = ((0, 0),),
    seed: int = 0,
) -> list[tuple[int, Response]]:
    """Send the requests and take ``count`` responses, each with the clock of its transfer.

    ``stalls`` are the probabilities of a pause before a request, and of one before a response; with
    several, the requests are shared out between them.
    """
    responses: list[tuple[int, Response]] = []
    rng = random.Random(seed)
    share = -(-len(requests) // len(stalls))
    now = stalls[0]

    async def send(ctx: Any) -> None:
        nonlocal now
        for number, (op, address, operand) in enumerate(requests):
            now = stalls[number // share]
            while rng.random() < now[0]:
                ctx.set(dut.i.payload.address, rng.randrange(dut.depth))
                await ctx.tick()
            ctx.set(dut.i.payload, {"op": op, "address": address, "data": operand})
            ctx.set(dut.i.valid, 1)
            await ctx.tick().until(dut.i.ready)
            ctx.set(dut.i.valid, 0)

    async def take(ctx: Any) -> None:
        clock = 0
        held: Response | None = None
        # Some clocks more, in which nothing must come.
        left = 30
        while left:
            ready = rng.random() >= now[1]
            ctx.set(dut.o.ready, ready)
            _, _, valid, word = await ctx.tick().sample(dut.o.valid, dut.o.payload)
            response = (word.state, word.accumulator)
            if held is not None:
                assert valid, "valid fell without a transfer"
                assert response == held, "payload changed without a transfer"
            held = response if valid and not ready else None
            if valid and ready:
                responses.append((clock, response))
            clock += 1
            left -= len(responses) >= count

    deadline = (len(requests) + 60) * 8 + 8 * dut.depth * (
        2 + sum(op == CLEAR for op, *_ in requests)
    )
    simulate(dut, send, take, deadline=deadline, tmp_path=tmp_path)
    return responses


def check(
    width: int, depth: int, requests: Sequence[Request], tmp_path: Path, **options: Any
) -> None:
    expected = Model(depth).run(requests)
    dut = DeltaTable(width, depth)
    responses = run(dut, requests, len(expected), tmp_path, **options)
    assert [response for _, response in responses] == expected


def read_all(depth: int) -> Iterator[Request]:
    return ((READ, address, 0) for address in range(depth))
