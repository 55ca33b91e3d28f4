"""Runs a netlist of single-bit gates, memories and flip-flops of one clock.

The netlist becomes a straight line of assignments, an order of evaluation being found once. The
same lines are C, if there is a compiler, or Python.
"""

from __future__ import annotations

import ctypes
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from graphlib import TopologicalSorter
from importlib.util import find_spec
from pathlib import Path
from typing import Any

__all__ = ["GateNetlist", "NetlistError", "find_compiler"]

_GATES = {
    "$_AND_": "{A}&{B}",
    "$_OR_": "{A}|{B}",
    "$_XOR_": "{A}^{B}",
    "$_XNOR_": "{A}^{B}^1",
    "$_NOT_": "{A}^1",
    "$_MUX_": "{A}^(({A}^{B})&{S})",
    # What an asynchronous reset does to the output of its flip-flop.
    "reset to 0": "{A}&({R}^1)",
    "reset to 1": "{A}|{R}",
}

_C = """
#include <stddef.h>
#include <stdint.h>
size_t run(const uint8_t *stimulus, uint8_t *response, size_t cycles)
{{
    {state}
    for (size_t cycle = 0; cycle < cycles; cycle++) {{
        uint64_t word; size_t at;
        const unsigned pins = stimulus[cycle];
        {body}
    }}
    return cycles;
}}
"""

_PYTHON = """
def run(stimulus):
    response = bytearray(len(stimulus))
    {state}
    for cycle, pins in enumerate(stimulus):
        {body}
    return bytes(response)
"""

Run = Callable[[bytes], bytes]


class NetlistError(ValueError):
    """A netlist has something in it that is not simulated."""


@dataclass(frozen=True)
class _Memory:
    name: str
    init: Sequence[int]
    #: Address of each read port and what it drives.
    reads: Sequence[tuple[Sequence[str], Sequence[str]]]
    #: Address, bit enables and data of each write port, the later ones winning.
    writes: Sequence[tuple[Sequence[str], Sequence[str], Sequence[str]]]


def find_compiler() -> list[str] | None:
    """Return the C compiler's command: ``$CC``, else what is on the path, else that of the package
    ziglang; None without one.
    """
    if os.environ.get("CC"):
        return os.environ["CC"].split()
    found = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if found is None and find_spec("ziglang") is not None:
        return [sys.executable, "-m", "ziglang", "cc"]
    return None if found is None else [found]


