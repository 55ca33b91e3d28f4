"""Designs with a fault put in, each of which a proof must notice."""

from __future__ import annotations

import inspect
import sys
from dataclasses import dataclass
from typing import Any

__all__ = ["Mutation"]


@dataclass(frozen=True)
class Mutation:
    """A change of a component's source.

    Attributes
    ----------
    fault : str
        What the changed design does wrong, as a sentence without its subject.
    old, new : str
        The text that is replaced, which must occur once, and what replaces it.
    """

    fault: str
    old: str
    new: str

    def apply(self, component: type) -> type:
        """Return a class like ``component`` with the fault in it.

        Raises
        ------
        ValueError
            If the text to be replaced is not there exactly once: the design has changed.
        """
        source = inspect.getsource(component)
        count = source.count(self.old)
        if count != 1:
            raise ValueError(f"{self.old!r} occurs {count} times in {component.__name__}, not once")
        names: dict[str, Any] = dict(vars(sys.modules[component.__module__]))
        # `super()` and Amaranth's name tracer work in compiled source as they do in a module.
        exec(compile(source.replace(self.old, self.new), f"<{self.fault}>", "exec"), names)
        mutant: type = names[component.__name__]
        return mutant
