"""Runs a component cycle by cycle and writes down, as WaveJSON, what its ports did.

WaveJSON is the input format of WaveDrom (https://wavedrom.com); of it, clock, levels, values,
undefined stretches and groups are used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Lane", "Recorder"]


@dataclass(frozen=True)
class Lane:
    """One line of a diagram.

    Attributes
    ----------
    name : str
        As drawn.
    signal : value
        What is sampled right before each clock edge.
    show : function or None
        Text of a value; None for a level.
    when : value or None
        Where this is 0, the value has no meaning and is not shown.
    taken : value or None
        Where this is 0, the value stays, and is drawn as one with that of the next cycle.
    """

    name: str
    signal: Any
    show: Callable[[int], str] | None = None
    when: Any = None
    taken: Any = None


class Recorder:
    """Samples of the lanes, cycle by cycle.

    Parameters
    ----------
    title : str
    groups : sequence of sequences of Lane
        Drawn with a gap between them.
    """

    def __init__(self, title: str, groups: Sequence[Sequence[Lane]]) -> None:
        self._title = title
        self._groups = groups
        #: Text of each cycle, and whether the value ends with it.
        self._samples: dict[str, list[tuple[str, bool]]] = {
            lane.name: [] for lanes in groups for lane in lanes
        }

    def sample(self, ctx: Any) -> None:
        """Take down the values of this cycle."""
        for lanes in self._groups:
            for lane in lanes:
                value = ctx.get(lane.signal)
                if lane.when is not None and not ctx.get(lane.when):
                    text = "x"
                elif lane.show is None:
                    text = str(value)
                else:
                    text = f"={lane.show(value)}"
                ends = lane.taken is None or bool(ctx.get(lane.taken))
                self._samples[lane.name].append((text, ends))

    def wave(self, cycles: slice = slice(None)) -> dict[str, Any]:
        """Return the diagram of some of the cycles, as WaveJSON."""
        signals: list[Mapping[str, Any]] = []
        for lanes in self._groups:
            signals += [{}, *(self._lane(lane.name, cycles) for lane in lanes)]
        length = len(next(iter(self._samples.values()))[cycles])
        clock = {"name": "clk", "wave": "p" + "." * (length - 1)}
        return {"signal": [clock, *signals], "head": {"text": self._title, "tick": 0}}

    def _lane(self, name: str, cycles: slice) -> dict[str, Any]:
        wave, texts = "", []
        previous, ended = "", True
        for sample, ends in self._samples[name][cycles]:
            value = sample.startswith("=")
            if sample == previous and not (value and ended):
                wave += "."
            elif value:
                wave += "="
                texts.append(sample[1:])
            else:
                wave += sample
            previous, ended = sample, ends
        return {"name": name, "wave": wave, **({"data": texts} if texts else {})}
