"""Which tests are of the compiled device, and so need a C++ compiler."""

from __future__ import annotations

import pytest

from atomik_sim.cxxrtl import NoCompilerError, find_compiler

__all__ = ["needs_compiler"]


def _what_is_missing() -> str | None:
    try:
        find_compiler()
    except NoCompilerError as error:
        return str(error)
    return None


_missing = _what_is_missing()

#: Marks a test of the compiled device; where there is no compiler, there is none.
needs_compiler = pytest.mark.skipif(_missing is not None, reason=_missing or "")
