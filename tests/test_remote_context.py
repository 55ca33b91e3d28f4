"""What only a context on a device does; the rest is in `test_context`."""

from __future__ import annotations

import copy
import gc
import pickle
import re
from collections.abc import Callable, Iterator

import pytest

from atomik_fpga import (
    AtomikContext,
    ClosedError,
    ContextInUseError,
    LinkLostError,
    LinkStats,
    NoBoardError,
    NoFreeContextError,
    WidthError,
)
from atomik_fpga.remote import RemoteContext

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


def context_at(peer: IdealPort, address: int) -> tuple[int, int]:
    """Return reference and accumulator as the device has them."""
    return peer.device.references[address], peer.device.accumulators[address]


# Addresses.


def test_contexts_take_the_lowest_free_address(peer: IdealPort) -> None:
    with (
        AtomikContext(port=URL) as first,
        AtomikContext(port=URL) as second,
        AtomikContext(port=URL) as third,
    ):
        assert [it.address for it in (first, second, third)] == [0, 1, 2]
        second.close()
        with AtomikContext(port=URL) as fourth:
            assert fourth.address == 1


def test_a_context_knows_its_port_and_the_statistics_of_the_link(peer: IdealPort) -> None:
    with AtomikContext(port=URL) as context:
        context.accum(1)
        context.flush()
        assert context.port == URL
        assert isinstance(context.stats, LinkStats)
        assert context.stats.ops == 2


def test_none_free_is_an_error_and_closing_one_helps(peer: IdealPort) -> None:
    contexts = [AtomikContext(port=URL) for _ in range(DEPTH)]
    with pytest.raises(NoFreeContextError, match=rf"^All {DEPTH} contexts of {URL} are in use"):
        AtomikContext(port=URL)
    contexts[2].close()
    contexts[2] = AtomikContext(port=URL)
    assert contexts[2].address == 2
    for context in contexts:
        context.close()
    assert not peer.is_open


def test_a_context_wider_than_the_device_is_refused_and_takes_no_address(peer: IdealPort) -> None:
    message = (
        f"A context of 65 bits does not fit the device at {URL}, which has 64 bits: pass width=64 "
        "or less, or use a wider device"
    )
    with pytest.raises(WidthError, match=f"^{re.escape(message)}$"):
        AtomikContext(65, port=URL)
    assert not peer.is_open
    with pytest.raises(WidthError, match=f"^{re.escape(message)}$"):
        AtomikContext.attach(URL, 0, width=65)
    assert not peer.is_open
    with AtomikContext(64, port=URL) as context:
        assert context.address == 0


def test_the_class_of_contexts_on_a_device_needs_a_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ATOMIK_PORT", raising=False)
    message = "RemoteContext needs a port; AtomikContext works without one"
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        RemoteContext(8)


def test_wrong_arguments_are_found_before_the_port_is_opened(peer: IdealPort) -> None:
    for arguments in ((0,), (8.0,), (8, "1")):
        with pytest.raises((TypeError, ValueError)):
            AtomikContext(*arguments, port=URL)
    assert peer.writes == 0


def test_a_new_context_loads_its_initial_state_over_what_is_there(peer: IdealPort) -> None:
    peer.device.references[0] = 0xAA
    peer.device.accumulators[0] = 0xBB
    with AtomikContext(8, 0x1CC, port=URL) as context:
        context.flush()
        assert context_at(peer, 0) == (0xCC, 0)


def test_a_narrow_context_keeps_the_bits_above_it_zero(peer: IdealPort) -> None:
    with AtomikContext(7, -1, port=URL) as context:
        context.accum(-1)
        context.flush()
        assert context_at(peer, 0) == (0x7F, 0x7F)
        assert context.swap(-1) == 0
        assert context_at(peer, 0) == (0x7F, 0)


# The end.


def test_close_loads_0_frees_the_address_and_closes_the_port_with_the_last_context(
    peer: IdealPort,
) -> None:
    first, second = AtomikContext(8, 1, port=URL), AtomikContext(8, 2, port=URL)
    first.accum(4)
    first.close()
    assert context_at(peer, 0) == (0, 0)
    assert peer.is_open
    assert second.read() == 2
    second.close()
    assert context_at(peer, 1) == (0, 0)
    assert not peer.is_open


