"""Which inputs changed since you last asked: a design with a `DeltaCore` inside.

Every cycle the difference between the inputs now and a cycle before is a delta, and goes straight
into the core: an accumulate a cycle, from the fabric, with no processor. A glance is a swap that
keeps the state: it tells how the inputs stand, and which of them stand otherwise than at the last
glance. An input that went there and back has not changed, which is what XOR makes of it.

The inputs are levels of one writer each, and every delta is counted once: the right use of the
algebra. Count edges with something else.
"""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from atomik_hdl.core import DeltaCore

__all__ = ["ChangeMask"]


class ChangeMask(wiring.Component):
    """Watches ``width`` inputs.

    A glance covers the inputs up to the cycle before its transfer. Its view is valid two cycles
    after it.

    Parameters
    ----------
    width : int
        Inputs, 1 to 1024.

    Members
    -------
    inputs : In(width)
        Levels, in step with the clock. All count as 0 before a reset ends.
    glance : In(stream.Signature(data.StructLayout({})))
        Request without a payload.
    view : Out(stream.Signature(data.StructLayout({"inputs": width, "changed": width})))
        Answer: the inputs, and a 1 for each that differs from the last view.
    """

    def __init__(self, width):
        self._core = DeltaCore(width)
        super().__init__(
            {
                "inputs": In(width),
                "glance": In(stream.Signature(data.StructLayout({}))),
                "view": Out(
                    stream.Signature(data.StructLayout({"inputs": width, "changed": width}))
                ),
            }
        )

    def elaborate(self, platform):
        m = Module()

        m.submodules.core = core = self._core
        last = Signal.like(self.inputs)
        m.d.sync += last.eq(self.inputs)
        m.d.comb += [
            # Always ready: no delta is lost, whatever the glances do.
            core.accum.valid.eq(1),
            core.accum.payload.eq(last ^ self.inputs),
            core.swap.valid.eq(self.glance.valid),
            core.swap.payload.keep.eq(1),
            self.glance.ready.eq(core.swap.ready),
            self.view.valid.eq(core.swap_response.valid),
            self.view.payload.inputs.eq(core.swap_response.payload.state),
            self.view.payload.changed.eq(core.swap_response.payload.accumulator),
            core.swap_response.ready.eq(self.view.ready),
        ]

        return m
