"""The boards with an iCE40."""

from __future__ import annotations

from dataclasses import replace

from .board import (
    ADAPTER,
    ADAPTER_BAUD,
    FT232H,
    FT2232H,
    HFOSC,
    HFOSC_HZ,
    ICELINK,
    Board,
    Family,
    Loader,
    UartPins,
)

__all__ = ["ICE40_BOARDS"]


#: The flash memory, or the part itself, at the first interface of an FT2232H.
_FT2232H_SPI = Loader(
    "openFPGALoader",
    sram=("-b", "ice40_generic", "-m"),
    flash=("-b", "ice40_generic", "-f"),
    usb=(FT2232H,),
)
_FT232H_SPI = Loader(
    "openFPGALoader", flash=("-b", "ice40_generic", "-c", "ft232", "-f"), usb=(FT232H,)
)
_ICESPROG = Loader("icesprog", flash=(), usb=(ICELINK,))
#: The boot loader in the microcontroller of BlackIce takes the file as it is, at a serial port.
_BLACKICE = Loader("cp", sram=())
_FOMU = Loader("openFPGALoader", flash=("-b", "fomu"), usb=((0x1209, 0x5BF0),))


_HFOSC_NOTE = (
    "its clock is the oscillator inside of the part, which is within 10 % by the data sheet, "
    "where a line bears about 4 %"
)
_JUMPER_NOTE = (
    f"{_HFOSC_NOTE}: if the link is bad, solder the jumper of the 12 MHz oscillator and build with "
    "--clock clk12"
)


#: What boards with one part have in common, where an entry below does not say otherwise.
_UP5K = Board(
    name="",
    title="",
    family=Family.ICE40,
    platform="",
    part="iCE40UP5K-SG48",
    clock_hz=12_000_000,
    max_clock_hz=24_000_000,
    bridge=ADAPTER,
    max_baud=ADAPTER_BAUD,
    default_baud=115_200,
    contexts=256,
    width=64,
    reply_slots=2,
)
_HX8K = replace(_UP5K, part="iCE40HX8K-CT256", max_clock_hz=48_000_000)
_HX4K = replace(
    _HX8K,
    part="iCE40HX4K-TQ144",
    clock_hz=100_000_000,
    notes=(
        "its HX4K is the die of an HX8K, of which Lattice promises 3,520 logic cells and 20 block "
        "RAMs, and the open tools use all; --width 32 stays within the promise",
    ),
)
_HX1K = replace(
    _UP5K,
    part="iCE40HX1K-VQ100",
    max_clock_hz=48_000_000,
    contexts=16,
    width=32,
    reply_slots=1,
    has_pll=False,
)
_UPDUINO = replace(
    _UP5K,
    clock=HFOSC,
    clock_hz=HFOSC_HZ,
    uart=UartPins(rx="j_0:3", tx="j_0:4"),
    leds={"session": ("led_g", 0), "activity": ("led_b", 0), "error": ("led_r", 0)},
    notes=(_JUMPER_NOTE,),
)
_RGB = {
    "session": ("rgb_led", 0, "g"),
    "activity": ("rgb_led", 0, "b"),
    "error": ("rgb_led", 0, "r"),
}

