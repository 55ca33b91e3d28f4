"""What ``faults=SPEC`` says, and what it must not say."""

from __future__ import annotations

import pytest

from atomik_sim import BoardOptions
from atomik_sim.faults import BOTH, FAULTS, TO_DEVICE, TO_HOST, Fault, FaultSpec

NAMES = ", ".join(FAULTS)
FRAMES = "DATA, OPEN, INFO, ACK, NAK, VALUES, OPENED, NO_SESSION, OPEN_REFUSED"


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("flip:0.001", FaultSpec((Fault("flip", 0.001),))),
        ("drop:1@device", FaultSpec((Fault("drop", 1.0, (TO_DEVICE,)),))),
        ("lose/ACK:.5", FaultSpec((Fault("lose", 0.5, (TO_HOST,), "ACK"),))),
        ("late/INFO:1e-3", FaultSpec((Fault("late", 0.001, BOTH, "INFO"),))),
        ("late/INFO:1e-3@host", FaultSpec((Fault("late", 0.001, (TO_HOST,), "INFO"),))),
        ("baud:-4,seed:7", FaultSpec((), -4.0, 7)),
        (
            "cut:0.1@host, cut:0.2@device",
            FaultSpec((Fault("cut", 0.1, (TO_HOST,)), Fault("cut", 0.2, (TO_DEVICE,)))),
        ),
    ],
)
def test_a_text_says_which_faults_there_are(text: str, spec: FaultSpec) -> None:
    assert FaultSpec.parse(text) == spec
    assert FaultSpec.parse(str(spec)) == spec


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Fault must be NAME:RATE, NAME/FRAME:RATE or NAME:RATE@END, not ''"),
        ("flip", "Fault must be NAME:RATE, NAME/FRAME:RATE or NAME:RATE@END, not 'flip'"),
        ("flip:0.1,", "Fault must be NAME:RATE, NAME/FRAME:RATE or NAME:RATE@END, not ''"),
        ("flop:0.1", f"Unknown fault 'flop': there are {NAMES}, baud and seed"),
        ("flip:2", "Rate of fault 'flip' must be more than 0 and at most 1, not '2'"),
        ("flip:0", "Rate of fault 'flip' must be more than 0 and at most 1, not '0'"),
        ("flip:nan", "Rate of fault 'flip' must be more than 0 and at most 1, not 'nan'"),
        ("flip:0.1@", "Unknown end '' of fault 'flip': faults go to device or host"),
        ("flip:0.1@moon", "Unknown end 'moon' of fault 'flip': faults go to device or host"),
        ("flip/ACK:0.1", "Fault 'flip' hits characters, it can't be narrowed to 'ACK'"),
        ("lose/FOO:0.1", f"Unknown frame 'FOO': there are {FRAMES}"),
        ("lose/ACK:1@device", "No ACK goes to the device, so that 'lose' can't hit it there"),
        ("flip:0.1,flip:0.2@host", "Fault 'flip' is given twice in 'flip:0.1,flip:0.2@host'"),
        ("seed:1,seed:1", "Fault 'seed' is given twice in 'seed:1,seed:1'"),
        ("seed:x", "Seed of the faults must be a decimal number, not 'x'"),
        ("seed:1@host", "Fault 'seed' has neither frame nor end: 'seed:1@host'"),
        ("baud:11", "Error of the line rate must be in -10..10 percent, not '11'"),
        ("baud:fast", "Error of the line rate must be in -10..10 percent, not 'fast'"),
    ],
)
def test_a_text_that_says_something_else_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        FaultSpec.parse(text)
    assert str(caught.value) == message


def test_a_board_has_the_faults_of_its_url() -> None:
    options = BoardOptions.from_url("sim://?faults=lose/ACK:0.5,baud:-2,seed:3&width=7")
    assert options == BoardOptions(width=7, faults="lose/ACK:0.5,baud:-2,seed:3")
    assert options.fault_spec() == FaultSpec((Fault("lose", 0.5, (TO_HOST,), "ACK"),), -2.0, 3)
    assert options.line_rate == 2_940_000
    assert BoardOptions().fault_spec() is None
    assert BoardOptions().line_rate == 3_000_000


@pytest.mark.parametrize("url", ["sim://?faults=flip:2", "sim://?faults=baud:50"])
def test_a_url_with_bad_faults_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        BoardOptions.from_url(url)
