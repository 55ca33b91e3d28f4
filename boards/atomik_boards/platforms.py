"""From a board to the Amaranth platform that knows its pins."""

from __future__ import annotations

import importlib
import re
from typing import Any

from amaranth.build import Attrs, Pins, Resource, ResourceError, Subsignal
from amaranth.vendor import LatticeECP5Platform
from amaranth_boards.supercon19badge import Supercon19BadgePlatform
from amaranth_boards.tang_nano_9k import TangNano9kPlatform

from .board import Board, Family, UartPins
from .errors import BuildError

__all__ = ["Supercon19Badge", "TangNano9k", "load_platform", "request"]

#: The resource that a UART at pins becomes.
_UART = ("atomik_uart", 0)

#: The attributes of those pins, and of the one that listens: open, it has to idle high.
_ATTRIBUTES = {
    Family.ICE40: ({"IO_STANDARD": "SB_LVCMOS"}, {"PULLUP": 1}),
    Family.ECP5: ({"IO_TYPE": "LVCMOS33"}, {"PULLMODE": "UP"}),
    Family.GOWIN: ({"IO_TYPE": "LVCMOS33"}, {"PULL_MODE": "UP"}),
}

#: ``pmod_0:3``, or ``A9``.
_PIN = re.compile(r"[A-Za-z]\w*:[\w+-]+|[A-Za-z]{0,2}[0-9]{1,3}")


class Supercon19Badge(Supercon19BadgePlatform):
    """The badge's platform, whose own `toolchain_prepare` takes no options."""

    def toolchain_prepare(self, fragment: Any, name: str, **overrides: Any) -> Any:
        """Hand on the options, with those of the badge's boot loader."""
        options = {"ecppack_opts": "--compress --freq 38.8", **overrides}
        return LatticeECP5Platform.toolchain_prepare(self, fragment, name, **options)


class TangNano9k(TangNano9kPlatform):
    """The board's platform, with the place and route that replaced the one which Amaranth runs."""

    #: Place and route takes one frequency for all clocks; the board has one.
    _COMMANDS = (
        """
        {{invoke_tool("yosys")}} {{quiet("-q")}} {{get_override("yosys_opts")|options}}
            -l {{name}}.rpt {{name}}.ys
        """,
        """
        {{invoke_tool("nextpnr-himbaechel-gowin")}} {{quiet("--quiet")}}
            {{get_override("nextpnr_opts")|options}} --log {{name}}.tim
            --device {{platform.part}} --vopt family={{platform._chipdb_device}}
            --vopt cst={{name}}.cst --freq {{platform.default_clk_frequency / 1000000}}
            --json {{name}}.json
        """,
        """
        {{invoke_tool("gowin_pack")}} -d {{platform._chipdb_device}} -o {{name}}.fs
            {{get_override("gowin_pack_opts")|options}} {{name}}.placed.json
        """,
    )

    @property
    def required_tools(self) -> list[str]:
        """The programs, by name."""
        return ["yosys", "nextpnr-himbaechel-gowin", "gowin_pack"]

    @property
    def file_templates(self) -> dict[str, str]:
        """What the programs are given: the netlist has the name that it has for other families."""
        script = "{{name}}.ys"
        files: dict[str, str] = dict(super().file_templates)
        return {**files, script: files[script].replace("{{name}}.syn.json", "{{name}}.json")}

    @property
    def command_templates(self) -> list[str]:
        """How the programs are run."""
        return list(self._COMMANDS)


def load_platform(board: Board) -> tuple[Any, tuple[str, int]]:
    """Return the platform of ``board``, and its resource with ``rx`` and ``tx``.

    Raises
    ------
    BuildError
        If a pin of the UART is no name of a pin, or of a connector that the board has not.
    """
    module, _, name = board.platform.partition(":")
    platform = getattr(importlib.import_module(module), name)()
    if not isinstance(board.uart, UartPins):
        return platform, board.uart
    for pin in (board.uart.rx, board.uart.tx):
        _check_pin(board, platform, pin)
    common, listening = _ATTRIBUTES[board.family]
    platform.add_resources(
        [
            Resource(
                *_UART,
                Subsignal("rx", Pins(board.uart.rx, dir="i"), Attrs(**listening)),
                Subsignal("tx", Pins(board.uart.tx, dir="o")),
                Attrs(**common),
            )
        ]
    )
    return platform, _UART


def request(platform: Any, name: str, number: int) -> Any:
    """Return a resource's port or ports.

    Raises
    ------
    BuildError
        If there is no such resource, or one of its pins is taken.
    """
    try:
        return platform.request(name, number, dir="-")
    except ResourceError as error:
        raise BuildError(f"{error}: choose other pins") from error


def _check_pin(board: Board, platform: Any, pin: str) -> None:
    if not _PIN.fullmatch(pin):
        raise BuildError(
            f"{pin!r} is no pin: name one of a connector, such as pmod_0:3, or of the package, "
            "such as A9"
        )
    connector, colon, _ = pin.partition(":")
    if not colon:
        return
    pins = [
        f"{name}_{number}:{contact}"
        for (name, number), there in platform.connectors.items()
        for contact in there.mapping
    ]
    if pin not in pins:
        beside = [name for name in pins if name.partition(":")[0] == connector]
        there = beside or sorted({name.partition(":")[0] for name in pins}) or ["no connectors"]
        raise BuildError(f"{board.name} has no pin {pin!r}; there are: {', '.join(there)}")
