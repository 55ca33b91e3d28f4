"""``atomik sim``: what is offered, and what is refused."""

from __future__ import annotations

import re
from typing import NoReturn

import pytest

from .bench import Run


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--listen 7000", "'7000' is not HOST:PORT, such as 127.0.0.1:7000."),
        ("--listen ::1:port", "'::1:port' is not HOST:PORT, such as 127.0.0.1:7000."),
        ("--listen 127.0.0.1:70000", "'127.0.0.1:70000' is not HOST:PORT, such as 127.0.0.1:7000."),
        ("--width 257", "Option 'width' must be in 1..256, not 257"),
        (
            "--listen 0.0.0.0:0",
            "0.0.0.0 is not a loopback address, and the board has no authentication: whoever can "
            "reach it could use it. Say --allow-remote if that is wanted.",
        ),
    ],
)
def test_sim_refuses_what_it_can_not_or_should_not_offer(
    run: Run, arguments: str, message: str
) -> None:
    code, out, err = run("sim", *arguments.split())
    assert (code, out) == (2, "")
    assert err.rstrip().endswith(message)


def test_sim_on_a_remote_address_warns_that_there_is_no_authentication(
    run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def interrupted(_: object, __: float) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr("atomik_sim.server.BoardServer.wait", interrupted)
    code, out, err = run(
        "sim", "--listen", "0.0.0.0:0", "--allow-remote", "--contexts", "3", "--no-pty"
    )
    assert code == 0
    assert re.fullmatch(r"ATOMIK_PORT=socket://0\.0\.0\.0:\d+\n", out)
    assert "simulated icebreaker: 3 contexts of 64 bits, 3,000,000 baud; Ctrl-C ends it\n" in err
    assert "without authentication" in caplog.text
