"""What all specifications are made of."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from amaranth.asserts import AnySeq
from amaranth.hdl import Assert, Module, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In

__all__ = ["Spec", "copy_inputs", "free_inputs"]


class Spec(wiring.Component):
    """Designs side by side, the traffic that they get, and what is claimed of them.

    A subclass writes its `specify`. All its registers are in ``sync``, whose reset is free: a claim
    has to hold whatever cycles the reset is asserted in.

    Parameters
    ----------
    designs : dict of str to Component
        Designs, by the name of their submodule.
    registers : dict of str to dict of str to Shape
        Registers inside each design which lemmas speak about.
    """

    def __init__(
        self, designs: Mapping[str, Any], registers: Mapping[str, Mapping[str, Any]]
    ) -> None:
        self.designs = dict(designs)
        self.with_lemmas = True
        #: Port of this component to the name of the wire in the flattened netlist that drives it.
        self.watched = {
            f"{design}__{register}": f"{design}.{register}"
            for design, shapes in registers.items()
            for register in shapes
        }
        super().__init__(
            {
                f"{design}__{register}": In(shape)
                for design, shapes in registers.items()
                for register, shape in shapes.items()
            }
        )

    def register(self, design: str, name: str) -> Any:
        """Return the value of a watched register."""
        return getattr(self, f"{design}__{name}")

    def claim(self, m: Module, condition: Any) -> None:
        """Demand ``condition`` in every cycle: this is what is proven."""
        m.d.comb += Assert(condition)

    def lemma(self, m: Module, condition: Any) -> None:
        """Demand ``condition`` in every cycle: it is proven too, and only helps the induction."""
        if self.with_lemmas:
            m.d.comb += Assert(condition)

    def submodule(self, name: str) -> Any:
        """Return the design ``name`` as it is put into the netlist."""
        return self.designs[name]

    def specify(self, m: Module) -> None:
        """Add traffic, model, claims and lemmas to ``m``, which has the designs."""
        raise NotImplementedError

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for name in self.designs:
            m.submodules[name] = self.submodule(name)
        self.specify(m)
        return m


def _inputs(design: Any) -> dict[str, Value]:
    return {
        "__".join(map(str, path)): Value.cast(value)
        for path, member, value in design.signature.flatten(design)
        if member.flow is In and len(Value.cast(value))
    }


def free_inputs(m: Module, design: Any, *, but: Collection[str] = ()) -> None:
    """Let each input of ``design`` be anything in each cycle, except those named in ``but``."""
    for name, value in _inputs(design).items():
        if name not in but:
            m.d.comb += value.eq(AnySeq(len(value)))


def copy_inputs(m: Module, design: Any, like: Any, *, but: Collection[str] = ()) -> None:
    """Let each input of ``design`` be that of ``like``, except those named in ``but``."""
    source = _inputs(like)
    for name, value in _inputs(design).items():
        if name not in but:
            m.d.comb += value.eq(source[name])
