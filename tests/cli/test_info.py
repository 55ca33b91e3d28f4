"""``atomik info``."""

from __future__ import annotations

import json
import re

import pytest

from atomik_fpga import connect
from atomik_sim.model import DeviceModel

from ..tcp_device import TcpDevice
from .bench import Run, table


@pytest.mark.parametrize("device", [{"width": 65, "depth": 300}], indirect=True)
def test_info_says_in_words_what_the_device_is(run: Run, device: TcpDevice) -> None:
    code, out, _ = run("info", "--port", device.url)
    lines = out.splitlines()
    assert code == 0
    assert lines[0] == f"ATOMiK device at {device.url}"
    assert "  contexts  300 of 65 bits" in lines
    assert "  line      1,000,000 baud, 12 clocks a bit" in lines
    assert "  build     none: not made by `atomik build`" in lines
    assert "  session   none open" in lines


@pytest.mark.parametrize("device", [{"build_id": 0xABC, "width": 7}], indirect=True)
def test_info_as_json_holds_every_field(run: Run, device: TcpDevice) -> None:
    code, out, _ = run("info", "--json", "--port", device.url)
    values = json.loads(out)
    assert code == 0
    assert values["build_id"] == "0000000000000abc"
    assert values["width"] == 7
    assert set(values) == {"port", *DeviceModel().info.__slots__}


def test_info_changes_nothing_and_ends_nobodys_session(run: Run, device: TcpDevice) -> None:
    with connect(device.url) as connection:
        connection.accum(5, 0x1234)
        connection.flush()
        before = table(device.model)
        code, out, _ = run("info", "--port", device.url)
        assert code == 0
        assert re.search(r"^  session   0x[0-9a-f]{8} open$", out, re.MULTILINE)
        assert table(device.model) == before
        assert connection.read(5) == 0x1234
