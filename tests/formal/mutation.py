"""Designs with a fault put in, each of which a proof must notice."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Mutation", "changed"]


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
        return changed(component, self.fault, {self.old: self.new})


def changed(component: type, name: str, changes: Mapping[str, str]) -> type:
    """Return a class like ``component``, its source changed.

    Parameters
    ----------
    component : type
    name : str
        Of what is changed, for messages.
    changes : mapping of str to str
        What replaces which text, each of which must occur once.

    Raises
    ------
    ValueError
        If a text to be replaced is not there exactly once: the design has changed.
    """
    source = inspect.getsource(component)
    for old, new in changes.items():
        count = source.count(old)
        if count != 1:
            raise ValueError(f"{old!r} occurs {count} times in {component.__name__}, not once")
        source = source.replace(old, new)
    names: dict[str, Any] = dict(vars(sys.modules[component.__module__]))
    # `super()` and Amaranth's name tracer work in compiled source as they do in a module.
    exec(compile(source, f"<{name}>", "exec"), names)
    mutant: type = names[component.__name__]
    return mutant
