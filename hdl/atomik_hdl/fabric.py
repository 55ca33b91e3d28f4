"""A device with a component of one's own at its fabric port."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["FabricDevice"]


class FabricDevice(wiring.Component):
    """`DeltaDevice` whose deltas from the fabric come from a component beside it.

    The component has two members, and is the same on a board and in a simulation:

    - ``pins``, ``In(n)``: levels of pins, not synchronised.
    - ``accum``, ``Out(stream.Signature(accum_layout(width, depth)))``: deltas.

    It is in the device's ``sync`` domain and its reset, which clears the contexts too. What it
    makes of its pins, and how it synchronises and debounces them, is its own.

    Parameters
    ----------
    device : DeltaDevice
    fabric : Component
        As above.

    Members
    -------
    rx, tx, session, busy, error : as in `DeltaDevice`
        Line and lamps.
    pins : In(n)
        As in ``fabric``.

    Raises
    ------
    TypeError
        If ``fabric`` has not these two members, with the device's layout of deltas.
    """

    def __init__(self, device, fabric):
        members = {} if not isinstance(fabric, wiring.Component) else fabric.signature.members
        if "pins" not in members or "accum" not in members:
            raise TypeError(f"A fabric must be a component with pins and accum, not {fabric!r}")
        port = device.signature.members["accum"]
        if members["accum"] != port.flip():
            raise TypeError(
                f"The fabric's accum must be Out({port.signature!r}), as the device takes it, not "
                f"{members['accum']!r}"
            )
        self._device = device
        self._fabric = fabric
        super().__init__(
            {
                "rx": In(1, init=1),
                "tx": Out(1, init=1),
                "session": Out(1),
                "busy": Out(1),
                "error": Out(1),
                "pins": In(members["pins"].shape),
            }
        )

    def elaborate(self, platform):
        m = Module()

        m.submodules.device = device = self._device
        m.submodules.fabric = fabric = self._fabric
        wiring.connect(m, fabric.accum, device.accum)
        m.d.comb += [
            fabric.pins.eq(self.pins),
            device.rx.eq(self.rx),
            self.tx.eq(device.tx),
            self.session.eq(device.session),
            self.busy.eq(device.busy),
            self.error.eq(device.error),
        ]

        return m
