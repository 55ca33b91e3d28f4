"""The word of a layout as an Amaranth `data.Struct` sees it."""

# No postponed annotations here: Amaranth reads those of a structure.

from amaranth.hdl import signed
from amaranth.lib import data

from .test_layout import ACCOUNT, ACCOUNT_PLACES, VALUES, HdlStatus


class HdlAccount(data.Struct):
    """The same word in the fabric."""

    balance: 20
    frozen: 1
    change: signed(6)
    status: HdlStatus
    visits: 7
    members: 64


def test_an_amaranth_struct_has_the_fields_at_the_same_bits() -> None:
    struct = data.Layout.cast(HdlAccount)
    places = {name: (field.offset, field.width) for name, field in struct}
    assert places == ACCOUNT_PLACES
    assert struct.size == ACCOUNT.width
    word = struct.from_bits(ACCOUNT.pack(**VALUES))
    codes = {name: word[name] for name in places}
    assert codes == {**VALUES, "status": HdlStatus.CLOSED}
