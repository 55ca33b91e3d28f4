"""Block RAM: its two steps against a dictionary, and of which cells it is made."""

# amaranth: UnusedElaboratable=no

import random
import re
from pathlib import Path
from typing import Any

import pytest
from amaranth.back import rtlil
from amaranth_boards.icebreaker import ICEBreakerPlatform
from amaranth_boards.ulx3s import ULX3S_25F_Platform

from atomik_hdl.ram import TECHNOLOGIES, BlockRam, make_ram

from .simulate import simulate


class TestConstruction:
    def test_an_unknown_technology_is_refused(self) -> None:
        message = (
            "Technology must be one of generic, ice40, ecp5, None for that of the platform, or a "
            "function that makes a block RAM, not 'xilinx'"
        )
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            BlockRam(8, 16, technology="xilinx")

    def test_a_function_makes_the_block_ram_of_another_device(self) -> None:
        made = []

        def factory(shape: int, depth: int) -> str:
            made.append((shape, depth))
            return "its own"

        assert make_ram(8, 16, factory) == "its own"
        assert made == [(8, 16)]

    @pytest.mark.parametrize(
        ("technology", "platform", "cell"),
        [
            (None, None, "$memrd"),
            (None, ICEBreakerPlatform, "SB_RAM40_4K"),
            (None, ULX3S_25F_Platform, "DP16KD"),
            ("generic", ULX3S_25F_Platform, "$memrd"),
            ("ice40", None, "SB_RAM40_4K"),
            ("ecp5", None, "DP16KD"),
        ],
    )
    def test_the_technology_is_the_platforms_unless_it_is_said(
        self, technology: str | None, platform: Any, cell: str
    ) -> None:
        ram = BlockRam(8, 16, technology=technology)
        text = rtlil.convert(ram, platform=platform and platform())
        cells = {"$memrd", "SB_RAM40_4K", "DP16KD"}
        assert {name for name in cells if f"cell {name}" in text.replace("\\", "")} == {cell}

    @pytest.mark.parametrize(
        ("technology", "width", "depth", "cells"),
        [
            ("ice40", 128, 256, 8),
            ("ice40", 17, 257, 3),
            ("ice40", 3, 2048, 2),
            ("ice40", 2, 65_536, 32),
            ("ecp5", 128, 1024, 8),
            ("ecp5", 128, 4096, 32),
            ("ecp5", 1, 16_385, 2),
            ("ecp5", 2, 65_536, 8),
        ],
    )
    def test_the_widest_mode_that_is_deep_enough_is_used(
        self, technology: str, width: int, depth: int, cells: int
    ) -> None:
        text = rtlil.convert(BlockRam(width, depth, technology=technology))
        assert len(re.findall(r"cell \\(?:SB_RAM40_4K|DP16KD)", text)) == cells

    def test_all_technologies_have_the_same_ports(self) -> None:
        signatures = [BlockRam(7, 17, technology=name).signature for name in TECHNOLOGIES]
        assert signatures.count(signatures[0]) == len(TECHNOLOGIES)


class Model:
    """Words, and what is fetched and shown; None for what has no meaning."""

    def __init__(self) -> None:
        self.words: dict[int, int] = {}
        self.fetched: tuple[int, bool] = (0, False)
        self.shown: int | None = None

    def step(self, fetch: bool, show: bool, at: int, write: tuple[int, int] | None) -> None:
        """Do what one clock does."""
        written = None if write is None else write[0]
        address, sound = self.fetched
        if show:
            good = sound and written != address
            self.shown = self.words.get(address, 0) if good else None
        if fetch:
            address, sound = at, True
        self.fetched = address, sound and written != address
        if write is not None:
            self.words[write[0]] = write[1]


@pytest.mark.parametrize(("width", "depth"), [(1, 1), (7, 17), (64, 256)])
@pytest.mark.parametrize("often", [0.5, 1.0])
def test_the_model_of_all_kinds_shows_what_was_written(
    width: int, depth: int, often: float, tmp_path: Path
) -> None:
    dut = BlockRam(width, depth)
    rng = random.Random(f"{width} {depth} {often}")
    hot = [rng.randrange(depth) for _ in range(4)]
    model = Model()
    seen = []

    async def testbench(ctx: Any) -> None:
        for _ in range(400):
            fetch, show = rng.random() < often, rng.random() < often
            at = rng.choice(hot)
            write = (rng.choice(hot), rng.getrandbits(width)) if rng.random() < 0.4 else None
            ctx.set(dut.fetch, fetch)
            ctx.set(dut.show, show)
            ctx.set(dut.read_address, at)
            ctx.set(dut.write_enable, write is not None)
            ctx.set(dut.write_address, write[0] if write else 0)
            ctx.set(dut.write_data, write[1] if write else 0)
            await ctx.tick()
            model.step(fetch, show, at, write)
            if model.shown is not None:
                seen.append(model.shown)
                assert ctx.get(dut.read_data) == model.shown

    simulate(dut, testbench, deadline=500, tmp_path=tmp_path)
    assert len(seen) > 50
