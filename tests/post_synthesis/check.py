"""The check of a board: its netlist against its source, against the model, and against mutants."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from .bench import Stimulus, first_difference
from .gates import GateNetlist, Run, find_compiler
from .netlist import Netlist, mutate, source_gates

__all__ = ["BoardCheck", "Mutant"]


@dataclass(frozen=True)
class Mutant:
    """A netlist with one fault.

    Attributes
    ----------
    fault : str
        What is wrong.
    noticed : bool
        Whether some pin differed from the source's in some cycle.
    """

    fault: str
    noticed: bool


class BoardCheck:
    """A netlist and its source, run side by side.

    Parameters
    ----------
    netlist : Netlist
    folder : Path
        Where programs are made.
    frames, tail, seed : int
        As in `Stimulus`. Without a compiler a third of the frames are sent, because the netlists
        run as Python.

    Attributes
    ----------
    compiled : bool
        Whether there is a compiler.
    stimulus : Stimulus
        What both are given.
    """

    def __init__(
        self, netlist: Netlist, folder: Path, *, frames: int, tail: int, seed: int = 1
    ) -> None:
        self._netlist = netlist
        self._folder = folder
        self.compiled = find_compiler() is not None
        if not self.compiled:
            frames, tail = max(frames // 3, 8), tail // 3
        self._cells, self._run_netlist = self._load(netlist.gates(folder), "netlist", seed)
        self._source, self._run_source = self._load(source_gates(netlist, folder), "source", ~seed)
        self.stimulus = Stimulus(netlist, self._cells.inputs, frames=frames, tail=tail, seed=seed)

    def _load(self, module: dict[str, Any], name: str, seed: int) -> tuple[GateNetlist, Run]:
        gates = GateNetlist(module, seed)
        compiler = find_compiler()
        if compiler is None:
            return gates, gates.interpret()
        folder = self._folder / name
        folder.mkdir(exist_ok=True)
        return gates, gates.compile(folder, compiler)

    @property
    def pins(self) -> tuple[list[str], list[str]]:
        """Inputs and outputs of the netlist and of the source."""
        return (
            self._cells.inputs + self._cells.outputs,
            self._source.inputs + self._source.outputs,
        )

    @cached_property
    def _of_netlist(self) -> bytes:
        return self._run_netlist(self.stimulus.levels)

    @cached_property
    def _of_source(self) -> bytes:
        return self._run_source(self.stimulus.levels)

    def difference(self) -> int | None:
        """Return the first cycle in which the pins of netlist and source differ, or None."""
        return first_difference(self._of_source, self._of_netlist)

    def answers(self) -> bytes:
        """Return what the netlist answered to the frames whose answers are known."""
        return self.stimulus.replies(self._cells, self._of_netlist)

    def interpreted(self, cycles: int) -> tuple[bytes, bytes]:
        """Return the pins of the first cycles as the netlist runs here, and as Python runs it."""
        levels = self.stimulus.levels[:cycles]
        return self._of_netlist[:cycles], self._cells.interpret()(levels)

    def mutants(self, seeds: range, within: str = "") -> Iterator[Mutant]:
        """Make a mutant of the netlist for each seed, as `mutate`; compare it with the source."""
        for seed in seeds:
            cells, fault = mutate(self._netlist.cells, seed, within)
            mutant = Netlist(
                self._netlist.design, self._netlist.build_id, self._netlist.source, cells
            )
            _, run = self._load(mutant.gates(self._folder), f"mutant{seed}", 1)
            difference = first_difference(self._of_source, run(self.stimulus.levels))
            yield Mutant(fault, difference is not None)
