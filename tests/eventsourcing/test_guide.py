"""The guide's examples, run as they stand, on the embedded model and on the simulated board."""

from __future__ import annotations

import doctest
import sys
from pathlib import Path
from types import ModuleType

import pytest

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "event-sourcing.md"


@pytest.mark.parametrize("port", [None, "sim://"])
def test_the_guide_does_what_it_says(port: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if port is None:
        monkeypatch.delenv("ATOMIK_PORT", raising=False)
    else:
        monkeypatch.setenv("ATOMIK_PORT", port)
    text = GUIDE.read_text(encoding="utf-8").replace("```python\n", "\n").replace("```\n", "\n")
    # A module that can be imported: the library finds aggregates by module and name, and remembers
    # them by it.
    module = ModuleType(f"guide_on_{'model' if port is None else 'board'}")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    examples = doctest.DocTestParser().get_doctest(text, {}, "guide", str(GUIDE), 0)
    examples.globs = module.__dict__
    assert len(examples.examples) > 60
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    runner.run(examples, out=report.append, clear_globs=False)
    assert runner.summarize(verbose=False).failed == 0, "".join(report)
