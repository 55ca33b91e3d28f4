"""What the specifications of `DeltaCore` have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data

from .spec import Spec

__all__ = ["PORTS", "CoreSpec"]

#: Ports that respond.
PORTS = ("read", "swap")


def _registers(width: int) -> dict[str, Any]:
    shapes: dict[str, Any] = {"clear": 1, "replace": 1, "value": width, "delta": width}
    shapes |= {"state": width, "accumulator": width}
    pair = data.StructLayout({"state": width, "accumulator": width})
    for port in PORTS:
        shapes |= {f"{port}_credit": 1, f"{port}_capture": 1, f"{port}_slot": pair}
    return shapes


class CoreSpec(Spec):
    """A specification of one or more cores, named with single letters.

    Parameters
    ----------
    component : class
        `DeltaCore` or a mutant of it.
    widths : int
        Of each core, by its name.
    """

    def __init__(self, component: Any, **widths: int) -> None:
        super().__init__(
            {name: component(width) for name, width in widths.items()},
            {name: _registers(width) for name, width in widths.items()},
        )

    def transfer(self, core: str, port: str) -> Any:
        """Return whether a request or an operand transfers on ``port``."""
        stream = getattr(self.designs[core], port)
        return stream.valid & stream.ready

    def response(self, core: str, port: str) -> Any:
        """Return the response stream that belongs to ``port``."""
        return getattr(self.designs[core], f"{port}_response")

    def stored(self, core: str) -> tuple[Any, Any]:
        """Return state and accumulator as stored: without what transferred in the last cycle."""
        return self.register(core, "state"), self.register(core, "accumulator")

    def current(self, core: str) -> tuple[Any, Any]:
        """Return state and accumulator as of all that transferred before this cycle."""
        state, accumulator = self.stored(core)
        clear, replace = self.register(core, "clear"), self.register(core, "replace")
        value, delta = self.register(core, "value"), self.register(core, "delta")
        return Mux(replace, value, state) ^ delta, Mux(clear, 0, accumulator) ^ delta

    def one_place_a_port(self, m: Module, core: str) -> None:
        """State the lemma that a port is free, or has a request, or has a response."""
        for port in PORTS:
            credit = self.register(core, f"{port}_credit")
            capture = self.register(core, f"{port}_capture")
            self.lemma(m, credit + capture + self.response(core, port).valid == 1)

    def equal_handshakes(self, m: Module, left: str, right: str) -> None:
        """Claim that two cores are ready, and respond, in the same cycles."""
        for port in ("load", "accum", *PORTS):
            streams = getattr(self.designs[left], port), getattr(self.designs[right], port)
            self.claim(m, streams[0].ready == streams[1].ready)
        for port in PORTS:
            a, b = self.response(left, port), self.response(right, port)
            self.claim(m, a.valid == b.valid)
            for name in (f"{port}_credit", f"{port}_capture"):
                self.lemma(m, self.register(left, name) == self.register(right, name))

    def at_request(self, m: Module, core: str, port: str, value: Any, name: str) -> Signal:
        """Return a register that takes ``value`` when a request transfers on ``port``."""
        taken = Signal.like(value, init=0, name=f"{port}_{name}")
        with m.If(self.transfer(core, port)):
            m.d.sync += taken.eq(value)
        return taken

    def relate(
        self, m: Module, left: str, right: str, port: str, relation: Callable[..., Any]
    ) -> None:
        """Claim a relation of the responses of two cores, with the lemma that leads there.

        ``relation(state, accumulator, other_state, other_accumulator)`` gives the condition.
        """
        self.lemma(
            m,
            ~self.register(left, f"{port}_capture")
            | relation(*self.stored(left), *self.stored(right)),
        )
        a, b = self.response(left, port), self.response(right, port)
        self.claim(
            m,
            ~a.valid
            | relation(
                a.payload.state, a.payload.accumulator, b.payload.state, b.payload.accumulator
            ),
        )
