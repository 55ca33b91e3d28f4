"""The benchmarks of this area run, and keep the rows that don't flatter."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import import_log, replay


def test_replay_measures_every_way_at_every_size_and_draws_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(replay, "_PATIENCE", 0.02)
    sizes = (10, 200)
    records = replay.measure(sizes, appends=3)
    names = [record.metric for record in records]
    ways = (
        "library_replay library_snapshots sqlite_fold sqlite_seek hybrid_current_state model_read "
        "simulated_read bare_int library_storage library_snapshots_storage hybrid_storage "
        "sqlite_storage"
    )
    assert {f"{way}_{size}" for way in ways.split() for size in sizes} <= set(names)
    assert {"append_library", "append_hybrid", "append_hybrid_simulated"} <= set(names)
    assert len(names) == len(set(names))
    assert all(record.value > 0 for record in records)
    drawn = replay.plot(records, sizes)
    assert all(title in drawn for title in ("library, replay", "an int", "SQLite, sum by hand"))


def test_the_import_is_measured_against_its_target() -> None:
    records = {record.metric: record for record in import_log.measure(20_000, repeats=1)}
    assert records["deltas"].target == 20
    assert records["deltas"].conditions["keys"] == 256
    assert {"deltas_of_text_keys", "states", "verify_deltas"} <= set(records)


def test_the_plot_in_the_guide_is_there() -> None:
    image = Path(__file__).resolve().parents[2] / "docs" / "images" / "replay.svg"
    assert "Time to the state" in image.read_text(encoding="utf-8")
