"""Imports of domain events: replayed by aggregate, on logs of the plain library and hybrid ones."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest
from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event

from atomik_fpga.eventsourcing import ImportFailedError, Layout, counter, flag, value
from atomik_fpga.eventsourcing.importing import (
    EventSource,
    ImportState,
    import_log,
    verify_import,
)

from .accounts import Account, Accounts

FIELDS = Layout(cents=value(20), closed=flag())


class Till(Aggregate):
    """An aggregate of the library, which knows nothing of words."""

    @event("Opened")
    def __init__(self) -> None:
        self.cents = 0
        self.closed = False

    @event("Counted")
    def count(self, cents: int) -> None:
        # Not commutative: the order of the events shows.
        self.cents = 2 * self.cents + cents

    @event("Closed")
    def close(self) -> None:
        self.closed = True


class Tills(Application[UUID]):
    """An application of the library."""


def word(*cents: int, closed: bool = False) -> int:
    total = 0
    for each in cents:
        total = 2 * total + each
    return total | closed << 20


@pytest.fixture
def tills(tmp_path: Path) -> tuple[dict[str, str], dict[str, int]]:
    """Save three tills with their events in turns; return the environment and the words."""
    env = {
        "PERSISTENCE_MODULE": "eventsourcing.sqlite",
        "SQLITE_DBNAME": str(tmp_path / "tills.db"),
    }
    app = Tills(env)
    made = [Till() for _ in range(3)]
    for number in range(5):
        for place, till in enumerate(made):
            till.count(number + place)
            app.save(till)
    made[1].close()
    app.save(made[1])
    app.close()
    words = [word(*(number + place for number in range(5))) for place in range(3)]
    words[1] |= 1 << 20
    return env, {str(till.id): each for till, each in zip(made, words, strict=True)}


@pytest.mark.parametrize("chunk", [1, 4, 100])
def test_each_aggregate_is_replayed_in_order(
    tmp_path: Path, tills: tuple[dict[str, str], dict[str, int]], chunk: int
) -> None:
    env, expected = tills
    source = EventSource(Tills(env), "tills", FIELDS)
    # Three times opened, fifteen times counted, once closed.
    assert source.total == 19
    with ImportState(tmp_path / "state.db", "events", 64) as state:
        assert import_log([source], state, chunk=chunk) == 19
        assert state.words() == expected
        assert verify_import([source], state) == 3
        assert import_log([source], state, chunk=chunk) == 0
    source.close()


def test_an_interrupted_import_goes_on_and_new_events_are_taken_in(
    tmp_path: Path, tills: tuple[dict[str, str], dict[str, int]]
) -> None:
    env, expected = tills
    app = Tills(env)
    source = EventSource(app, "tills", FIELDS)

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with ImportState(tmp_path / "state.db", "events", 64) as state:
        with pytest.raises(KeyboardInterrupt):
            import_log([source], state, chunk=8, progress=stop)
        assert import_log([source], state, chunk=8) == 11
        assert state.words() == expected
        till = Till()
        till.count(9)
        app.save(till)
        again = EventSource(app, "tills", FIELDS)
        assert import_log([again], state) == 2
        assert state.words() == {**expected, str(till.id): 9}
        assert verify_import([again], state) == 4
    app.close()


@pytest.mark.parametrize("chunk", [1, 4, 100])
def test_no_event_is_replayed_a_second_time_for_a_chunk(
    tmp_path: Path,
    tills: tuple[dict[str, str], dict[str, int]],
    chunk: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = Tills(tills[0])
    mapped: list[object] = []
    to_domain_event = app.mapper.to_domain_event
    monkeypatch.setattr(
        app.mapper, "to_domain_event", lambda each: mapped.append(each) or to_domain_event(each)
    )
    source = EventSource(app, "tills", FIELDS)
    with ImportState(tmp_path / "state.db", "events", 64) as state:
        import_log([source], state, chunk=chunk)
        assert (len(mapped), state.words()) == (19, tills[1])
    source.close()


def test_with_more_aggregates_than_are_kept_words_are_the_same(
    tmp_path: Path, tills: tuple[dict[str, str], dict[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("atomik_fpga.eventsourcing.importing.events._KEPT", 1)
    source = EventSource(Tills(tills[0]), "tills", FIELDS)
    with ImportState(tmp_path / "state.db", "events", 64) as state:
        import_log([source], state, chunk=2)
        assert state.words() == tills[1]
    source.close()


def test_a_log_is_committed_in_portions_unless_told(
    tmp_path: Path, tills: tuple[dict[str, str], dict[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A million events take minutes: they must not be one commit.
    assert EventSource.portion <= 20_000
    monkeypatch.setattr(EventSource, "portion", 8)
    source = EventSource(Tills(tills[0]), "tills", FIELDS)
    seen: list[tuple[int, int]] = []
    with ImportState(tmp_path / "state.db", "events", 64) as state:
        import_log([source], state, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(8, 19), (16, 19), (19, 19)]
    source.close()


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        (Layout(cents=value(20), closed=flag(), more=flag()), r"more \(flag1\) is new"),
        (Layout(closed=flag(), cents=value(20)), "cents was at bit 0 and is at bit 1"),
        (None, "cents:value20;closed:flag1, and none is named now"),
    ],
)
def test_another_layout_than_before_is_refused_with_the_difference_named(
    tmp_path: Path,
    tills: tuple[dict[str, str], dict[str, int]],
    layout: Layout | None,
    message: str,
) -> None:
    source = EventSource(Tills(tills[0]), "tills", FIELDS)
    with ImportState(tmp_path / "state.db", "events", 64) as state:
        import_log([source], state, chunk=8)
        with pytest.raises(ImportFailedError, match=f"tills was imported with .*{message}"):
            import_log([EventSource(Tills(tills[0]), "tills", layout)], state)
        assert state.words() == tills[1]
    source.close()


def test_a_changed_layout_of_hybrid_aggregates_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = {"SQLITE_DBNAME": str(tmp_path / "accounts.db")}
    app = Accounts(env)
    account = Account("ann")
    account.deposit(5)
    app.save(account)
    with ImportState(tmp_path / "state.db", "events", 64) as state:
        import_log([EventSource(app, "accounts")], state)
        # Even where nothing is left to take in when it is first noticed.
        import_log([EventSource(app, "accounts")], state)
        account.deposit(6)
        app.save(account)
        monkeypatch.setattr(
            Account, "layout", Layout(frozen=flag(), balance=value(40), visits=counter(16))
        )
        with pytest.raises(ImportFailedError, match="balance was at bit 0 and is at bit 1"):
            import_log([EventSource(app, "accounts")], state)
        with pytest.raises(ImportFailedError, match="by the aggregates' own layouts: name none"):
            import_log([EventSource(app, "accounts", FIELDS)], state)
        assert state.words() == {str(account.id): 5}
    app.close()


def test_a_log_under_another_name_is_refused(
    tmp_path: Path, tills: tuple[dict[str, str], dict[str, int]]
) -> None:
    source = EventSource(Tills(tills[0]), "tills", FIELDS)
    with ImportState(tmp_path / "state.db", "events", 64) as state:
        import_log([source], state)
        with pytest.raises(ImportFailedError, match="elsewhere is tills, which was imported"):
            import_log([EventSource(Tills(tills[0]), "elsewhere", FIELDS)], state)
    source.close()


def test_a_word_wider_than_the_state_is_refused(
    tmp_path: Path, tills: tuple[dict[str, str], dict[str, int]]
) -> None:
    source = EventSource(Tills(tills[0]), "tills", FIELDS)
    with ImportState(tmp_path / "state.db", "events", 20) as state:
        with pytest.raises(ImportFailedError, match="does not fit in 20 bits: name a greater"):
            import_log([source], state)
        assert state.words() == {}
    source.close()


class Note(Aggregate):
    """Another aggregate in the same log."""

    @event("Written")
    def __init__(self, text: str) -> None:
        self.text = text


def test_of_a_log_with_several_kinds_of_aggregates_one_can_be_chosen(
    tmp_path: Path, tills: tuple[dict[str, str], dict[str, int]]
) -> None:
    env, expected = tills
    app = Tills(env)
    app.save(Note("one"), Note("two"))
    everything = EventSource(app, "tills", FIELDS)
    chosen = EventSource(app, "tills", FIELDS, aggregate=Till)
    with ImportState(tmp_path / "state.db", "events", 64) as state:
        with pytest.raises(ImportFailedError, match=r"Note has no attribute cents, .* or choose"):
            import_log([everything], state)
        assert import_log([chosen], state, chunk=4) == 21
        assert verify_import([chosen], state) == 3
        assert state.words() == expected
        for other in (everything, EventSource(app, "tills", FIELDS, aggregate=Note)):
            with pytest.raises(ImportFailedError, match=r"with aggregates of .*:Till only: choose"):
                import_log([other], state)
    with pytest.raises(TypeError, match="Aggregate must be a class, not 'Till'"):
        EventSource(app, "tills", FIELDS, aggregate="Till")  # type: ignore[arg-type]
    app.close()


def test_hybrid_aggregates_need_no_layout(tmp_path: Path) -> None:
    app = Accounts({"SQLITE_DBNAME": str(tmp_path / "accounts.db")})
    account = Account("ann")
    account.deposit(5)
    account.freeze()
    app.save(account)
    source = EventSource(app, "accounts")
    with ImportState(tmp_path / "state.db", "events", 64) as state:
        import_log([source], state)
        assert state.words() == {str(account.id): 5 | 1 << 40}
    app.close()


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        (None, "Till has no layout: name one"),
        (Layout(cents=value(9), owner=flag()), "Till has no attribute owner, which the layout"),
    ],
)
def test_what_has_no_place_in_a_word_is_refused(
    tmp_path: Path,
    tills: tuple[dict[str, str], dict[str, int]],
    layout: Layout | None,
    message: str,
) -> None:
    source = EventSource(Tills(tills[0]), "tills", layout)
    with (
        ImportState(tmp_path / "state.db", "events", 64) as state,
        pytest.raises(ImportFailedError, match=message),
    ):
        import_log([source], state)
    source.close()


def test_another_log_under_the_same_name_is_refused(
    tmp_path: Path, tills: tuple[dict[str, str], dict[str, int]]
) -> None:
    source = EventSource(Tills(tills[0]), "tills", FIELDS)
    other = Tills({**tills[0], "SQLITE_DBNAME": str(tmp_path / "other.db")})
    for _ in range(9):
        other.save(Till(), Till(), Till())
    with ImportState(tmp_path / "state.db", "events", 64) as state:
        import_log([source], state)
        with pytest.raises(ImportFailedError, match="tills is not the log that it was"):
            import_log([EventSource(other, "tills", FIELDS)], state)
    source.close()
    other.close()
