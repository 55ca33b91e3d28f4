"""A context on a device among threads and after fork."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable, Iterator

import pytest

from atomik_fpga import AtomikContext, ForkError

from .backends import model_port
from .ideal_peer import IdealPort

DEPTH = 4
URL = f"model://64x{DEPTH}"


@pytest.fixture
def peer() -> Iterator[IdealPort]:
    """The far end of the port `URL`: a device of 4 contexts of 64 bits."""
    with model_port(64, DEPTH) as (url, peer):
        assert url == URL
        yield peer


def test_threads_share_a_context_and_no_delta_is_lost(peer: IdealPort) -> None:
    each = 200
    with AtomikContext(port=URL) as context:

        def work(lane: int) -> None:
            for number in range(each):
                context.accum((number + 1) << 16 * lane)

        threads = [threading.Thread(target=work, args=(lane,)) for lane in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        # 1 ^ 2 ^ … ^ 200 is 200, because 200 is a multiple of 4.
        assert context.read() == sum(each << 16 * lane for lane in range(4))
        assert context.delta_count == 4 * each


def run_in_child(use: Callable[[], object]) -> bool:
    """Fork, and return whether ``use`` raises `ForkError` in the child."""
    with warnings.catch_warnings():
        # Python 3.12 warns of forks with threads, which is what is tested here.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    try:
        use()
    except ForkError:
        os._exit(7)
    finally:
        os._exit(1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_context_raises_in_a_forked_child_and_works_on_in_the_parent(peer: IdealPort) -> None:
    with AtomikContext(port=URL) as context:
        context.accum(1)
        assert run_in_child(context.read)
        assert run_in_child(lambda: context.accum(1))
        assert context.read() == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_child_that_was_forked_in_the_midst_of_a_call_raises_too(peer: IdealPort) -> None:
    with AtomikContext(port=URL) as context:
        holds, done = threading.Event(), threading.Event()

        def hold() -> None:
            with context._lock:  # type: ignore[attr-defined]
                holds.set()
                done.wait()

        thread = threading.Thread(target=hold)
        thread.start()
        holds.wait()
        raised = run_in_child(context.read)
        done.set()
        thread.join()
        assert raised


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_gets_a_simulated_board_of_its_own() -> None:
    url = "sim://?width=16&contexts=2&engine=amaranth&name=fork"
    with AtomikContext(16, 5, port=url) as context:
        context.flush()
        child = os.fork()
        if child == 0:
            code = 1
            try:
                with AtomikContext(16, 3, port=url) as own:
                    code = 0 if (own.address, own.read()) == (0, 3) else 2
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert context.read() == 5
