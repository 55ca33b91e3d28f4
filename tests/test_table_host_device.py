"""What only a table on a device does; the rest is in `test_table_host`."""

from __future__ import annotations

import gc
import re
from collections.abc import Iterator

import numpy
import pytest

from atomik_fpga import (
    AtomikContext,
    AtomikTable,
    ClosedError,
    ContextInUseError,
    NoBoardError,
    NoFreeContextError,
    WidthError,
    connect,
)
from atomik_fpga.remote_table import RemoteTable

from .backends import model_port
from .ideal_peer import IdealPort

DEPTH = 12
URL = f"model://16x{DEPTH}"


@pytest.fixture
def peer() -> Iterator[IdealPort]:
    """The far end of the port `URL`: a device of 12 contexts of 16 bits."""
    with model_port(16, DEPTH) as (url, peer):
        assert url == URL
        yield peer


def states(peer: IdealPort) -> list[int]:
    return [peer.device.state(address) for address in range(DEPTH)]


# Addresses.


def test_a_table_takes_the_lowest_free_addresses_in_a_row(peer: IdealPort) -> None:
    with (
        AtomikContext(16, port=URL),
        AtomikContext.attach(URL, 3),
        AtomikTable(2, 16, port=URL) as first,
        AtomikTable(4, 16, port=URL) as second,
        AtomikContext(16, port=URL) as context,
    ):
        assert (first.first, second.first, context.address) == (1, 4, 8)
        first.close()
        with AtomikTable(1, 16, port=URL) as third:
            assert third.first == 1


def test_a_table_loads_0_over_what_is_there_and_touches_nothing_else(peer: IdealPort) -> None:
    peer.device.references = [0x5A5A] * DEPTH
    with AtomikContext.attach(URL, 0), AtomikTable(3, 16, port=URL) as table:
        table.flush()
        assert states(peer) == [0x5A5A, 0, 0, 0, *[0x5A5A] * (DEPTH - 4)]
        table.accum_many([0, 2], [1, 2])
        table.flush()
        assert states(peer)[:5] == [0x5A5A, 1, 0, 2, 0x5A5A]
        table.clear()
        table.flush()
        assert states(peer)[:5] == [0x5A5A, 0, 0, 0, 0x5A5A]
        table.accum(1, 4)
    assert states(peer) == [0x5A5A, 0, 0, 0, *[0x5A5A] * (DEPTH - 4)]


def test_clear_of_all_the_devices_contexts_is_one_op(peer: IdealPort) -> None:
    with AtomikTable(DEPTH, 16, port=URL) as table:
        table.accum_many(range(DEPTH), [7] * DEPTH)
        table.flush()
        before = table.stats.ops
        table.clear()
        table.flush()
        assert table.stats.ops == before + 1
        assert states(peer) == [0] * DEPTH


def test_close_frees_the_addresses_and_closes_the_port(peer: IdealPort) -> None:
    first = AtomikTable(DEPTH, 16, port=URL)
    first.accum(DEPTH - 1, 5)
    first.close()
    assert states(peer) == [0] * DEPTH
    assert not peer.is_open
    with AtomikTable(DEPTH, 16, port=URL) as second:
        assert second.first == 0


def test_a_dropped_table_gives_its_addresses_back_and_sends_nothing(peer: IdealPort) -> None:
    with AtomikContext(16, port=URL) as kept:
        dropped = AtomikTable(DEPTH - 1, 16, port=URL)
        dropped.accum(0, 5)
        dropped.flush()
        writes = peer.writes
        del dropped
        gc.collect()
        assert peer.writes == writes
        assert states(peer)[1] == 5
        with AtomikTable(DEPTH - 1, 16, port=URL) as table:
            assert (kept.address, table.first) == (0, 1)
            assert table.read_all() == [0] * (DEPTH - 1)
    assert not peer.is_open


def test_a_table_knows_its_port_and_shows_it_without_asking(peer: IdealPort) -> None:
    with AtomikContext(16, port=URL), AtomikTable(4, 8, port=URL) as table:
        assert table.port == URL
        table.context(3).accum(1)
        table.flush()
        writes = peer.writes
        assert repr(table) == f"AtomikTable(port='{URL}', first=1, contexts=4, width=8)"
        assert (
            repr(table.context(3)) == f"AtomikContext(port='{URL}', address=4, width=8, deltas=1)"
        )
        assert peer.writes == writes
        assert table.context(3).stats == table.stats


