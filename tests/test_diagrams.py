"""The timing diagrams: what they show, that they are up to date, and how they are drawn."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from .diagrams.__main__ import FOLDER, main, render
from .diagrams.scenarios import SCENARIOS
from .diagrams.svg import draw

PAGE = Path(__file__).parents[1] / "docs" / "timing.md"


def values(name: str, lane: str) -> list[str]:
    wave = SCENARIOS[name]()
    (found,) = (signal for signal in wave["signal"] if signal.get("name") == lane)
    data: list[str] = found.get("data", [])
    return data


def test_the_diagrams_in_the_docs_are_what_the_simulation_gives() -> None:
    for name, text in render().items():
        assert (FOLDER / name).read_text(encoding="utf-8") == text, (
            f"{name} is out of date: run `python -m tests.diagrams`"
        )


def test_the_page_shows_every_diagram_and_no_other() -> None:
    shown = re.findall(r"\(images/(timing-[\w-]+)\.svg\)", PAGE.read_text(encoding="utf-8"))
    assert sorted(shown) == sorted(SCENARIOS)
    assert {path.stem for path in FOLDER.glob("timing-*")} == set(SCENARIOS)


@pytest.mark.parametrize(
    ("name", "lane", "expected"),
    [
        # 50, then 01 and 02, then 04 and 08.
        ("timing-core-accum", "read_response.payload.state", ["51", "5f"]),
        ("timing-core-read", "read_response.payload.state", ["00", "3a"]),
        # Both before the delta of their own cycle.
        ("timing-core-swap", "swap_response.payload.accumulator", ["03", "08"]),
        ("timing-core-swap", "swap_response.payload.state", ["53", "5b"]),
        ("timing-core-swap", "read_response.payload.state", ["71"]),
        # Of load and swap in one cycle the load wins.
        ("timing-core-order", "read_response.payload.state", ["53", "24"]),
        ("timing-core-order", "swap_response.payload.state", ["53"]),
        ("timing-table-ops", "o.payload.state", ["53", "53", "53"]),
        ("timing-table-ops", "o.payload.accumulator", ["03", "03", "00"]),
        ("timing-table-clear", "o.payload.state", ["50", "00"]),
        # 01 and 02 of the first group; of the second, a cycle later, 10 and 20, not 40.
        ("timing-banks-skew", "read_response.payload.state", ["63"]),
        ("timing-banks-skew", "read_response.payload.accumulator", ["33"]),
    ],
)
def test_a_diagram_shows_what_the_algebra_says(name: str, lane: str, expected: list[str]) -> None:
    assert values(name, lane) == expected


def test_a_drawing_has_a_box_for_each_value_and_its_text() -> None:
    wave = {
        "signal": [
            {"name": "clk", "wave": "p..."},
            {},
            {"name": "a<b", "wave": "x=.=", "data": ["1", "&"]},
            {"name": "level", "wave": "01.0"},
        ],
        "head": {"text": "A & B"},
    }
    root = ElementTree.fromstring(draw(wave))
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == ["A & B", "0", "1", "2", "3", "clk", "a<b", "1", "&", "level"]
    paths = [element.get("class") for element in root.iter("{http://www.w3.org/2000/svg}path")]
    assert paths.count("box") == 2
    assert paths.count("none") == 1


def test_a_state_that_is_not_drawn_is_refused() -> None:
    wave = {"signal": [{"name": "a", "wave": "0u"}], "head": {"text": ""}}
    with pytest.raises(ValueError, match=r"^'u' is no state that is drawn: give one of p01=x\.$"):
        draw(wave)


def test_the_check_tells_whether_a_diagram_is_out_of_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one = {"timing-core-accum": SCENARIOS["timing-core-accum"]}
    monkeypatch.setattr("tests.diagrams.__main__.FOLDER", tmp_path)
    monkeypatch.setattr("tests.diagrams.__main__.SCENARIOS", one)
    assert main([]) == 0
    capsys.readouterr()
    assert main(["--check"]) == 0
    (tmp_path / "timing-core-accum.svg").write_text("", encoding="utf-8")
    assert main(["--check"]) == 1
    assert capsys.readouterr().out == "timing-core-accum.svg is out of date\n"
