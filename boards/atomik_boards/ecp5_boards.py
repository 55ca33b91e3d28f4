"""The boards with an ECP5."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from .board import (
    ADAPTER,
    ADAPTER_BAUD,
    FT231X,
    FT2232H,
    ICELINK,
    Board,
    Family,
    Lamp,
    Loader,
    UartPins,
    UsbId,
)

__all__ = ["ECP5_BOARDS"]


def _jtag(*board: str, usb: UsbId | None) -> Loader:
    """Return the loader of a board whose JTAG openFPGALoader knows as ``board``."""
    return Loader(
        "openFPGALoader",
        sram=(*board, "-m"),
        flash=(*board, "-f"),
        usb=() if usb is None else (usb,),
        idcode=True,
    )


def _dfu(vendor: int, product: int) -> Loader:
    """Return the loader of a board with a boot loader that is a USB device of class DFU."""
    return Loader(
        "dfu-util",
        flash=("-d", f"{vendor:04x}:{product:04x}", "-a", "0", "-R", "-D"),
        usb=((vendor, product),),
    )


_LEDS: dict[str, Lamp] = {"session": ("led", 0), "activity": ("led", 1), "error": ("led", 7)}
_RGB: dict[str, Lamp] = {
    "session": ("rgb_led", 0, "g"),
    "activity": ("rgb_led", 0, "b"),
    "error": ("rgb_led", 0, "r"),
}

#: What the boards have in common, where an entry below does not say otherwise.
_GRADE_6 = Board(
    name="",
    title="",
    family=Family.ECP5,
    platform="",
    part="",
    clock_hz=25_000_000,
    max_clock_hz=75_000_000,
    bridge=ADAPTER,
    max_baud=ADAPTER_BAUD,
    default_baud=115_200,
    contexts=4096,
    width=64,
    reply_slots=4,
)
_GRADE_8 = replace(_GRADE_6, max_clock_hz=80_000_000)
_ULX3S = replace(
    _GRADE_6,
    bridge="FT231X",
    max_baud=3_000_000,
    default_baud=1_000_000,
    leds=_LEDS,
    reset=("button_fire", 0),
    usb=FT231X,
    loader=_jtag("-b", "ulx3s", usb=FT231X),
)
_ECPIX5 = replace(
    _GRADE_8,
    clock_hz=100_000_000,
    bridge="FT2232H",
    default_baud=1_000_000,
    leds={
        "session": ("rgb_led", 0, "g"),
        "activity": ("rgb_led", 1, "b"),
        "error": ("rgb_led", 2, "r"),
    },
    reset=("rst", 0),
    usb=FT2232H,
    usb_interface=1,
    loader=_jtag("-b", "ecpix5", usb=FT2232H),
)
_VERSA = replace(
    _ECPIX5,
    leds=_LEDS,
    loader=_jtag("-c", "ft2232", usb=FT2232H),
)
_LOGICBONE = replace(
    _GRADE_8,
    leds={"session": ("led", 0), "activity": ("led", 1), "error": ("led", 3)},
    reset=("button", 0),
    uart=UartPins(rx="P8_0:3", tx="P8_0:4"),
    loader=_dfu(0x1D50, 0x615D),
)
_ORANGECRAB = replace(
    _GRADE_8,
    clock_hz=48_000_000,
    leds=_RGB,
    reset=("button", 0),
    uart=UartPins(rx="io_0:0", tx="io_0:1"),
    loader=_dfu(0x1209, 0x5AF0),
)


def _sizes(
    board: Board, name: str, title: str, parts: dict[str, tuple[str, str]]
) -> Iterator[Board]:
    """Return a board in its sizes, by size: the platform and the part of each."""
    for size, (platform, part) in parts.items():
        # Of the block RAM in LFE5U-12F Lattice promises 32, of which the link takes some.
        contexts = board.contexts // 2 if size == "12f" else board.contexts
        yield replace(
            board,
            contexts=contexts,
            name=f"{name}-{size}",
            title=f"{title} with {part.rpartition('-')[0]}",
            platform=f"amaranth_boards.{platform}",
            part=part,
        )


def _all_boards() -> Iterator[Board]:
    yield from _sizes(
        _ULX3S,
        "ulx3s",
        "Radiona ULX3S",
        {
            "12f": ("ulx3s:ULX3S_12F_Platform", "LFE5U-12F-6BG381C"),
            "25f": ("ulx3s:ULX3S_25F_Platform", "LFE5U-25F-6BG381C"),
            "45f": ("ulx3s:ULX3S_45F_Platform", "LFE5U-45F-6BG381C"),
            "85f": ("ulx3s:ULX3S_85F_Platform", "LFE5U-85F-6BG381C"),
        },
    )
    yield from _sizes(
        _ECPIX5,
        "ecpix5",
        "LambdaConcept ECPIX-5",
        {
            "45f": ("ecpix5:ECPIX545Platform", "LFE5UM5G-45F-8BG554C"),
            "85f": ("ecpix5:ECPIX585Platform", "LFE5UM5G-85F-8BG554C"),
        },
    )
    yield from _sizes(
        _ORANGECRAB,
        "orangecrab",
        "OrangeCrab r0.2",
        {
            "25f": ("orangecrab_r0_2:OrangeCrabR0_2_25FPlatform", "LFE5U-25F-8MG285C"),
            "85f": ("orangecrab_r0_2:OrangeCrabR0_2_85FPlatform", "LFE5U-85F-8MG285C"),
        },
    )
    yield replace(
        _ORANGECRAB,
        name="orangecrab-r0.1",
        title="OrangeCrab r0.1",
        platform="amaranth_boards.orangecrab_r0_1:OrangeCrabR0_1Platform",
        part="LFE5U-25F-8MG285C",
        reset=None,
    )
    yield from _sizes(
        _LOGICBONE,
        "logicbone",
        "Logicbone",
        {
            "45f": ("logicbone:LogicbonePlatform", "LFE5UM5G-45F-8BG381C"),
            "85f": ("logicbone:Logicbone85FPlatform", "LFE5UM5G-85F-8BG381C"),
        },
    )
    yield replace(
        _VERSA,
        name="versa-ecp5",
        title="Lattice ECP5 Versa",
        platform="amaranth_boards.versa_ecp5:VersaECP5Platform",
        part="LFE5UM-45F-8BG381C",
    )
    yield replace(
        _VERSA,
        name="versa-ecp5-5g",
        title="Lattice ECP5-5G Versa",
        platform="amaranth_boards.versa_ecp5_5g:VersaECP55GPlatform",
        part="LFE5UM5G-45F-8BG381C",
    )
    yield replace(
        _ECPIX5,
        name="ecp5-5g-evn",
        title="Lattice ECP5-5G Evaluation Board",
        platform="amaranth_boards.ecp5_5g_evn:ECP55GEVNPlatform",
        part="LFE5UM5G-85F-8BG381C",
        clock_hz=12_000_000,
        leds=_LEDS,
        loader=_jtag("-b", "ecp5_evn", usb=FT2232H),
        notes=(
            "its UART needs two resistors moved and the FT2232H's memory rewritten: see section "
            "6.2 of the board's manual",
        ),
    )
    yield replace(
        _GRADE_6,
        name="icepi-zero",
        title="Icepi Zero v1.3",
        platform="amaranth_boards.icepi_zero:IcepiZero1_3Platform",
        part="LFE5U-25F-6BG256C",
        clock_hz=50_000_000,
        bridge="FT231X",
        max_baud=3_000_000,
        default_baud=1_000_000,
        leds={"session": ("led", 0), "activity": ("led", 1), "error": ("led", 4)},
        reset=("button", 0),
        usb=FT231X,
        loader=_jtag("-b", "icepi-zero", usb=FT231X),
    )
    yield replace(
        _GRADE_6,
        name="icesugar-pro",
        title="MuseLab iCESugar-pro",
        platform="amaranth_boards.icesugar_pro:ICESugarProPlatform",
        part="LFE5U-25F-6BG256C",
        bridge="iCELink",
        max_baud=115_200,
        leds=_RGB,
        usb=ICELINK,
        loader=Loader("icesprog", flash=(), usb=(ICELINK,)),
    )
    yield replace(
        _GRADE_6,
        name="colorlight-5a-75b",
        title="Colorlight 5A-75B v7.0",
        platform="amaranth_boards.colorlight_5a75b_r7_0:Colorlight_5A75B_R70Platform",
        part="LFE5U-25F-6BG256C",
        loader=_jtag("-b", "colorlight", "-c", "ft232", usb=None),
        notes=(
            "its UART is at J19, at the pins of its lamp and its button, so it has neither; "
            "its JTAG needs a cable",
        ),
    )
    yield replace(
        _GRADE_8,
        name="butterstick",
        title="ButterStick r1.0",
        platform="amaranth_boards.butterstick:ButterStickPlatform",
        part="LFE5UM5G-85F-8BG381C",
        clock_hz=30_000_000,
        reset=("button", 0),
        # Two pins of the microSD socket: those of the SYZYGY connectors have no supply until
        # gateware has set one, at a voltage that depends on what is plugged in.
        uart=UartPins(rx="A12", tx="D14"),
        loader=_dfu(0x1209, 0x5AF1),
        notes=(
            "its UART is at the microSD socket, DAT1 to listen and DAT2 to talk, because the "
            "SYZYGY connectors have no supply of their own",
        ),
    )
    yield replace(
        _GRADE_8,
        name="supercon19-badge",
        title="Hackaday Supercon 2019 badge",
        platform="atomik_boards.platforms:Supercon19Badge",
        part="LFE5U-45F-8BG381C",
        clock_hz=8_000_000,
        leds={"session": ("led", 6), "activity": ("led", 1), "error": ("led", 0)},
        uart=("uart", 0),
        loader=_dfu(0x1D50, 0x614B),
    )


ECP5_BOARDS: tuple[Board, ...] = tuple(_all_boards())
