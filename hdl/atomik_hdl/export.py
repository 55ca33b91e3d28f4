"""Verilog of the gateware, with flat port names that stay.

``python -m atomik_hdl.export core|table|banks|device … -o FILE.v`` writes one file. Its top is
``delta_core``, ``delta_table``, ``delta_banks`` or ``delta_device`` unless ``--name`` says
otherwise.

Port names
----------
Every top has ``clk`` and ``rst`` (synchronous, active high). A port of the component keeps its
name; a stream ``NAME`` becomes ``NAME_valid``, ``NAME_ready`` and ``NAME_payload``, and a payload
with fields one port a field, ``NAME_payload_FIELD``. A payload without bits has no port. Directions
are the component's. For ``core``, with widths in bits (w is ``--width``):

=============================================  =========  ============================
port                                           direction  bits
=============================================  =========  ============================
``load_valid``, ``load_payload``               input      1, w
``load_ready``                                 output     1, always high
``accum_valid``, ``accum_payload``             input      1, w
``accum_ready``                                output     1, always high
``read_valid``                                 input      1
``read_ready``                                 output     1
``read_response_valid``                        output     1
``read_response_payload_state``                output     w
``read_response_payload_accumulator``          output     w
``read_response_ready``                        input      1
``swap_valid``                                 input      1
``swap_payload_keep``, ``swap_payload_value``  input      1, w
``swap_ready``                                 output     1
``swap_response_…``                            as read    as ``read_response_…``
=============================================  =========  ============================

``banks`` has ``load``, ``read`` and ``swap`` with their responses as ``core``, but ``load_ready``
is not always high, and in place of ``accum`` the streams ``lanes_0``, ``lanes_1`` and so on, whose
``ready`` is.

``table`` has the streams ``i`` (fields ``op``, ``address``, ``data``; ``op`` is the number of a
`TableOp`) and ``o`` (``state``, ``accumulator``). ``device`` has the stream ``accum`` (``address``,
``delta``) and the ports ``rx``, ``tx``, ``session``, ``busy`` and ``error``. With ``--depth 1``
there is no address.

The contexts of ``table`` and ``device`` are in block RAM. By default it is described so that any
synthesis maps it; with ``--technology ice40`` or ``ecp5`` it is made of that vendor's cells,
``SB_RAM40_4K`` or ``DP16KD``, which is faster there, and which a simulation of the Verilog needs
models for.

A transfer takes place in each cycle in which ``valid`` and ``ready`` are high. What each port does
is in the component's docstring. The same parameters and versions give the same text: it holds no
path and no date.
"""

import argparse
import sys
from pathlib import Path

from amaranth import *
from amaranth.back import verilog
from amaranth.lib import data, wiring

from .banks import DeltaBanks
from .core import DeltaCore
from .device import DeltaDevice
from .ram import TECHNOLOGIES
from .table import DeltaTable

__all__ = ["export_verilog", "main"]

# Amaranth numbers the bits that enter a design with 16 bits. 0, 1, `clk` and `rst` are four.
_MAX_INPUT_BITS = (1 << 16) - 4


def export_verilog(component, name):
    """Return the Verilog of ``component``, whose top module is called ``name``.

    Parameters
    ----------
    component : wiring.Component
        Its port names, and those of its streams and payload fields, make those of the top.
    name : str
        An identifier.

    Raises
    ------
    ValueError
        If ``name`` is not an identifier, or the component has more than 65,532 bits of inputs.
    amaranth.back.verilog.YosysError
        If no Yosys is installed.
    """
    if not name.isidentifier() or not name.isascii():
        raise ValueError(f"Module name must be an identifier, not {name!r}")
    top = _Flat(component)
    if top.input_bits > _MAX_INPUT_BITS:
        raise ValueError(
            f"Inputs would have {top.input_bits} bits, but no more than {_MAX_INPUT_BITS} can be "
            "exported: take fewer lanes or a smaller width"
        )
    return verilog.convert(top, name=name, emit_src=False, strip_internal_attrs=True)