ICE40_BOARDS: tuple[Board, ...] = (
    replace(
        _UP5K,
        name="icebreaker",
        title="1BitSquared iCEBreaker",
        platform="amaranth_boards.icebreaker:ICEBreakerPlatform",
        bridge="FT2232H",
        default_baud=1_000_000,
        leds={"session": ("led_g", 0), "error": ("led_r", 0)},
        reset=("button", 0),
        pll_at_pad=True,
        uart=("uart", 0),
        usb=FT2232H,
        usb_interface=1,
        loader=_FT2232H_SPI,
    ),
    replace(
        _UP5K,
        name="icebreaker-bitsy",
        title="1BitSquared iCEBreaker-bitsy",
        platform="amaranth_boards.icebreaker_bitsy:ICEBreakerBitsyPlatform",
        leds={
            "session": ("led_g", 0),
            "activity": ("rgb_led", 0, "b"),
            "error": ("led_r", 0),
        },
        reset=("button", 0),
        pll_at_pad=True,
        uart=UartPins(rx="pmod_1:3", tx="pmod_1:2"),
        loader=Loader("openFPGALoader", flash=("-b", "icebreaker-bitsy"), usb=((0x1D50, 0x6146),)),
    ),
    replace(
        _UP5K,
        name="icesugar",
        title="MuseLab iCESugar",
        platform="amaranth_boards.icesugar:ICESugarPlatform",
        bridge="iCELink",
        max_baud=115_200,
        leds={"session": ("led_g", 0), "activity": ("led_b", 0), "error": ("led_r", 0)},
        pll_at_pad=True,
        uart=("uart", 0),
        usb=ICELINK,
        loader=_ICESPROG,
    ),
    replace(
        _UP5K,
        name="ice40-up5k-b-evn",
        title="Lattice iCE40 UltraPlus Breakout Board",
        platform="amaranth_boards.ice40_up5k_b_evn:ICE40UP5KBEVNPlatform",
        leds={"session": ("led_g", 0), "activity": ("led_b", 0), "error": ("led_r", 0)},
        pll_at_pad=True,
        uart=UartPins(rx="pmod_0:7", tx="pmod_0:8"),
        loader=_FT2232H_SPI,
    ),
    replace(
        _UP5K,
        name="fomu-hacker",
        title="Fomu hacker",
        platform="amaranth_boards.fomu_hacker:FomuHackerPlatform",
        part="iCE40UP5K-UWG30",
        clock_hz=48_000_000,
        leds=_RGB,
        uart=UartPins(rx="pin_0:1", tx="pin_1:1"),
        loader=_FOMU,
    ),
    replace(
        _UP5K,
        name="fomu-pvt",
        title="Fomu PVT",
        platform="amaranth_boards.fomu_pvt:FomuPVTPlatform",
        part="iCE40UP5K-UWG30",
        clock_hz=48_000_000,
        leds=_RGB,
        uart=UartPins(rx="E4", tx="D5"),
        loader=_FOMU,
    ),
    replace(
        _UPDUINO,
        name="upduino-v1",
        title="UPduino v1",
        platform="amaranth_boards.upduino_v1:UpduinoV1Platform",
        loader=replace(_FT2232H_SPI, sram=None, usb=()),
        notes=(_HFOSC_NOTE,),
    ),
    replace(
        _UPDUINO,
        name="upduino-v2",
        title="UPduino v2",
        platform="amaranth_boards.upduino_v2:UpduinoV2Platform",
        clocks={"clk12": 12_000_000},
        loader=_FT232H_SPI,
    ),
    replace(
        _UPDUINO,
        name="upduino-v3",
        title="UPduino v3",
        platform="amaranth_boards.upduino_v3:UpduinoV3Platform",
        leds=_RGB,
        uart=UartPins(rx="j_0:7", tx="j_0:8"),
        clocks={"clk12": 12_000_000},
        loader=_FT232H_SPI,
    ),
    replace(
        _HX8K,
        name="ice40-hx8k-b-evn",
        title="Lattice iCE40-HX8K Breakout Board",
        platform="amaranth_boards.ice40_hx8k_b_evn:ICE40HX8KBEVNPlatform",
        bridge="FT2232H",
        default_baud=1_000_000,
        leds={"session": ("led", 0), "activity": ("led", 1), "error": ("led", 7)},
        uart=("uart", 0),
        usb=FT2232H,
        usb_interface=1,
        loader=_FT2232H_SPI,
    ),
    replace(
        _HX8K,
        name="tinyfpga-bx",
        title="TinyFPGA BX",
        platform="amaranth_boards.tinyfpga_bx:TinyFPGABXPlatform",
        part="iCE40LP8K-CM81",
        clock_hz=16_000_000,
        max_clock_hz=32_000_000,
        leds={"session": ("led", 0)},
        uart=UartPins(rx="gpio_0:1", tx="gpio_0:2"),
        loader=Loader("tinyprog", flash=("-p",), usb=((0x1D50, 0x6130),)),
    ),
    replace(
        _HX4K,
        name="blackice",
        title="myStorm BlackIce",
        platform="amaranth_boards.blackice:BlackIcePlatform",
        bridge="STM32",
        max_baud=115_200,
        leds={"session": ("led_g", 0), "activity": ("led_b", 0), "error": ("led_r", 0)},
        reset=("button", 0),
        uart=("uart", 0),
        loader=_BLACKICE,
    ),
    replace(
        _HX4K,
        name="blackice-ii",
        title="myStorm BlackIce II",
        platform="amaranth_boards.blackice_ii:BlackIceIIPlatform",
        bridge="STM32",
        max_baud=115_200,
        leds={"session": ("led_g", 0), "activity": ("led_b", 0), "error": ("led_r", 0)},
        reset=("button", 0),
        uart=("uart", 0),
        loader=_BLACKICE,
    ),
    replace(
        _HX1K,
        name="icestick",
        title="Lattice iCEstick",
        platform="amaranth_boards.icestick:ICEStickPlatform",
        part="iCE40HX1K-TQ144",
        has_pll=True,
        bridge="FT2232H",
        default_baud=1_000_000,
        leds={"session": ("led", 4), "activity": ("led", 1), "error": ("led", 0)},
        uart=("uart", 0),
        usb=FT2232H,
        usb_interface=1,
        loader=replace(_FT2232H_SPI, sram=None),
    ),
    replace(
        _HX1K,
        name="nandland-go",
        title="Nandland Go Board",
        platform="amaranth_boards.nandland_go:NandlandGoPlatform",
        clock_hz=25_000_000,
        bridge="FT2232H",
        default_baud=1_000_000,
        leds={"session": ("led", 0), "activity": ("led", 1), "error": ("led", 3)},
        reset=("button", 0),
        uart=("uart", 0),
        usb=FT2232H,
        usb_interface=1,
        loader=replace(_FT2232H_SPI, sram=None),
    ),
    replace(
        _HX1K,
        name="ice40-hx1k-blink-evn",
        title="Lattice iCEblink40-HX1K",
        platform="amaranth_boards.ice40_hx1k_blink_evn:ICE40HX1KBlinkEVNPlatform",
        clock_hz=3_300_000,
        leds={"session": ("led", 0), "activity": ("led", 1), "error": ("led", 3)},
        uart=UartPins(rx="pmod_1:3", tx="pmod_1:2"),
        loader=Loader("iCEburn", flash=("-evw",), usb=((0x1443, 0x0007),)),
    ),
    replace(
        _HX1K,
        name="icesugar-nano",
        title="MuseLab iCESugar-nano",
        platform="amaranth_boards.icesugar_nano:ICESugarNanoPlatform",
        part="iCE40LP1K-CM36",
        max_clock_hz=24_000_000,
        bridge="iCELink",
        max_baud=115_200,
        leds={"session": ("led", 0)},
        uart=("uart", 0),
        usb=ICELINK,
        loader=_ICESPROG,
    ),
)