class GateNetlist:
    """A netlist, ready to be run.

    What the netlist leaves open, an undefined constant or the content of an uninitialised
    register, is drawn at random: a design must not depend on it.

    Parameters
    ----------
    module : dict
        The module, as in the output of ``write_json`` of Yosys, all nets one bit wide.
    seed : int
        Of what is drawn.

    Attributes
    ----------
    inputs, outputs : list of str
        Ports but for the clock, one bit each. Port ``n`` is bit ``n`` of each cycle's byte in what
        `run` takes and returns.

    Raises
    ------
    NetlistError
        If there is a cell of an unknown type, more than one clock, a memory that is not read
        asynchronously, or a loop of gates.
    """

    def __init__(self, module: Mapping[str, Any], seed: int = 0) -> None:
        self._random = random.Random(seed)
        self._init = {
            name["bits"][0]: name["attributes"]["init"]
            for name in module["netnames"].values()
            if "init" in name["attributes"]
        }
        #: Drives of a net: its inputs, and the expression.
        self._drives: dict[str, tuple[list[str], str]] = {}
        #: Output, next value and initial value.
        self._registers: list[tuple[str, str, str]] = []
        self._memories: list[_Memory] = []
        self._clocks: set[Any] = set()
        for name, cell in module["cells"].items():
            self._add(name, cell)
        if len(self._clocks) != 1:
            raise NetlistError(f"There must be one clock, not {len(self._clocks)}")
        self.inputs: list[str] = []
        self.outputs: list[str] = []
        self._pins: dict[str, str] = {}
        for name, port in module["ports"].items():
            (bit,) = port["bits"]
            if bit in self._clocks:
                continue
            side = self.inputs if port["direction"] == "input" else self.outputs
            side.append(name)
            self._pins[name] = self._net(bit)

    def _net(self, bit: Any) -> str:
        if bit in ("0", "1"):
            return str(bit)
        if bit == "x":
            return str(self._random.getrandbits(1))
        return f"n{bit}"

    def _nets(self, bits: Sequence[Any]) -> list[str]:
        return [self._net(bit) for bit in bits]

    def _start(self, bit: Any) -> str:
        init = self._init.get(bit, "x")
        return str(self._random.getrandbits(1)) if init == "x" else str(init)

    def _gate(self, kind: str, output: str, inputs: Mapping[str, str]) -> None:
        self._drives[output] = (list(inputs.values()), _GATES[kind].format(**inputs))

    def _add(self, name: str, cell: Mapping[str, Any]) -> None:
        kind, ports = cell["type"], cell["connections"]
        if kind in _GATES:
            inputs = {port: self._net(bits[0]) for port, bits in ports.items() if port != "Y"}
            self._gate(kind, self._net(ports["Y"][0]), inputs)
        elif kind in ("$_DFF_P_", "$_DFF_PP0_", "$_DFF_PP1_"):
            self._clocks.add(ports["C"][0])
            (bit,) = ports["Q"]
            output, data = self._net(bit), self._net(ports["D"][0])
            if kind == "$_DFF_P_":
                self._registers.append((output, data, self._start(bit)))
            else:
                # The register holds what it was reset to once the reset has ended.
                reset = {"A": f"q{bit}", "R": self._net(ports["R"][0])}
                self._gate(f"reset to {kind[-2]}", output, reset)
                self._gate(f"reset to {kind[-2]}", f"d{bit}", {**reset, "A": data})
                self._registers.append((f"q{bit}", f"d{bit}", self._start(bit)))
        elif kind == "$mem_v2":
            self._add_memory(name, cell["parameters"], ports)
        else:
            raise NetlistError(f"{name} is a {kind}, which is not simulated")

    def _add_memory(self, name: str, parameters: Mapping[str, str], ports: Any) -> None:
        number = {
            key: int(parameters[key], 2)
            for key in ("ABITS", "WIDTH", "SIZE", "RD_PORTS", "WR_PORTS", "OFFSET")
        }
        clocked = parameters["RD_CLK_ENABLE"][-number["RD_PORTS"] :]
        if "1" in clocked or number["OFFSET"]:
            raise NetlistError(f"{name} has a clocked read port or an offset")
        self._clocks.update(ports["WR_CLK"])
        width, address = number["WIDTH"], number["ABITS"]

        def part(port: str, size: int, index: int) -> list[str]:
            return self._nets(ports[port][index * size : (index + 1) * size])

        bits = parameters["INIT"].rjust(width * number["SIZE"], "x")
        words = [bits[len(bits) - n - width : len(bits) - n] for n in range(0, len(bits), width)]
        drawn = [[str(self._random.getrandbits(1)) if b == "x" else b for b in w] for w in words]
        memory = _Memory(
            f"m{len(self._memories)}",
            [int("".join(word), 2) for word in drawn],
            [
                (part("RD_ADDR", address, n), part("RD_DATA", width, n))
                for n in range(number["RD_PORTS"])
            ],
            [
                (
                    part("WR_ADDR", address, n),
                    part("WR_EN", width, n),
                    part("WR_DATA", width, n),
                )
                for n in range(number["WR_PORTS"])
            ],
        )
        for where, outputs in memory.reads:
            for n, output in enumerate(outputs):
                self._drives[output] = (list(where), f"{memory.name}[{_word(where)}]>>{n}&1")
        self._memories.append(memory)

    @cached_property
    def _lines(self) -> list[str]:
        """What happens in a cycle, in order."""
        lines = [f"{self._pins[name]} = pins>>{n}&1" for n, name in enumerate(self.inputs)]
        graph = {net: inputs for net, (inputs, _) in self._drives.items()}
        order = (net for net in TopologicalSorter(graph).static_order() if net in self._drives)
        lines += [f"{net} = {self._drives[net][1]}" for net in order]
        lines.append(f"response[cycle] = {_word([self._pins[name] for name in self.outputs])}")
        for memory in self._memories:
            for where, enables, data in memory.writes:
                if set(enables) == {"0"}:
                    continue
                lines += [
                    f"at = {_word(where)}",
                    f"word = {_word(enables)}",
                    f"{memory.name}[at] = ({memory.name}[at]&~word)|(({_word(data)})&word)",
                ]
        outputs = {output for output, _, _ in self._registers}
        # A register behind another one must not take that one's new value.
        lines += [f"t{d} = {d}" for d in sorted({d for _, d, _ in self._registers} & outputs)]
        lines += [f"{q} = {f't{d}' if d in outputs else d}" for q, d, _ in self._registers]
        return lines

    @property
    def _nets_of_a_cycle(self) -> Iterator[str]:
        outputs = {output for output, _, _ in self._registers}
        yield from self._drives
        yield from (self._pins[name] for name in self.inputs)
        yield from {f"t{d}" for _, d, _ in self._registers if d in outputs}

    def compile(self, folder: Path, compiler: Sequence[str]) -> Run:
        """Return a function that runs the netlist as machine code.

        Parameters
        ----------
        folder : Path
            Where the program is made.
        compiler : sequence of str
            Command of a C compiler.

        Raises
        ------
        subprocess.CalledProcessError
            If the compiler fails.
        """
        state = [f"unsigned {net} = 0;" for net in self._nets_of_a_cycle]
        state += [f"unsigned {output} = {init};" for output, _, init in self._registers]
        state += [
            f"uint64_t {memory.name}[] = {{{','.join(f'{word}u' for word in memory.init)}}};"
            for memory in self._memories
        ]
        source, program = folder / "gates.c", folder / "gates.so"
        body = (f"{line};" for line in self._lines)
        text = _C.format(state="\n    ".join(state), body="\n        ".join(_wide(body)))
        source.write_text(text, encoding="utf-8")
        # Nothing of a library is called, which some compilers would have to build first.
        flags = ["-O0", "-w", "-shared", "-fPIC", "-nostdlib", "-fno-sanitize=undefined"]
        subprocess.run([*compiler, *flags, "-o", str(program), str(source)], check=True)
        library = ctypes.CDLL(str(program))
        library.run.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t]

        def run(stimulus: bytes) -> bytes:
            response = ctypes.create_string_buffer(len(stimulus))
            library.run(stimulus, response, len(stimulus))
            return response.raw

        return run

    def interpret(self) -> Run:
        """Return a function that runs the netlist as Python: slow, and without a compiler."""
        state = [f"{output} = {init}" for output, _, init in self._registers]
        state += [f"{memory.name} = {list(memory.init)}" for memory in self._memories]
        text = _PYTHON.format(state="\n    ".join(state), body="\n        ".join(self._lines))
        names: dict[str, Any] = {}
        exec(compile(text, "netlist", "exec"), names)
        run: Run = names["run"]
        return run


def _word(nets: Sequence[str]) -> str:
    """An expression for the number that these bits make, the lowest first."""
    bits = (f"{net}<<{n}" if n else net for n, net in enumerate(nets) if net != "0")
    return "|".join(bits) or "0"


def _wide(lines: Iterator[str]) -> Iterator[str]:
    """The lines in C, whose numbers are 32 bits wide unless they are told to be wider."""
    for line in lines:
        yield line.replace("<<", "*(uint64_t)1<<") if "<<" in line else line
