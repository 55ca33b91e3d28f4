"""The gateware with something changed in its source: counters near their wrap, and mutants."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest.mock import patch

from atomik_hdl.link.executor import FrameExecutor
from atomik_hdl.link.receiver import FrameReceiver
from atomik_sim import BoardOptions
from atomik_sim.amaranth_engine import AmaranthEngine
from atomik_sim.cxxrtl import library_of
from atomik_sim.cxxrtl_engine import CxxrtlEngine

from .formal.mutation import changed

__all__ = ["FIRST_NEXT", "FIRST_OPCOUNT", "MUTANTS", "mutant_engine", "near_wrap_engine"]

#: By component, what replaces which text of its source.
Changes = dict[type, dict[str, str]]

#: Where the counters of a session begin on a device that is to wrap.
FIRST_NEXT = (1 << 16) - 20
FIRST_OPCOUNT = (1 << 32) - 30

_NEAR_WRAP: Changes = {
    FrameExecutor: {
        "self.next.eq(0)": f"self.next.eq({FIRST_NEXT})",
        "self.opcount.eq(0)": f"self.opcount.eq({FIRST_OPCOUNT})",
    }
}
_CHECK = "self.session & (undamaged == self.mask)"
#: What each mutant has in place of what is there.
MUTANTS: dict[str, Changes] = {
    "no duplicate check": {
        FrameExecutor: {"old = ~behind[15]": "old = Const(0)", "behind.all()": "Const(1)"}
    },
    "no session": {
        # The first session's frames are believed for ever, and its numbers go on.
        FrameExecutor: {
            "self.mask.eq(word[-32:])": "self.mask.eq(Mux(self.session, self.mask, word[-32:]))",
            "self.next.eq(0)": "self.next.eq(self.next)",
            "self.opcount.eq(0)": "self.opcount.eq(self.opcount)",
        }
    },
    "no CRC": {FrameReceiver: {_CHECK: "self.session"}},
    "CRC-8": {FrameReceiver: {_CHECK: "self.session & (undamaged[:8] == self.mask[:8])"}},
    "no reply cache": {FrameExecutor: {"old & asked.any()": "old & Const(0)"}},
    "error not latched": {
        # The frame at fault is passed over, and the fault forgotten once it was told.
        FrameExecutor: {
            "self.fault.eq(fault), dirty.eq(1)": (
                "self.fault.eq(fault), dirty.eq(1), self.next.eq(self.next + 1)"
            ),
            "m.d.comb += self.busy.eq(0)\n": (
                "m.d.comb += self.busy.eq(0)\n"
                "                with m.If(self.idle):\n"
                "                    m.d.sync += self.fault.eq(DeviceFault.NONE)\n"
            ),
        }
    },
}


@contextmanager
def _changed(name: str, components: Changes) -> Iterator[None]:
    with ExitStack() as stack:
        for component, changes in components.items():
            mutant = changed(component, name, changes)
            stack.enter_context(patch(f"atomik_hdl.link.link.{component.__name__}", mutant))
        yield


def near_wrap_library(options: BoardOptions) -> Path:
    """Return a compiled device whose counters begin near their wrap."""
    with _changed("near wrap", _NEAR_WRAP):
        return library_of(options, variant=repr(_NEAR_WRAP))


def near_wrap_engine(options: BoardOptions) -> CxxrtlEngine:
    """Return an engine that runs a device whose counters begin near their wrap."""
    return CxxrtlEngine(options, near_wrap_library(options))


def mutant_engine(name: str, options: BoardOptions) -> AmaranthEngine:
    """Return an engine that runs a mutant, without compiling it."""
    with _changed(name, MUTANTS[name]):
        return AmaranthEngine(options)
