"""A wrong argument names itself and does no harm to others at the same port."""

from __future__ import annotations

import pytest

from atomik_fpga import AtomikContext, connect


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
