"""``atomik import``: options, results, interruptions and what is refused."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from atomik_fpga.eventsourcing.importing import ImportState

from ..tcp_device import TcpDevice
from .bench import ACCUMULATOR, REFERENCE, Run, table


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.csv"
    path.write_text("key,delta\n7,1\n5,0x10\n7,2\n6,4\n")
    return path


def test_words_are_taken_into_the_state_and_counted_once(
    run: Run, log: Path, tmp_path: Path
) -> None:
    state = tmp_path / "state.db"
    code, out, err = run("import", str(log), "--state", str(state), "--json", "-q")
    assert (code, err) == (0, "")
    result = json.loads(out)
    assert (result["taken"], result["keys"], result["verified"]) == (4, 3, True)
    assert (result["port"], result["contexts"]) == (None, {})
    code, out, _ = run("import", str(log), "--state", str(state), "-q")
    assert code == 0
    assert out.startswith(f"0 taken in, 3 keys in {state}, verified, ")


def test_with_a_port_each_key_gets_a_context_and_the_others_stay(
    run: Run, log: Path, tmp_path: Path, device: TcpDevice
) -> None:
    state = str(tmp_path / "state.db")
    code, out, err = run("import", str(log), "--state", state, "--port", device.url, "-q")
    assert (code, err) == (0, "")
    assert out.splitlines()[1:] == [
        "context 0  0x0000000000000010  5",
        "context 1  0x0000000000000004  6",
        "context 2  0x0000000000000003  7",
    ]
    assert table(device.model)[:5] == [
        (0x10, 0),
        (4, 0),
        (3, 0),
        (REFERENCE, ACCUMULATOR),
        (0, 0),
    ]


def test_a_map_says_which_keys_go_where(
    run: Run, log: Path, tmp_path: Path, device: TcpDevice
) -> None:
    addresses = tmp_path / "map.csv"
    addresses.write_text("key,address\n7,9\n")
    state = str(tmp_path / "state.db")
    options = ("--port", device.url, "--map", str(addresses), "--json", "-q")
    code, out, _ = run("import", str(log), "--state", state, *options)
    assert (code, json.loads(out)["contexts"], json.loads(out)["keys"]) == (0, {"7": 9}, 3)
    assert table(device.model)[9] == (3, 0)


@pytest.mark.parametrize("device", [{"depth": 4}], indirect=True)
def test_more_keys_than_contexts_is_an_error_that_says_so(
    run: Run, tmp_path: Path, device: TcpDevice
) -> None:
    before = table(device.model)
    path, state = tmp_path / "log.csv", str(tmp_path / "state.db")
    path.write_text("key,state\n" + "".join(f"k{n},{n}\n" for n in range(5)))
    command = ("import", str(path), "--kind", "states", "--state", state, "--port", device.url)
    code, out, err = run(*command, "-q")
    assert (code, out) == (1, "")
    assert "has more keys than there are contexts: 5 of its first 5 rows, and 4 contexts" in err
    assert table(device.model) == before
    addresses = tmp_path / "map.csv"
    addresses.write_text("key,address\nk4,0\n")
    assert run(*command, "-q", "--map", str(addresses))[0] == 0
    assert table(device.model)[0] == (4, 0)


def test_events_of_an_application(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shop_of_test.py").write_text(
        "from eventsourcing.application import Application\n"
        "from eventsourcing.domain import Aggregate, event\n"
        "from atomik_fpga.eventsourcing import Layout, value\n"
        "FIELDS = Layout(cents=value(16))\n"
        "class Till(Aggregate):\n"
        "    @event('Opened')\n"
        "    def __init__(self):\n"
        "        self.cents = 0\n"
        "    @event('Counted')\n"
        "    def count(self, cents):\n"
        "        self.cents += cents\n"
        "class Shop(Application):\n"
        "    pass\n"
    )
    monkeypatch.chdir(tmp_path)
    program = (
        "from shop_of_test import Shop, Till\n"
        "app = Shop({'PERSISTENCE_MODULE': 'eventsourcing.sqlite', 'SQLITE_DBNAME': 'shop.db'})\n"
        "till = Till(); till.count(3); till.count(4); app.save(till); app.close()"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    command = "import shop.db --kind events --application shop_of_test:Shop --state s.db --json -q"
    fields = "shop_of_test:FIELDS"
    code, out, err = run(*command.split(), "--layout", fields)
    assert (code, err) == (0, "")
    result = json.loads(out)
    assert (result["taken"], result["keys"], result["verified"]) == (3, 1, True)
    code, _, err = run(*command.split(), "--layout", "shop_of_test:NONE")
    assert code == 2
    assert "has no attribute 'NONE'" in err
    assert run("import", "shop.db", "--kind", "events", "--state", "s.db")[0] == 2
    chosen = ("--layout", fields, "--aggregate", "shop_of_test:Till", "--state", "chosen.db")
    code, out, err = run(*command.split(), *chosen)
    assert (code, err, json.loads(out)["keys"]) == (0, "", 1)
    # The same log however its path is written.
    code, out, err = run(*command.replace("shop.db", "./shop.db").split(), "--layout", fields)
    assert (code, err, json.loads(out)["taken"]) == (0, "", 0)
    for options, message in (
        ("--application shop_of_test:FIELDS", "shop_of_test:FIELDS is no application of the event"),
        ("--application shop_of_test:Till", "shop_of_test:Till is no application of the event"),
        ("--layout shop_of_test:Shop", "shop_of_test:Shop is no Layout"),
        ("--aggregate shop_of_test:FIELDS", "shop_of_test:FIELDS is no class of aggregates"),
    ):
        code, _, err = run(*command.split(), "--layout", fields, *options.split())
        assert code == 2
        assert message in err
    # What is no such database is neither taken nor written to.
    (tmp_path / "text.db").write_text("no database\n" * 99)
    sqlite3.connect("empty.db").close()
    state = (tmp_path / "s.db").read_bytes()
    for name in ("text.db", "empty.db", "s.db"):
        code, _, err = run(*command.replace("shop.db", name).split(), "--layout", fields)
        assert code == 1
        assert f"{name} can't be read as a log of events: " in err
    assert (tmp_path / "empty.db").read_bytes() == b""
    assert (tmp_path / "s.db").read_bytes() == state
    monkeypatch.delitem(sys.modules, "shop_of_test")


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ("--map map.csv", 2, "--map says which contexts, and no board is named: --port"),
        ("--column word", 1, "names no column 'word' but 'key', 'delta'"),
        ("--kind events", 2, "--kind events needs --application MODULE:CLASS"),
        ("--kind rows", 2, "is not one of 'deltas', 'states', 'events'"),
    ],
)
def test_what_does_not_go_together(
    run: Run, log: Path, tmp_path: Path, options: str, code: int, message: str
) -> None:
    state = str(tmp_path / "state.db")
    result, out, err = run("import", str(log), "--state", state, *options.split(), "-q")
    assert (result, out) == (code, "")
    assert message in err


def test_without_its_extra_it_says_what_to_install(log: Path, tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['duckdb'] = None\n"
        "from atomik_fpga.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    arguments = ["import", str(log), "--state", str(tmp_path / "state.db")]
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (3, "")
    assert 'pip install "atomik-fpga[eventsourcing]"' in done.stderr


if os.name == "posix":

    def position_in(state: Path) -> int:
        """Return how far the import has come, from the file itself."""
        try:
            # Not read-only: what a killed process left half done has to be rolled back to read on.
            with closing(sqlite3.connect(f"file:{state}?mode=rw", uri=True)) as file:
                return int(file.execute("SELECT sum(position) FROM sources").fetchone()[0] or 0)
        except sqlite3.OperationalError:
            return 0

    def test_killed_at_random_points_an_import_counts_each_row_once(tmp_path: Path) -> None:
        source = random.Random(5)
        rows = [(source.randrange(50), source.getrandbits(64)) for _ in range(20_000)]
        path = tmp_path / "log.csv"
        path.write_text("key,delta\n" + "".join(f"{key},{word}\n" for key, word in rows))
        expected: dict[str, int] = {}
        for key, word in rows:
            expected[str(key)] = expected.get(str(key), 0) ^ word
        state = tmp_path / "state.db"
        command = [sys.executable, "-m", "atomik_fpga", "import", str(path), "--state", str(state)]
        positions = [0]
        for _ in range(4):
            process = subprocess.Popen(
                [*command, "--chunk", "50"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            while position_in(state) == positions[-1] and process.poll() is None:
                time.sleep(0.005)
            time.sleep(source.uniform(0, 0.1))
            process.send_signal(signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL
            positions.append(position_in(state))
        assert 0 < positions[1] < positions[2] < positions[3] < positions[4] < len(rows)
        done = subprocess.run([*command, "-q", "--json"], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        assert json.loads(done.stdout)["taken"] == len(rows) - positions[-1]
        with ImportState(state, "deltas", 64) as opened:
            assert opened.words() == expected
