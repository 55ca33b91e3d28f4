"""Which simulated board: its options, and the ``sim://`` URL that names them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from atomik_fpga.protocol import (
    BANK_REGISTERS,
    MAX_DEPTH,
    MAX_LANES,
    MAX_WIDTH,
    MIN_BANKS_WIDTH,
)

from .faults.spec import FaultSpec

__all__ = ["BOARDS", "ENGINES", "MIN_CLOCKS_PER_BIT", "BoardFacts", "BoardOptions", "url_of"]


@dataclass(frozen=True, slots=True)
class BoardFacts:
    """What makes the device of one board another one, whatever its options are.

    Attributes
    ----------
    clock_frequency : int
        Of its build by default, in hertz.
    reply_slots : int
        Replying frames that a host may have outstanding.
    """

    clock_frequency: int
    reply_slots: int


#: The boards that can be simulated, as `atomik build` makes them.
BOARDS = {
    "icebreaker": BoardFacts(clock_frequency=12_000_000, reply_slots=2),
    "ulx3s-25f": BoardFacts(clock_frequency=25_000_000, reply_slots=4),
}

#: What runs the gateware.
ENGINES = ("cxxrtl", "amaranth")

#: Fewest clocks a bit that the device's receiver works with.
MIN_CLOCKS_PER_BIT = 4

_FLAGS = {"0": False, "1": True}


@dataclass(frozen=True, slots=True)
class BoardOptions:
    """Options of one simulated board.

    Two of them that are equal name the same board of this process, unless ``fresh`` is set.

    Attributes
    ----------
    board : str
        A key of `BOARDS`.
    contexts : int
        Contexts of the device's table, 1 to 65536.
    width : int
        Bits a context, 1 to 256.
    lanes : int
        Lanes of banks with an engine, 1 to 1024; 0 for no banks. With banks, ``width`` is at least
        32, and ``contexts`` at most 65532.
    baud : int
        Rate of the serial line in bit/s, at least 4 clocks of the board a bit. The default is the
        fastest that an icebreaker's clock and the bridge of a ulx3s-25f make: simulated clocks are
        what takes the time.
    engine : str
        One of `ENGINES`: compiled by CXXRTL and a C++ compiler, or Amaranth's simulator, which also
        stands in for the former where there is no compiler.
    realtime : bool
        Simulated time does not run ahead of wall time, so that the board is no faster than a real
        one. Otherwise it is as fast as this machine can make it.
    name : str
        Tells several boards with the same options apart.
    fresh : bool
        Every opening makes a new board, and closing it throws it away.
    vcd : str
        File to which the board writes waves (`atomik_sim.waves`); empty for none. What it held
        before is lost.
    faults : str
        Faults of the line (`atomik_sim.faults`, ``docs/faults.md``); empty for none.

    Raises
    ------
    ValueError
        If an option is out of its range, or both ``name`` and ``fresh`` are given.
    """

    board: str = "icebreaker"
    contexts: int = 16
    width: int = 64
    lanes: int = 0
    baud: int = 3_000_000
    engine: str = "cxxrtl"
    realtime: bool = False
    name: str = ""
    fresh: bool = False
    vcd: str = ""
    faults: str = ""

    def __post_init__(self) -> None:
        _check_choice("board", self.board, BOARDS)
        _check_choice("engine", self.engine, ENGINES)
        _check_range("contexts", self.contexts, MAX_DEPTH)
        _check_range("width", self.width, MAX_WIDTH)
        if self.lanes:
            _check_range("lanes", self.lanes, MAX_LANES)
            _check_range("contexts", self.contexts, int(BANK_REGISTERS))
            if self.width < MIN_BANKS_WIDTH:
                raise ValueError(
                    f"Option 'width' must be at least {MIN_BANKS_WIDTH} with lanes={self.lanes}, "
                    f"not {self.width}"
                )
        _check_range("baud", self.baud, self.clock_frequency // MIN_CLOCKS_PER_BIT)
        self.fault_spec()
        if self.name and self.fresh:
            raise ValueError(
                f"Options name={self.name!r} and fresh=1 exclude each other: "
                "a fresh board is used once, by whoever opened it"
            )

    @property
    def clock_frequency(self) -> int:
        """Clock of the board, in hertz."""
        return BOARDS[self.board].clock_frequency

    @property
    def device(self) -> dict[str, int]:
        """Parameters of `atomik_hdl.device.DeltaDevice`: where they are equal, devices are."""
        return {
            "clock_frequency": self.clock_frequency,
            "baud": self.baud,
            "width": self.width,
            "depth": self.contexts,
            "reply_slots": BOARDS[self.board].reply_slots,
            "lanes": self.lanes,
        }

    @property
    def line_rate(self) -> int:
        """Rate of the host's port in bit/s: another one than the device's if the faults say so."""
        spec = self.fault_spec()
        return self.baud if spec is None else round(self.baud * (1 + spec.baud_error / 100))

    def fault_spec(self) -> FaultSpec | None:
        """Return the faults of the line, if there are any."""
        return FaultSpec.parse(self.faults) if self.faults else None

    @classmethod
    def from_url(cls, url: str) -> BoardOptions:
        """Read ``sim://BOARD?option=value&…``; what is left out has its default.

        Raises
        ------
        ValueError
            If the URL has another form, or an option or value is unknown or given twice.
        """
        parts = urlsplit(url)
        if parts.scheme != "sim" or parts.path not in ("", "/") or "#" in url:
            raise ValueError(
                f"Simulated board must be named as sim://BOARD?option=value, not {url!r}"
            )
        allowed = [field.name for field in fields(cls) if field.name != "board"]
        given: dict[str, str] = {}
        for item in filter(None, parts.query.split("&")):
            [(option, value)] = parse_qsl(item, keep_blank_values=True)
            if option not in allowed:
                raise ValueError(
                    f"Unknown option {option!r} in {url!r}: the options are {', '.join(allowed)}"
                )
            if option in given:
                raise ValueError(f"Option {option!r} is given twice in {url!r}")
            given[option] = value
        if parts.netloc:
            given["board"] = parts.netloc
        return cls(**{option: _READERS[option](option, text) for option, text in given.items()})


def url_of(options: BoardOptions) -> str:
    """Return the shortest ``sim://`` URL that names these options; equal options, equal URL."""
    query = {}
    for field in fields(options):
        value = getattr(options, field.name)
        if field.name != "board" and value != field.default:
            query[field.name] = int(value) if isinstance(value, bool) else value
    return f"sim://{options.board}{'?' if query else ''}{urlencode(query)}"


