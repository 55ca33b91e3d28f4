"""Only what can change is computed: CXXRTL's one function for all of a clock, cut into parts.

Of a device that talks over a serial line few registers change in most clocks. So what CXXRTL writes
is put together anew, as a class that evaluates those *parts* at a clock that read something which
changed at the clock before. A part is the registers and memories of one component. It reads
registers, memories, inputs, and *outlets*: logic of another part's registers alone, which that part
computes when they have changed. Logic in between is computed in each part that needs it. A part of
which nothing that it reads has changed would compute what it already has: leaving it out changes
nothing.

The idea is known from ESSENT: Beamer and Donofrio, "Efficiently Exploiting Low Activity Factors to
Accelerate RTL Simulation", DAC 2020.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

__all__ = ["ScheduleError", "schedule"]

_CLOCK = "p_clk"
_EDGE = "\tif (posedge_p_clk) {"
_MEMBER = re.compile(r"\t(?:/\*(\w+)\*/ )?((\w+)<(\d+)> (\w+)(?: \{ \d+u \})?;)")
_LOCAL = re.compile(r"\t(value<\d+>) (\w+);")
_NAME = re.compile(r"[A-Za-z_]\w*")
_ALIAS = re.compile(r"\t\w+ = \w+(?:\.curr)?;")
#: Begins what reads a memory, if the address is one of it.
_FOUND = re.compile(r"\tif ?\(tmp_\d+\.valid\) \{")
_UPDATE = re.compile(r"(memory_\w+)\.update\(")
#: A write to a memory, and the one bit by which all of a word is written or nothing.
_ENABLED = re.compile(r"\w+\.update\(.*, (\w+)\.repeat<\d+>\(\)\.val\(\), \d+\);")
#: Memories begin with zeros as it is.
_ZEROS = re.compile(
    r"\tstatic const value<\d+> (\w+)\[\d+\] \{\n"
    r"(?:\t\t(?:value<\d+>\{(?:0x0+u,?)+\}, ?)+\n)+\t\};\n"
    r"\tstd::copy\(std::begin\(\1\), [^\n]*\n"
)
#: Parts are the bits of a word.
_MOST_PARTS = 64
#: Parts that are asked for together.
_BUNDLE = 4


class ScheduleError(ValueError):
    """What CXXRTL wrote is not what this module knows."""


def schedule(text: str) -> str:
    """Return the C++ class ``Design``, made of what ``write_cxxrtl -g0`` wrote of a flat design.

    The design has one clock, ``clk``, and only its rising edges matter. The class has a member
    ``set_NAME(level)`` for each other input, one bit wide; ``NAME()`` for each output, likewise;
    ``clock()``, a rising edge; and ``settled()``, whether further ones would change nothing while
    the inputs stay as they are.

    Raises
    ------
    ScheduleError
        If the text has another form than that of the version that is used.
    """
    return "".join(f"{line}\n" for line in _Design(text).source())


@dataclass(frozen=True)
class _Statement:
    """Lines that belong together; ``edge`` if they tell what a rising edge does."""

    text: str
    edge: bool
    writes: frozenset[str]
    reads: frozenset[str]


@dataclass(frozen=True)
class _Logic:
    """Lines that compute something, and what these lines read."""

    lines: Sequence[str]
    reads: frozenset[str]


class _Design:
    def __init__(self, text: str) -> None:
        lines = [line for line in text.split("\n") if not line.lstrip().startswith("//")]
        members, lines = _between(lines, "struct p_top : public module {", "\tp_top(interior) {}")
        reset, lines = _between(lines, "void p_top::reset() {", "}")
        body, _ = _between(lines, "bool p_top::eval(performer *performer) {", "\treturn converged;")
        if body[:2] != [
            "\tbool converged = true;",
            "\tbool posedge_p_clk = this->posedge_p_clk();",
        ]:
            raise ScheduleError(f"CXXRTL's function begins with {body[:2]!r}")

        self._reset = _ZEROS.sub("", "\n".join(reset))
        self._members: dict[str, str] = {}
        self._ports: dict[str, list[str]] = {"input": [], "output": []}
        wires = []
        for match in filter(None, map(_MEMBER.fullmatch, members)):
            port, declaration, kind, bits, name = match.groups()
            self._members[name] = declaration
            if kind == "wire":
                wires.append(name)
            if port and name != _CLOCK:
                if bits != "1":
                    raise ScheduleError(f"Port {name} has {bits} bits, not 1")
                self._ports[port].append(name)
        self._locals = {match[2]: match[1] for match in map(_LOCAL.fullmatch, body) if match}
        rest = [line for line in body[2:] if not _LOCAL.fullmatch(line)]
        self._statements = [self._statement(lines) for lines in _grouped(rest)]

        self._writers: dict[str, list[int]] = defaultdict(list)
        for index, statement in enumerate(self._statements):
            for name in statement.writes:
                self._writers[name].append(index)
        edges = (statement.writes for statement in self._statements if statement.edge)
        written = frozenset[str]().union(*edges)
        self._state = [name for name in self._members if name in written]
        for name in wires:
            if name not in written:
                raise ScheduleError(f"Wire {name} is not a register")
        self._parts = _parts(self._state)
        self._sources_of: dict[str, frozenset[str]] = {}
        self._outlets: dict[str, int | None] = {}
        self._part_of = {name: part for part, names in enumerate(self._parts) for name in names}

    def _statement(self, lines: Sequence[str]) -> _Statement:
        edge = lines[0] == _EDGE
        writes: set[str] = set()
        reads: set[str] = set()
        for line in lines:
            target, _, value = line.rpartition(" = ")
            writes.update(self._known(target), _UPDATE.findall(value))
            reads.update(self._known(_UPDATE.sub("(", value)))
        kept = {name for name in writes if name in self._members}
        # The rest of what such lines write is for themselves alone.
        reads -= writes - kept
        if edge:
            writes = kept
        elif not kept <= set(self._ports["output"]):
            raise ScheduleError(f"Something else than a register is kept: {lines[0].strip()!r}")
        if not writes or not (edge or len(lines) == 1 or _FOUND.fullmatch(lines[0])):
            raise ScheduleError(f"CXXRTL wrote {lines[0].strip()!r}")
        text = _ENABLED.sub(r"if (\1) \g<0>", "\n".join(lines))
        return _Statement(text, edge, frozenset(writes), frozenset(reads))

    def _known(self, text: str) -> Iterator[str]:
        for name in _NAME.findall(text):
            if name in self._members or name in self._locals or name.startswith("tmp_"):
                yield name

    def _is_source(self, name: str) -> bool:
        return name in self._part_of or name in self._ports["input"]

    def _sources(self, name: str) -> frozenset[str]:
        """Return the registers, memories and inputs that the logic ``name`` is made of."""
        if name not in self._sources_of:
            found: set[str] = set()
            for read in self._reads_of(name):
                found.update([read] if self._is_source(read) else self._sources(read))
            self._sources_of[name] = frozenset(found)
        return self._sources_of[name]

    def _reads_of(self, name: str) -> set[str]:
        return {read for index in self._writers[name] for read in self._statements[index].reads}

    def _outlet_of(self, name: str) -> int | None:
        """Return the part of which ``name`` can be an outlet, if there is one."""
        if name not in self._outlets:
            lines = [self._statements[index].text for index in self._writers[name]]
            parts = {self._part_of.get(source) for source in self._sources(name)}
            alias = len(lines) == 1 and _ALIAS.fullmatch(lines[0]) is not None
            possible = name in self._locals and not alias and len(parts) == 1
            self._outlets[name] = parts.pop() if possible else None
        return self._outlets[name]

    def _logic(self, names: Iterable[str], part: int | None) -> _Logic:
        """Return what computes ``names`` for use in ``part``, or outside of all."""
        wanted = set(names)
        found: set[int] = set()
        sources: set[str] = set()
        pending = [index for name in wanted for index in self._writers[name]]
        while pending:
            index = pending.pop()
            if index in found:
                continue
            found.add(index)
            for name in self._statements[index].reads:
                if self._is_source(name) or self._outlet_of(name) not in (None, part):
                    sources.add(name)
                else:
                    pending.extend(self._writers[name])
        chosen = [self._statements[index] for index in sorted(found)]
        used = {name for statement in chosen for name in statement.writes | statement.reads}
        used -= sources | wanted
        lines = [f"\t{self._locals[name]} {name};" for name in self._locals if name in used]
        return _Logic([*lines, *(statement.text for statement in chosen)], frozenset(sources))

    def source(self) -> Iterator[str]:
        """Yield the lines of the class."""
        parts = [self._logic(names, part) for part, names in enumerate(self._parts)]
        outputs = {name: self._logic([name], None) for name in self._ports["output"]}
        reads = frozenset[str]().union(*(logic.reads for logic in (*parts, *outputs.values())))
        outlets = [name for name in self._locals if name in reads]
        self._readers = {
            name: _mask(part for part, logic in enumerate(parts) if name in logic.reads)
            for name in (*self._state, *self._ports["input"], *outlets)
        }

        yield from ("#include <cxxrtl/cxxrtl.h>", "", "namespace {", "")
        yield from ("using namespace cxxrtl_yosys;", "", "class Design {", "public:")
        inform = [f"\tinform_{part}(pending);" for part in range(len(parts))]
        everything = f"\tpending = {_mask(range(len(parts)))};"
        yield from _function("Design()", [self._reset, *inform, everything])
        for name, logic in outputs.items():
            lines = [*logic.lines, f"\treturn {name}.get<bool>();"]
            yield from _function(f"bool {name[2:]}()", lines)
        for name in self._ports["input"]:
            yield from _function(f"void set_{name[2:]}(bool level)", self._set(name))
        yield from _function("bool settled() const", ["\treturn pending == 0;"])
        yield from _function("void clock()", _clock(len(parts)))
        yield "private:"
        for part, logic in enumerate(parts):
            lines = ["\tconst bool posedge_p_clk = true;", *logic.lines]
            yield from _function(f"void evaluate_{part}()", lines)
            yield from _function(f"void commit_{part}(uint64_t &changed)", self._commit(part))
            own = [name for name in outlets if self._outlet_of(name) == part]
            yield from _function(f"void inform_{part}(uint64_t &changed)", self._inform(part, own))
        yield from (f"\t{declaration}" for declaration in self._members.values())
        yield from (f"\t{self._locals[name]} {name};" for name in outlets)
        yield from ("\tuint64_t pending = 0;", "};", "", "} // namespace")

    def _set(self, name: str) -> Iterator[str]:
        yield f"\tif ({name}.get<bool>() != level) {{"
        yield f"\t\t{name}.set<bool>(level);"
        yield f"\t\tpending |= {self._readers[name]};"
        yield "\t}"

    def _commit(self, part: int) -> Iterator[str]:
        yield "\tobserver unobserved;"
        yield "\tbool any = false;"
        for name in self._parts[part]:
            yield f"\tif ({name}.commit(unobserved)) {{"
            yield f"\t\tchanged |= {self._readers[name]};"
            yield "\t\tany = true;"
            yield "\t}"
        yield f"\tif (any) inform_{part}(changed);"

    def _inform(self, part: int, outlets: Sequence[str]) -> Iterator[str]:
        """Compute the outlets of a part, and tell whose readers are to be evaluated."""
        yield from (f"\tauto before_{name} = {name};" for name in outlets)
        yield from self._logic(outlets, part).lines
        for name in outlets:
            yield f"\tif (before_{name} != {name}) changed |= {self._readers[name]};"


def _clock(parts: int) -> Iterator[str]:
    yield "\tuint64_t active = pending, changed = 0;"
    for call in "evaluate_{}();", "commit_{}(changed);":
        for first in range(0, parts, _BUNDLE):
            bundle = range(first, min(first + _BUNDLE, parts))
            yield f"\tif (active & {_mask(bundle)}) {{"
            yield from (f"\t\tif (active & {_mask([part])}) {call.format(part)}" for part in bundle)
            yield "\t}"
    yield "\tpending = changed;"


def _mask(parts: Iterable[int]) -> str:
    return f"{sum(1 << part for part in parts):#x}u"


def _parts(state: Sequence[str]) -> list[list[str]]:
    """Return the registers and memories of each part: a component, or several where many are."""
    for depth in range(max(map(len, map(_path, state))), -1, -1):
        parts: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for name in state:
            parts[_path(name)[:depth]].append(name)
        if len(parts) <= _MOST_PARTS:
            break
    return list(parts.values())


def _path(name: str) -> tuple[str, ...]:
    """Return where the component is that ``name`` is of, as CXXRTL spells names."""
    plain = re.sub(r"^(?:memory_)?(?:p_|i_flatten_5c_)", "", name).replace("_5c_", "")
    return tuple(plain.split("_2e_")[:-1])


def _between(lines: list[str], first: str, last: str) -> tuple[list[str], list[str]]:
    """Return the lines between the first and the last one, and what follows."""
    try:
        start = lines.index(first) + 1
        end = lines.index(last, start)
    except ValueError:
        raise ScheduleError(f"CXXRTL wrote no {first!r} that ends with {last!r}") from None
    return lines[start:end], lines[end:]


def _grouped(lines: Iterable[str]) -> list[list[str]]:
    """Return statements: a line with one tab, and the lines of its blocks."""
    groups: list[list[str]] = []
    for line in lines:
        if line.startswith(("\t\t", "\t}")):
            groups[-1].append(line)
        elif not line.startswith("\tCXXRTL_ASSERT("):
            groups.append([line])
    return groups


def _function(head: str, lines: Iterable[str]) -> Iterator[str]:
    yield f"\t{head} {{"
    yield from lines
    yield "\t}"
