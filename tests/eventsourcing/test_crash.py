"""A short crash sweep; `python -m tests.eventsourcing.crash` is the long one."""

from __future__ import annotations

import os
import re
import subprocess
import sys

from .crash import MUTANT, on_postgresql, on_sqlite, sweep

if os.name == "posix":

    def test_contexts_equal_the_log_after_kills_on_sqlite() -> None:
        with on_sqlite() as bench:
            result = sweep(bench, 4, seed=11)
        assert (result.faults, result.kills) == ([], 4)
        assert result.events > result.accounts > 0

    def test_contexts_equal_the_log_after_kills_on_postgresql() -> None:
        with on_postgresql("-c", "fsync=off") as bench:
            result = sweep(bench, 2, seed=12)
            assert (result.faults, result.kills) == ([], 2)
            result = sweep(bench, 1, seed=13, victim="database")
        assert (result.faults, result.kills) == ([], 1)
        assert result.events > result.accounts > 0

    def test_states_in_a_transaction_of_their_own_are_caught() -> None:
        with on_sqlite(MUTANT) as bench:
            result = sweep(bench, 25, seed=14)
        assert result.faults

    def test_a_board_that_outlives_the_process_is_loaded_again() -> None:
        command = [
            sys.executable,
            "-m",
            "atomik_fpga",
            "sim",
            "--listen",
            "127.0.0.1:0",
            "--no-pty",
        ]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as board:
            assert board.stdout is not None
            found = re.search(r"socket://\S+", board.stdout.readline())
            assert found is not None
            try:
                with on_sqlite() as bench:
                    result = sweep(bench, 2, seed=15, port=found[0])
            finally:
                board.terminate()
        assert (result.faults, result.kills) == ([], 2)