def test_the_end_of_a_with_block_frees_address_and_port(peer: IdealPort) -> None:
    with AtomikContext(8, 1, port=URL) as context:
        context.accum(4)
    assert context_at(peer, 0) == (0, 0)
    assert not peer.is_open
    assert context.delta_count == 0


def test_a_context_used_after_its_with_block_takes_the_lowest_free_address_anew(
    peer: IdealPort,
) -> None:
    with AtomikContext(8, 1, port=URL) as context:
        assert context.address == 0
    peer.device.references[1] = 0xFF
    with AtomikContext(8, 2, port=URL) as other:
        assert context.read() == 0
        assert (other.address, context.address) == (0, 1)
        context.close()
        with pytest.raises(ClosedError):
            context.read()


def test_a_dropped_context_gives_its_address_back_and_sends_nothing(peer: IdealPort) -> None:
    with AtomikContext(port=URL) as first:
        dropped = AtomikContext(8, 5, port=URL)
        dropped.flush()
        writes = peer.writes
        del dropped
        gc.collect()
        assert peer.writes == writes
        assert context_at(peer, 1) == (5, 0)
        with AtomikContext(port=URL) as second:
            assert (first.address, second.address) == (0, 1)
            assert second.read() == 0
    assert not peer.is_open


def test_a_loop_that_closes_nothing_does_not_run_out_of_addresses(peer: IdealPort) -> None:
    for number in range(3 * DEPTH):
        context = AtomikContext(8, number, port=URL)
        assert context.read() == number
    assert context.address in (0, 1)
    context.close()
    assert not peer.is_open


# Attaching.


def test_attach_changes_nothing_when_it_opens_nor_when_it_closes(peer: IdealPort) -> None:
    peer.device.references[2] = 0xF0
    peer.device.accumulators[2] = 0x0F
    context = AtomikContext.attach(URL, 2)
    assert isinstance(context, AtomikContext)
    assert (context.width, context.address, context.port) == (64, 2, URL)
    assert context.snapshot() == {
        "width": 64,
        "reference": 0xF0,
        "accumulator": 0x0F,
        "state": 0xFF,
        "delta_count": 0,
    }
    context.accum(0xFF00)
    context.close()
    assert context_at(peer, 2) == (0xF0, 0xFF0F)
    assert not peer.is_open


def test_the_end_of_a_with_block_detaches_an_attached_context(peer: IdealPort) -> None:
    peer.device.references[2] = 0xF0
    with AtomikContext.attach(URL, 2) as context:
        context.accum(1)
    assert context_at(peer, 2) == (0xF0, 1)
    assert not peer.is_open
    with pytest.raises(ClosedError):
        context.read()