class _Flat(wiring.Component):
    """A component behind one port for each leaf of its signature."""

    def __init__(self, component):
        self._component = component
        self._leaves = {
            "_".join([*map(str, path), *suffix]): (member.flow, leaf)
            for path, member, value in component.signature.flatten(component)
            for suffix, leaf in _leaves(value)
            if len(leaf)
        }
        super().__init__({port: flow(len(leaf)) for port, (flow, leaf) in self._leaves.items()})

    @property
    def input_bits(self):
        """Bits of all inputs together."""
        return sum(len(leaf) for flow, leaf in self._leaves.values() if flow == wiring.In)

    def elaborate(self, platform):
        m = Module()

        m.submodules.component = self._component
        # A signal of its own for each port: some leaves, such as the ready of an always ready
        # stream, are constants, which can't be ports.
        for port, (flow, leaf) in self._leaves.items():
            if flow == wiring.In:
                m.d.comb += leaf.eq(getattr(self, port))
            else:
                m.d.comb += getattr(self, port).eq(leaf)

        return m


def _leaves(value):
    """Yield the name path and the value of each leaf of a structure; of others, the value."""
    if isinstance(value, data.View) and isinstance(value.shape(), data.StructLayout):
        for name, _shape in value.shape():
            for path, leaf in _leaves(value[name]):
                yield [name, *path], leaf
    else:
        yield [], Value.cast(value)


def _core(options):
    return DeltaCore(options.width)


def _table(options):
    return DeltaTable(options.width, options.depth, technology=options.technology)


def _banks(options):
    return DeltaBanks(options.width, options.banks, topology=options.topology)


def _device(options):
    return DeltaDevice(
        options.clock_frequency,
        options.baud,
        options.width,
        options.depth,
        reply_slots=options.reply_slots,
        build_id=options.build_id,
        lanes=options.lanes,
        technology=options.technology,
    )


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m atomik_hdl.export", description="Write Verilog of the gateware."
    )
    kinds = parser.add_subparsers(dest="kind", required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("-o", "--output", type=Path, required=True, metavar="FILE.v")
    common.add_argument("--name", help="name of the top module")
    common.add_argument("--width", type=int, default=64, help="bits a context (64)")
    deep = argparse.ArgumentParser(add_help=False)
    deep.add_argument("--depth", type=int, default=256, help="contexts (256)")
    deep.add_argument(
        "--technology",
        choices=TECHNOLOGIES,
        default=TECHNOLOGIES[0],
        help="block RAM as cells of ice40 or ecp5, or as what any synthesis maps (generic)",
    )

    core = kinds.add_parser("core", parents=[common], help="one context")
    core.set_defaults(make=_core)
    table = kinds.add_parser("table", parents=[common, deep], help="many contexts")
    table.set_defaults(make=_table)
    banks = kinds.add_parser("banks", parents=[common], help="one context behind many lanes")
    banks.add_argument("--banks", type=int, default=16, help="lanes (16)")
    banks.add_argument("--topology", default="chain", help="chain or tree (chain)")
    banks.set_defaults(make=_banks)
    device = kinds.add_parser("device", parents=[common, deep], help="contexts behind a UART")
    device.add_argument("--clock-frequency", type=int, required=True, help="of clk, in hertz")
    device.add_argument("--baud", type=int, required=True, help="line rate in bit/s")
    device.add_argument("--reply-slots", type=int, default=2, help="kept replies (2)")
    device.add_argument("--build-id", type=int, default=0, help="what INFO tells (0)")
    device.add_argument("--lanes", type=int, default=0, help="lanes of banks with an engine (0)")
    device.set_defaults(make=_device)
    return parser


def main(arguments=None):
    """Run the command with ``arguments``, by default those of the process."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        text = export_verilog(options.make(options), options.name or f"delta_{options.kind}")
    except (TypeError, ValueError) as error:
        parser.error(str(error))
    except verilog.YosysError as error:
        parser.exit(3, f'{error}. Install it with: pip install "atomik-fpga[build]"\n')
    try:
        options.output.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        parser.exit(3, f"{options.output} can't be written: {error}\n")


if __name__ == "__main__":
    sys.exit(main())
