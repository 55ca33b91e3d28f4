"""The devices that are placed and routed for, and how fast their clock networks may run.

The place-and-route tools know the delays of the logic, not this limit: a result above it is true of
the logic, but no clock of that frequency may be on the chip.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from atomik_boards.catalog import Family

__all__ = ["DEVICES", "Device"]


@dataclass(frozen=True, slots=True)
class Device:
    """One device at one speed grade.

    Attributes
    ----------
    name : str
        Short, as in the names of cases.
    title : str
        As the maker writes it.
    family : Family
    options : tuple of str
        What tells nextpnr the device.
    wanted_mhz : int
        The clock that place and route is asked for: more than any design reaches, so that it never
        rests.
    limit_mhz : int
        Highest frequency of the global clock network.
    source : str
        Where that limit is from.
    """

    name: str
    title: str
    family: Family
    options: tuple[str, ...]
    wanted_mhz: int
    limit_mhz: int
    source: str


_ICE40HX = "iCE40 LP/HX Family Data Sheet, DS1040 3.4, page 3-15: f_MAX_GBUF, all iCE40HX devices"
_ICE40UP = "iCE40 UltraPlus Family Data Sheet, FPGA-DS-02008-1.9, table 4.21: f_MAX_GBUF"
_ECP5 = (
    "ECP5 and ECP5-5G Family Data Sheet, FPGA-DS-02012, External Switching Characteristics: "
    "f_MAX_PRI; from memory"
)


def _ecp5(size: str, grade: int, limit_mhz: int) -> Device:
    return Device(
        name=f"{size}f-{grade}",
        title=f"LFE5U-{size}F-{grade}",
        family=Family.ECP5,
        options=(f"--{size}k", "--package", "CABGA381", "--speed", str(grade)),
        wanted_mhz=450,
        limit_mhz=limit_mhz,
        source=_ECP5,
    )


#: By name.
DEVICES: Mapping[str, Device] = {
    device.name: device
    for device in (
        Device(
            name="hx8k",
            title="iCE40HX8K",
            family=Family.ICE40,
            options=("--hx8k", "--package", "ct256"),
            wanted_mhz=350,
            limit_mhz=275,
            source=_ICE40HX,
        ),
        Device(
            name="up5k",
            title="iCE40UP5K",
            family=Family.ICE40,
            options=("--up5k", "--package", "sg48"),
            wanted_mhz=200,
            limit_mhz=185,
            source=_ICE40UP,
        ),
        _ecp5("25", 6, 257),
        _ecp5("25", 8, 370),
        _ecp5("85", 6, 257),
        _ecp5("85", 8, 370),
    )
}