def test_attach_takes_the_port_from_the_environment(
    peer: IdealPort, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATOMIK_PORT", URL)
    with AtomikContext.attach(None, 1, width=8) as context:
        assert (context.port, context.address, context.width) == (URL, 1, 8)


def test_attach_without_a_port_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ATOMIK_PORT", raising=False)
    message = "No port: name one, or set the environment variable ATOMIK_PORT"
    with pytest.raises(NoBoardError, match=f"^{re.escape(message)}$"):
        AtomikContext.attach(None, 0)


def test_a_taken_address_can_not_be_attached_to(peer: IdealPort) -> None:
    with AtomikContext(port=URL), AtomikContext.attach(URL, 2):
        for address in (0, 2):
            with pytest.raises(ContextInUseError, match=rf"^Context {address} of {URL} is in use"):
                AtomikContext.attach(URL, address)
        with AtomikContext(port=URL) as second, AtomikContext(port=URL) as third:
            assert (second.address, third.address) == (1, 3)
    assert not peer.is_open


@pytest.mark.parametrize("address", [-1, DEPTH])
def test_an_address_that_the_device_lacks_is_an_index_error(peer: IdealPort, address: int) -> None:
    with pytest.raises(IndexError, match=rf"^Address must be 0 to {DEPTH - 1}, not {address}$"):
        AtomikContext.attach(URL, address)
    assert not peer.is_open


@pytest.mark.parametrize("address", [1.0, "1", None])
def test_an_address_that_is_no_integer_is_a_type_error(peer: IdealPort, address: object) -> None:
    message = f"Address must be an integer, not {address!r}"
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        AtomikContext.attach(URL, address)  # type: ignore[arg-type]
    assert peer.writes == 0


def test_attach_refuses_a_context_that_holds_bits_above_the_width(peer: IdealPort) -> None:
    peer.device.references[1] = 0x1FF
    peer.device.accumulators[1] = 0x100
    message = (
        f"Context 1 of {URL} holds bits above the 8 asked for (state 0x00000000000000ff, "
        "accumulator 0x0000000000000100): attach without width, and mask what is read"
    )
    with pytest.raises(WidthError, match=f"^{re.escape(message)}$"):
        AtomikContext.attach(URL, 1, width=8)
    assert not peer.is_open
    with AtomikContext.attach(URL, 1, width=9) as context:
        assert (context.read(), context.accumulator) == (0xFF, 0x100)


def test_an_attached_narrow_context_reads_its_own_bits_alone(peer: IdealPort) -> None:
    with AtomikContext.attach(URL, 1, width=8, strict=True) as context:
        context.accum(0x81)
        context.flush()
        # As logic beside the link could do it.
        peer.device.accumulators[1] ^= 0xF00
        assert context.read() == 0x81
        assert context.accumulator == 0x81
        assert context.reference == 0
        assert context.swap() == 0x81
        with pytest.raises(ValueError, match=r"^Delta of a strict context of 8 bits"):
            context.accum(0x100)


# Showing and copying.


def test_repr_does_no_input_or_output(peer: IdealPort) -> None:
    context = AtomikContext(8, 1, port=URL)
    context.accum(2)
    context.flush()
    writes = peer.writes
    assert repr(context) == f"AtomikContext(port={URL!r}, address=0, width=8, deltas=1)"
    with context:
        pass
    assert repr(context) == f"AtomikContext(port={URL!r}, width=8, deltas=0)"
    assert not peer.is_open
    assert peer.writes > writes


def test_repr_does_not_raise_when_the_link_is_lost(peer: IdealPort) -> None:
    context = AtomikContext(8, 1, port=URL)
    peer.unplug()
    with pytest.raises(LinkLostError):
        context.read()
    assert repr(context) == f"AtomikContext(port={URL!r}, address=0, width=8, deltas=0)"
    with pytest.raises(LinkLostError):
        context.close()
    assert repr(context) == "AtomikContext(closed)"


def test_repr_of_a_context_that_was_never_made_does_not_raise() -> None:
    assert repr(object.__new__(RemoteContext)) == "AtomikContext(closed)"


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_context_on_a_device_is_not_copied(
    peer: IdealPort, duplicate: Callable[[object], object]
) -> None:
    with AtomikContext(8, port=URL) as context:
        message = f"{context!r} can't be copied or pickled: copy its snapshot()"
        with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
            duplicate(context)


# Errors.


def test_a_lost_link_raises_from_every_later_call_and_counts_nothing(peer: IdealPort) -> None:
    context = AtomikContext(port=URL)
    context.accum(1)
    context.flush()
    peer.unplug()
    with pytest.raises(LinkLostError):
        context.read()
    with pytest.raises(LinkLostError):
        context.accum(2)
    with pytest.raises(LinkLostError):
        context.load(2)
    assert context.delta_count == 1
    with pytest.raises(LinkLostError):
        context.close()
    context.close()
    with pytest.raises(ClosedError):
        context.accum(1)


def test_contexts_of_two_ports_merge() -> None:
    with (
        model_port(64) as (left, _),
        model_port(32) as (right, _),
        AtomikContext(8, 1, port=left) as mine,
        AtomikContext(8, 1, port=right) as other,
    ):
        mine.accum(2)
        other.accum(4)
        mine.merge(other)
        assert (mine.read(), mine.delta_count) == (7, 2)
        assert mine != other