# What the device can't give.


def test_a_table_deeper_than_the_device_is_refused(peer: IdealPort) -> None:
    message = (
        f"A table of 13 contexts does not fit the device at {URL}, which has 12: pass "
        "num_contexts=12 or less, or use a deeper device"
    )
    with pytest.raises(NoFreeContextError, match=f"^{re.escape(message)}$"):
        AtomikTable(13, 16, port=URL)
    assert not peer.is_open


def test_a_table_wider_than_the_device_is_refused(peer: IdealPort) -> None:
    message = (
        f"A table of 17 bits does not fit the device at {URL}, which has 16 bits: pass width=16 or "
        "less, or use a wider device"
    )
    with pytest.raises(WidthError, match=f"^{re.escape(message)}$"):
        AtomikTable(2, 17, port=URL)
    with pytest.raises(WidthError, match=f"^{re.escape(message)}$"):
        AtomikTable.attach(URL, width=17)
    assert not peer.is_open


def test_too_few_free_addresses_in_a_row_are_refused_and_none_is_taken(peer: IdealPort) -> None:
    message = (
        f"No 7 consecutive contexts of the 12 of {URL} are free in this process: close what holds "
        "others, or ask for fewer"
    )
    with AtomikContext.attach(URL, 5):
        with pytest.raises(NoFreeContextError, match=f"^{re.escape(message)}$"):
            AtomikTable(7, 16, port=URL)
        with AtomikTable(6, 16, port=URL) as table:
            assert table.first == 6


def test_the_class_of_tables_on_a_device_needs_a_port(no_port: None) -> None:
    message = "RemoteTable needs a port; AtomikTable works without one"
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        RemoteTable(8)


def test_a_subclass_has_no_port(peer: IdealPort) -> None:
    class Ledger(AtomikTable):
        pass

    message = (
        "Ledger is a subclass of AtomikTable, and those have no port; use AtomikTable itself on a "
        "device, or unset ATOMIK_PORT"
    )
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        Ledger(port=URL)


