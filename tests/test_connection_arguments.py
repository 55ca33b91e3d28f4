"""A wrong argument names itself and does no harm to others at the same port."""

from __future__ import annotations

import numpy
import pytest

from atomik_fpga import AtomikContext, ClosedError, connect
from atomik_fpga.protocol import Op

from .backends import model_port


@pytest.mark.parametrize("wrong", [1.5, "x", b"x", None])
@pytest.mark.parametrize("call", ["accum", "load", "swap"])
def test_an_operand_that_is_no_integer_is_refused_and_a_neighbour_works_on(call, wrong):
    if call == "swap" and wrong is None:
        wrong = [1]
    url = "sim://icebreaker?name=arguments"
    with connect(url) as connection:
        neighbour = AtomikContext(64, 7, port=url)
        with pytest.raises(TypeError) as caught:
            getattr(connection, call)(5, wrong)
        assert str(caught.value) == f"Operand must be an integer, not {wrong!r}"
        neighbour.accum(1)
        assert neighbour.read() == 6
        neighbour.close()


@pytest.mark.parametrize("call", ["accum", "load", "swap", "read", "peek"])
def test_an_address_that_is_no_integer_is_refused(call):
    url = "sim://icebreaker?name=addresses"
    with connect(url) as connection:
        arguments = (1.5, 1) if call in ("accum", "load", "swap") else (1.5,)
        with pytest.raises(TypeError) as caught:
            getattr(connection, call)(*arguments)
        assert str(caught.value) == "Address must be an integer, not 1.5"
        assert connection.read(0) == 0


@pytest.mark.parametrize("wrong", [1.5, "1"])
@pytest.mark.parametrize("call", ["claim", "release"])
def test_an_address_to_be_held_that_is_no_integer_is_refused(call, wrong):
    with connect("sim://icebreaker?name=addresses") as connection:
        with pytest.raises(TypeError) as caught:
            getattr(connection, call)(wrong)
        assert str(caught.value) == f"Address must be an integer, not {wrong!r}"


@pytest.mark.parametrize("wrong", [Op.LOAD, Op.SWAP, Op.CLEAR, 9, "READ", None])
def test_reading_many_is_refused_with_an_op_that_does_not_read_and_changes_nothing(wrong):
    with connect("sim://icebreaker?name=ops") as connection:
        connection.load(0, 6)
        connection.accum(0, 3)
        with pytest.raises(ValueError, match=r"^Op must be ") as caught:
            connection.read_many(0, 2, wrong)
        assert str(caught.value) == f"Op must be Op.READ or Op.PEEK, not {wrong!r}"
        assert connection.read_many(0, 2, int(Op.PEEK)) == [5, 3, 0, 0]
        connection.clear()


def test_the_error_of_a_closed_connection_is_what_its_calls_raise():
    connection = connect("sim://icebreaker?name=closed")
    with connect("sim://icebreaker?name=closed"):
        connection.close()
        with pytest.raises(ClosedError) as caught:
            connection.read(0)
        assert type(connection.error) is ClosedError
        assert str(connection.error) == str(caught.value)


@pytest.mark.parametrize("address", [3, 4, 1.5])
def test_a_closed_connection_says_so_before_it_looks_at_an_address_to_be_released(address):
    connection = connect("sim://icebreaker?name=closed")
    connection.claim(3)
    connection.close()
    with pytest.raises(ClosedError):
        connection.release(address)


class Number:
    def __index__(self):
        return 1


@pytest.mark.parametrize("width", [12, 24, 40, 64, 65])
@pytest.mark.parametrize("make", [numpy.array, list, iter], ids=["array", "list", "iterator"])
def test_loads_are_taken_from_whatever_has_integers_in_it(width, make):
    with model_port(width, 4) as (url, _), connect(url) as connection:
        connection.load_many(Number(), make([5, 0xABC]))
        assert connection.read_many(0, 4) == [0, 5, 0xABC, 0]
        assert connection.read_many(Number(), Number()) == [5]
