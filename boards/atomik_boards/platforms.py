"""From a board to the Amaranth platform that knows its pins."""

from __future__ import annotations

import importlib
import re
from typing import Any

from amaranth.build import Attrs, Pins, Resource, ResourceError, Subsignal
from amaranth.vendor import LatticeECP5Platform
from amaranth_boards.supercon19badge import Supercon19BadgePlatform

from .board import Board, Family, UartPins
from .errors import BuildError

__all__ = ["Supercon19Badge", "load_platform", "request"]

#: The resource that a UART at pins becomes.
_UART = ("atomik_uart", 0)

#: The attributes of those pins, and of the one that listens: open, it has to idle high.
_ATTRIBUTES = {
    Family.ICE40: ({"IO_STANDARD": "SB_LVCMOS"}, {"PULLUP": 1}),
    Family.ECP5: ({"IO_TYPE": "LVCMOS33"}, {"PULLMODE": "UP"}),
}

#: ``pmod_0:3``, or ``A9``.
_PIN = re.compile(r"[A-Za-z]\w*:[\w+-]+|[A-Za-z]{0,2}[0-9]{1,3}")


class Supercon19Badge(Supercon19BadgePlatform):
    """The badge's platform, whose own `toolchain_prepare` takes no options."""

    def toolchain_prepare(self, fragment: Any, name: str, **overrides: Any) -> Any:
        """Hand on the options, with those of the badge's boot loader."""
        options = {"ecppack_opts": "--compress --freq 38.8", **overrides}
        return LatticeECP5Platform.toolchain_prepare(self, fragment, name, **options)


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