def test_a_table_uses_the_port_that_the_environment_names(
    peer: IdealPort, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATOMIK_PORT", URL)
    with AtomikTable(2, 16) as table:
        assert table.port == URL


# Attaching.


def test_attach_changes_nothing_when_it_opens_nor_when_it_closes(peer: IdealPort) -> None:
    peer.device.references = list(range(DEPTH))
    peer.device.accumulators[3] = 0xFF00
    table = AtomikTable.attach(URL)
    assert isinstance(table, AtomikTable)
    assert (table.first, table.num_contexts, table.width) == (0, DEPTH, 16)
    assert table.read_all() == [0, 1, 2, 0xFF03, *range(4, DEPTH)]
    assert table.context(3).accumulator == 0xFF00
    table.accum(0, 9)
    with table.context(1) as context:
        context.accum(2)
    with pytest.raises(ClosedError, match=r"^This context is closed: "):
        context.read()
    table.context(2).close()
    table.close()
    assert states(peer) == [9, 3, 2, 0xFF03, *range(4, DEPTH)]
    assert not peer.is_open


def test_attach_takes_a_part_of_the_device(peer: IdealPort) -> None:
    peer.device.references = list(range(DEPTH))
    with AtomikTable.attach(URL, 4, 3, width=8) as table:
        assert table.snapshot() == {0: 4, 1: 5, 2: 6}
        assert table.context(2).address == 6
        table.clear()
    assert states(peer) == [0, 1, 2, 3, 0, 0, 0, 7, 8, 9, 10, 11]


def test_attach_refuses_bits_above_the_width(peer: IdealPort) -> None:
    peer.device.references[5] = 0x0123
    message = (
        f"Context 5 of {URL} holds bits above the 8 asked for (state 0x0123, accumulator 0x0000): "
        "attach without width, and mask what is read"
    )
    with pytest.raises(WidthError, match=f"^{re.escape(message)}$"):
        AtomikTable.attach(URL, 2, width=8)
    assert not peer.is_open


def test_attach_refuses_a_taken_address_and_takes_none(peer: IdealPort) -> None:
    with AtomikContext.attach(URL, 4):
        with pytest.raises(ContextInUseError, match=rf"^Context 4 of {URL} is in use in this"):
            AtomikTable.attach(URL, 2, 3)
        with AtomikTable.attach(URL, 2, 2) as table:
            assert table.num_contexts == 2


@pytest.mark.parametrize("first", [-1, DEPTH])
def test_attach_refuses_a_first_address_that_the_device_has_not(
    peer: IdealPort, first: int
) -> None:
    with pytest.raises(IndexError, match=f"^First address must be 0 to 11, not {first}$"):
        AtomikTable.attach(URL, first)


def test_attach_refuses_what_leads_beyond_the_last_context(peer: IdealPort) -> None:
    with pytest.raises(IndexError, match=r"^Address must be 0 to 11, not 12$"):
        AtomikTable.attach(URL, 10, 3)
    with pytest.raises(TypeError, match=r"^First address must be an integer, not '1'$"):
        AtomikTable.attach(URL, "1")  # type: ignore[arg-type]
    assert not peer.is_open


def test_attach_needs_a_port(no_port: None) -> None:
    message = "No port: name one, or set the environment variable ATOMIK_PORT"
    with pytest.raises(NoBoardError, match=f"^{re.escape(message)}$"):
        AtomikTable.attach(None)


# What goes over the link.


def test_a_batch_that_is_refused_sends_nothing(peer: IdealPort) -> None:
    with AtomikTable(4, 16, port=URL) as table:
        table.flush()
        sent = table.stats.bytes_sent
        with pytest.raises(IndexError):
            table.batch_accum({0: 1, 1: 2, 4: 3})
        with pytest.raises(IndexError):
            table.accum_many(numpy.array([0] * 999 + [4]), numpy.ones(1000, int))
        with pytest.raises(TypeError):
            table.accum_many([0, 1], [1, "2"])  # type: ignore[list-item]
        table.flush()
        assert table.stats.bytes_sent == sent


def test_each_delta_of_a_batch_is_one_op_in_order(peer: IdealPort) -> None:
    with AtomikTable(4, 16, port=URL) as table:
        table.accum(1, 1)
        table.load(1, 8)
        table.flush()
        before = table.stats.ops
        table.accum_many(numpy.arange(1000) % 3, numpy.arange(1000))
        table.load(2, 0)
        table.flush()
        assert table.stats.ops == before + 1001
        assert table.context(2).accumulator == 0


def test_reads_of_neighbours_share_a_reply(peer: IdealPort) -> None:
    with AtomikTable(DEPTH, 16, port=URL) as table:
        table.accum_many(range(DEPTH), range(DEPTH))
        table.flush()
        sent, ops = table.stats.frames_sent, table.stats.ops
        assert table.read_many([9, 2, 2, 3, 1]) == [9, 2, 2, 3, 1]
        # Reading 4 to 8 along has fewer bytes than a reply of its own.
        assert (table.stats.frames_sent, table.stats.ops) == (sent + 1, ops + 9)


def test_a_narrow_table_masks_and_keeps_the_bits_above_it_zero(peer: IdealPort) -> None:
    with AtomikTable(2, 7, port=URL) as table:
        table.accum_many(numpy.zeros(99, int), -numpy.arange(99))
        table.load(1, -1)
        expected = 0
        for number in range(99):
            expected ^= -number % 128
        assert table.read_all() == [expected, 127]
        assert states(peer)[:2] == [expected, 127]


def test_a_wide_device_takes_batches_too() -> None:
    with model_port(65, 4) as (url, peer), AtomikTable(4, 65, port=url) as table:
        table.accum_many(numpy.arange(100) % 2, [1 << 64 | number for number in range(100)])
        table.accum_many(numpy.array([3]), numpy.array([-1]))
        expected = [0, 0]
        for number in range(100):
            expected[number % 2] ^= 1 << 64 | number
        assert table.read_all() == [*expected, 0, 2**65 - 1]
        assert table.read_many(numpy.array([3])) == [2**65 - 1]
        assert peer.device.accumulators[3] == 2**65 - 1


def test_a_table_and_the_connection_share_the_device(peer: IdealPort) -> None:
    with connect(URL) as connection, AtomikTable(4, 16, port=URL) as table:
        assert connection.allocate() == 4
        connection.accum(2, 5)
        assert table.read(2) == 5
