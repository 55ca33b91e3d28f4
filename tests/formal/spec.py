"""What all specifications are made of."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from amaranth.asserts import AnySeq
from amaranth.hdl import Assert, Assume, Fragment, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In

__all__ = ["Spec", "copy_inputs", "free_inputs", "state_numbers"]


class Spec(wiring.Component):
    """Designs side by side, the traffic that they get, and what is claimed of them.

    A subclass writes its `specify`. All its registers are in ``sync``, whose reset is free: a claim
    has to hold whatever cycles the reset is asserted in.

    Parameters
    ----------
    designs : dict of str to Component
        Designs, by the name of their submodule.
    registers : dict of str to dict of str to Shape
        Wires inside each design which lemmas speak about; those of a submodule by its name, a
        point, and theirs.

    Attributes
    ----------
    from_any_state : bool
        A bounded proof starts with anything in the registers of the designs, not at power-up.
    with_lemmas : bool
        Lemmas are part of it.
    from_invariant : bool
        All registers start with anything that claims and lemmas allow. For mutants which take too
        long from power-up to the state in which they go wrong.
    """

    def __init__(
        self, designs: Mapping[str, Any], registers: Mapping[str, Mapping[str, Any]]
    ) -> None:
        self.designs = dict(designs)
        self.with_lemmas = True
        self.from_any_state = False
        self.from_invariant = False
        #: Port of this component to the name of the wire in the flattened netlist that drives it.
        self.watched = {
            _port(design, register): f"{design}.{register}"
            for design, shapes in registers.items()
            for register in shapes
        }
        super().__init__(
            {
                _port(design, register): In(shape)
                for design, shapes in registers.items()
                for register, shape in shapes.items()
            }
        )
        #: The cycle that a proof starts with.
        self.first = Signal(init=1, reset_less=True)

    def register(self, design: str, name: str) -> Any:
        """Return the value of a watched register."""
        return getattr(self, _port(design, name))

    def claim(self, m: Module, condition: Any) -> None:
        """Demand ``condition`` in every cycle: this is what is proven."""
        if self.from_invariant:
            m.d.comb += [Assume(condition | ~self.first), Assert(condition | self.first)]
        else:
            m.d.comb += Assert(condition, src_loc_at=1)

    def lemma(self, m: Module, condition: Any) -> None:
        """Demand ``condition`` in every cycle: it is proven too, and only helps the induction."""
        if self.from_invariant:
            m.d.comb += Assume(condition | ~self.first)
        elif self.with_lemmas:
            m.d.comb += Assert(condition, src_loc_at=1)

    def contract(self, m: Module, condition: Any) -> None:
        """Take ``condition`` for granted in every cycle: another component sees to it."""
        m.d.comb += Assume(condition)

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
        m.d.sync += self.first.eq(0)
        self.specify(m)
        return m


def _port(design: str, register: str) -> str:
    return f"{design}__{register.replace('.', '__')}"


def state_numbers(design: Any, name: str = "fsm") -> dict[str, int]:
    """Return the code of each state of a design's state machine."""
    module = design.elaborate(None)
    Fragment.get(module, None)
    numbers: dict[str, int] = module._generated[name]._data["encoding"]
    return numbers


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
