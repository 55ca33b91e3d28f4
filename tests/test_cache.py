"""The cache on disk: entries that are whole, or made again."""

from __future__ import annotations

import multiprocessing
import os
import re
import time
from pathlib import Path
from typing import Any

import pytest

from atomik_fpga.cache import Cache, CacheError, cache_folder, content_key

KEY = content_key("a key")


class Maker:
    """Writes an entry of two files, and counts how often."""

    def __init__(self, text: str = "content") -> None:
        self.text = text
        self.count = 0

    def __call__(self, folder: Path) -> None:
        self.count += 1
        (folder / "inner").mkdir()
        (folder / "inner" / "file").write_text(self.text)
        (folder / "other").write_bytes(b"\0\1")


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache("things", tmp_path)


def test_an_entry_is_made_once(cache: Cache) -> None:
    maker = Maker()
    entry = cache.get(KEY, maker)
    assert contents(entry) == {"inner/file": b"content", "other": b"\0\1"}
    assert cache.get(KEY, maker) == cache.find(KEY) == entry
    assert maker.count == 1


def test_nothing_is_found_before_it_is_made(cache: Cache) -> None:
    assert cache.find(KEY) is None
    assert not cache.folder.exists()


def test_each_key_has_an_entry_of_its_own(cache: Cache) -> None:
    first = cache.get(content_key("1"), Maker("one"))
    second = cache.get(content_key("2"), Maker("two"))
    assert (first / "inner" / "file").read_text() == "one"
    assert (second / "inner" / "file").read_text() == "two"


@pytest.mark.parametrize("damage", ["changed", "missing", "more"])
def test_an_entry_that_is_damaged_is_made_again(
    cache: Cache, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    maker = Maker()
    entry = cache.get(KEY, maker)
    match damage:
        case "changed":
            (entry / "other").write_bytes(b"\0\2")
        case "missing":
            (entry / "inner" / "file").unlink()
        case "more":
            (entry / "third").touch()
    assert contents(cache.get(KEY, maker)) == {"inner/file": b"content", "other": b"\0\1"}
    assert maker.count == 2
    assert [record.getMessage() for record in caplog.records] == [
        f"The cache entry {entry} is damaged; it is made again"
    ]
    assert list(cache.folder.iterdir()) == [entry]


def test_what_could_not_be_made_leaves_nothing(cache: Cache) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").write_text("half")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        cache.get(KEY, fail)
    assert list(cache.folder.iterdir()) == []
    assert cache.find(KEY) is None


def test_what_processes_that_were_killed_left_is_swept_up_after_a_day(cache: Cache) -> None:
    cache.get(KEY, Maker())
    for name, hours in (("making-old", 25), ("broken-old", 25), ("making-new", 1)):
        left = cache.folder / name
        left.mkdir()
        (left / "file").write_text("half")
        moment = time.time() - 3600 * hours
        os.utime(left, (moment, moment))

    # Looking for what is there costs nothing more.
    cache.get(KEY, Maker())
    assert (cache.folder / "making-old").exists()
    cache.get(content_key("another key"), Maker())

    there = {
        path.name for path in cache.folder.iterdir() if "-new" in path.name or "-old" in path.name
    }
    assert there == {"making-new"}
    assert cache.find(KEY) is not None


def make_together(folder: Path, text: str, barrier: Any, results: Any) -> None:
    def make(entry: Path) -> None:
        # Both are here before either is done.
        barrier.wait(60)
        (entry / "file").write_text(text)

    results.put(str(Cache("things", folder).get(KEY, make)))


@pytest.mark.parametrize("texts", [("same", "same"), ("one", "two")])
def test_two_processes_may_make_an_entry_at_once(
    cache: Cache, tmp_path: Path, texts: tuple[str, str]
) -> None:
    spawn = multiprocessing.get_context("spawn")
    barrier, results = spawn.Barrier(2), spawn.Queue()
    processes = [
        spawn.Process(target=make_together, args=(tmp_path, text, barrier, results))
        for text in texts
    ]
    for process in processes:
        process.start()
    entries = {Path(results.get(timeout=60)) for _ in processes}
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert {(entry / "file").read_text() for entry in entries} == set(texts)
    assert len(entries) == len(set(texts))
    assert set(cache.folder.iterdir()) == entries
    assert cache.find(KEY) in entries


def test_a_folder_that_can_not_be_used_is_an_error_that_names_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    cache = Cache("things", tmp_path / "file")
    message = (
        f"^The cache in {re.escape(str(cache.folder))} can't be used (.*): "
        "set ATOMIK_CACHE to a folder that can be written$"
    ).replace("(.*)", r"\(.*\)")
    with pytest.raises(CacheError, match=message):
        cache.get(KEY, Maker())


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("a",), ("b",)),
        (("a", "b"), ("ab",)),
        (("ab", "c"), ("a", "bc")),
        (("a",), ("a", "")),
        ((b"\xff",), ("\xff",)),
    ],
)
def test_a_key_depends_on_each_part_and_on_how_they_are_divided(
    first: tuple[bytes | str, ...], second: tuple[bytes | str, ...]
) -> None:
    assert content_key(*first) != content_key(*second)
    assert content_key(*first) == content_key(*first)


@pytest.mark.parametrize(
    ("platform", "environment", "folder"),
    [
        ("linux", {"XDG_CACHE_HOME": "/x"}, Path("/x/atomik")),
        ("linux", {"XDG_CACHE_HOME": "relative"}, Path.home() / ".cache" / "atomik"),
        ("linux", {}, Path.home() / ".cache" / "atomik"),
        ("darwin", {"XDG_CACHE_HOME": "/x"}, Path.home() / "Library" / "Caches" / "atomik"),
        ("win32", {"LOCALAPPDATA": "/local"}, Path("/local/atomik/cache")),
        ("win32", {}, Path.home() / "AppData" / "Local" / "atomik" / "cache"),
        ("linux", {"ATOMIK_CACHE": "/mine", "XDG_CACHE_HOME": "/x"}, Path("/mine")),
        ("win32", {"ATOMIK_CACHE": "/mine", "LOCALAPPDATA": "/local"}, Path("/mine")),
    ],
)
def test_the_cache_is_where_the_platform_has_caches(
    platform: str, environment: dict[str, str], folder: Path
) -> None:
    assert cache_folder(platform, environment) == folder
