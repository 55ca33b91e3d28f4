"""What is placed and routed: each component on each device, and how it grows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from atomik_hdl.banks import DeltaBanks
from atomik_hdl.core import DeltaCore
from atomik_hdl.table import DeltaTable

from .devices import DEVICES, Device
from .harness import Harness

__all__ = ["CASES", "Case"]

#: By kind of design: its title, and what its size is.
_KINDS = {
    "core": ("DeltaCore", ""),
    "table": ("DeltaTable", "contexts"),
    "chain": ("DeltaBanks, chain", "lanes"),
    "tree": ("DeltaBanks, tree", "lanes"),
}

#: Lanes that share the bits of a payload in the harness, as `Harness` has it.
_SHARE = 6

_SEEDS = 5
_SEEDS_OF_GROWTH = 3
#: From so many lanes on a run takes minutes, and growth is shown with one.
_MANY_LANES = 256

_WIDTH, _CONTEXTS, _LANES = 64, 256, 16

#: MHz of the logic, by kind and device.
_TARGETS = {
    "core": {"hx8k": 235, "up5k": 105, "25f-6": 300, "85f-6": 300},
    "table": {"hx8k": 220, "up5k": 105, "25f-6": 200, "85f-6": 200},
    "chain": {"hx8k": 230, "up5k": 105, "25f-6": 280, "85f-6": 280},
}

#: As many lanes as there may be: how many, where, and their accumulates in 10^9 a second.
_MOST_LANES, _MOST_DEVICE, _MOST_RATE = 640, "85f-6", 140.0

#: Widths, contexts and lanes of the growth, by kind and device.
_WIDTHS = {
    "core": {
        "hx8k": (8, 16, 32, 64, 128, 256),
        "up5k": (8, 16, 32, 64, 128),
        "25f-6": (8, 16, 32, 64, 128, 256),
    },
    # Of 256 bits, a table and its queue need more block RAMs than the LFE5U-25F has.
    "table": {"hx8k": (8, 16, 32, 64), "up5k": (8, 16, 32, 64), "25f-6": (8, 16, 32, 64, 128)},
    "chain": {"hx8k": (8, 16, 32, 64), "up5k": (8, 16, 32, 64), "25f-6": (8, 16, 32, 64, 128, 256)},
}
_DEPTHS = {"hx8k": (16, 64, 256), "85f-6": (16, 64, 256, 1024, 4096, 16384)}
_LANE_NUMBERS = {
    "chain": (1, 4, 16, 64, 256, 576, 1024),
    "tree": (1, 4, 16, 64, 256, 576),
}


@dataclass(frozen=True, slots=True)
class Case:
    """One design on one device.

    Attributes
    ----------
    kind : str
        ``"core"``, ``"table"``, or ``"chain"`` and ``"tree"``, which are banks.
    width : int
        Bits of the context.
    size : int
        Contexts of a table, lanes of banks; 1 for a core.
    device : Device
    seeds : int
        Runs of place and route, with the seeds 1, 2 and so on.
    target_mhz : float or None
        For the logic.
    target_rate : float or None
        For the accumulates at the usable clock, in 10^9 a second.
    """

    kind: str
    width: int
    size: int
    device: Device
    seeds: int
    target_mhz: float | None = None
    target_rate: float | None = None

    @property
    def name(self) -> str:
        """As in ``core_64_hx8k`` and ``chain_64x16_hx8k``."""
        size = "" if self.kind == "core" else f"x{self.size}"
        return f"{self.kind}_{self.width}{size}_{self.device.name}"

    @property
    def title(self) -> str:
        """As in ``DeltaBanks, chain, 64 bit, 16 lanes``."""
        title, unit = _KINDS[self.kind]
        size = f", {self.size:,} {unit}" if unit else ""
        return f"{title}, {self.width} bit{size}"

    @property
    def lanes(self) -> int | None:
        """Deltas a clock, if these are banks."""
        return self.size if self.kind in ("chain", "tree") else None

    def harness(self) -> Harness:
        """Return the design between registers."""
        design: Any
        if self.kind == "core":
            design = DeltaCore(self.width)
        elif self.kind == "table":
            technology = self.device.family.value
            design = DeltaTable(self.width, self.size, technology=technology)
        else:
            design = DeltaBanks(self.width, self.size, topology=self.kind)
        return Harness(design, lanes_per_word=_SHARE)


def _cases() -> Iterator[Case]:
    for device in DEVICES.values():
        for kind, size in (("core", 1), ("table", _CONTEXTS), ("chain", _LANES), ("tree", _LANES)):
            target = _TARGETS.get(kind, {}).get(device.name)
            yield Case(kind, _WIDTH, size, device, _SEEDS, target)
    most = DEVICES[_MOST_DEVICE]
    yield Case("chain", _WIDTH, _MOST_LANES, most, _SEEDS, target_rate=_MOST_RATE)
    sizes = {"core": 1, "table": _CONTEXTS, "chain": _LANES}
    for kind, by_device in _WIDTHS.items():
        for name, widths in by_device.items():
            for width in widths:
                yield Case(kind, width, sizes[kind], DEVICES[name], _SEEDS_OF_GROWTH)
    for name, depths in _DEPTHS.items():
        for depth in depths:
            yield Case("table", _WIDTH, depth, DEVICES[name], _SEEDS_OF_GROWTH)
    for kind, numbers in _LANE_NUMBERS.items():
        for lanes in numbers:
            seeds = _SEEDS_OF_GROWTH if lanes < _MANY_LANES else 1
            yield Case(kind, _WIDTH, lanes, DEVICES[_MOST_DEVICE], seeds)


def _by_name() -> dict[str, Case]:
    found: dict[str, Case] = {}
    for case in _cases():
        # The rows with targets come first; growth has some of them again, with fewer seeds.
        found.setdefault(case.name, case)
    return found


#: By name, in the order in which they run: those with targets first.
CASES: Mapping[str, Case] = _by_name()