def _read_text(option: str, text: str) -> str:
    if not text:
        raise ValueError(f"Option {option!r} must have a value")
    return text


def _read_integer(option: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise ValueError(f"Option {option!r} must be a decimal number, not {text!r}")
    return int(text)


def _read_flag(option: str, text: str) -> bool:
    if text not in _FLAGS:
        raise ValueError(f"Option {option!r} must be 0 or 1, not {text!r}")
    return _FLAGS[text]


_READERS: dict[str, Callable[[str, str], Any]] = {
    "board": _read_text,
    "contexts": _read_integer,
    "width": _read_integer,
    "lanes": _read_integer,
    "baud": _read_integer,
    "engine": _read_text,
    "realtime": _read_flag,
    "name": _read_text,
    "fresh": _read_flag,
    "vcd": _read_text,
    "faults": _read_text,
}


def _check_choice(option: str, value: str, choices: Iterable[str]) -> None:
    if value not in choices:
        raise ValueError(
            f"Unknown {option} {value!r}: simulated boards know {' or '.join(choices)}"
        )


def _check_range(option: str, value: int, most: int) -> None:
    if not isinstance(value, int):
        raise TypeError(f"Option {option!r} must be an integer, not {value!r}")
    if not 1 <= value <= most:
        raise ValueError(f"Option {option!r} must be in 1..{most}, not {value}")
