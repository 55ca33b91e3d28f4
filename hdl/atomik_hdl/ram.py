"""Block RAM with one read and one write port, of the device's own kind."""

from amaranth import *
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2
from amaranth.vendor import LatticePlatform, SiliconBluePlatform

__all__ = ["TECHNOLOGIES", "BlockRam", "check_technology", "make_ram"]

#: What `BlockRam` can be made of.
TECHNOLOGIES = ("generic", "ice40", "ecp5")


def check_technology(technology):
    """Check the parameter of that name of what has a `BlockRam` inside.

    Raises
    ------
    ValueError
        If it is neither None, nor in `TECHNOLOGIES`, nor a function.
    """
    if technology is not None and technology not in TECHNOLOGIES and not callable(technology):
        raise ValueError(
            f"Technology must be one of {', '.join(TECHNOLOGIES)}, None for that of the platform, "
            f"or a function that makes a block RAM, not {technology!r}"
        )


def make_ram(shape, depth, technology, *, stalls=True):
    """Return a block RAM.

    Parameters
    ----------
    shape : shape-like
        Of a word.
    depth : int
        Words.
    technology : str, callable or None
        As in `BlockRam`; or a function of ``shape`` and ``depth`` that returns a component with the
        ports and the timing of `BlockRam`, for devices that it does not know.
    stalls : bool
        As in `BlockRam`.
    """
    if callable(technology):
        return technology(shape, depth)
    return BlockRam(shape, depth, technology=technology, stalls=stalls)


def _technology_of(platform):
    if isinstance(platform, SiliconBluePlatform):
        return "ice40"
    if isinstance(platform, LatticePlatform) and platform.family == "ecp5":
        return "ecp5"
    return "generic"


class BlockRam(wiring.Component):
    """Words in block RAM, one read and one write a clock.

    A read takes two steps, each with an enable of its own. Where ``fetch`` is high, the word at
    ``read_address`` is fetched; where ``show`` is high, the word that was fetched last before this
    clock is shown as ``read_data``. With both high for good, the latency is 2 clocks.

    All kinds have those two steps, and equal timing, but not the same ones: on ECP5 a word is read
    when it is fetched, and shown by the block RAM's own output register, without which it is slow.
    Others may keep the address when a word is fetched, and read the word when it is shown: an
    output register of logic would need an enable for each bit. A word that is written in any clock
    from the one in which it is fetched to the one in which it is shown therefore has no meaning
    when it is read. A write lasts one clock.

    All words are zero after configuration. There is no reset.

    Amaranth's simulator, and CXXRTL, take the cells of a vendor for constants: simulate the
    ``"generic"`` kind, which is one of Amaranth's memories.

    Parameters
    ----------
    shape : shape-like
        Of a word.
    depth : int
        Words.
    technology : str or None
        ``"ice40"`` for ``SB_RAM40_4K`` cells, ``"ecp5"`` for ``DP16KD`` cells, ``"generic"`` for a
        memory that synthesis maps. None: as the platform for which it is elaborated has it, generic
        without one.
    stalls : bool
        Whether ``fetch`` and ``show`` are ever low. If not, an output register of logic is cheap,
        and is used where the block RAM has none.

    Members
    -------
    fetch, show : In(1)
    read_address : In(ceil_log2(depth))
    read_data : Out(shape)
    write_enable : In(1)
    write_address : In(ceil_log2(depth))
    write_data : In(shape)

    Raises
    ------
    ValueError
        If ``technology`` is unknown.
    """

    def __init__(self, shape, depth, *, technology=None, stalls=True):
        check_technology(technology)
        self._depth = depth
        self._technology = technology
        self._stalls = stalls
        address = ceil_log2(depth)
        super().__init__(
            {
                "fetch": In(1),
                "show": In(1),
                "read_address": In(address),
                "read_data": Out(shape),
                "write_enable": In(1),
                "write_address": In(address),
                "write_data": In(shape),
            }
        )

    def elaborate(self, platform):
        technology = self._technology or _technology_of(platform)
        return {"generic": self._generic, "ice40": self._ice40, "ecp5": self._ecp5}[technology]()

    def _generic(self):
        m = Module()

        word = self.write_data.shape()
        m.submodules.memory = storage = memory.Memory(shape=word, depth=self._depth, init=[])
        write = storage.write_port()
        read = storage.read_port(domain="comb")
        fetched = Signal.like(self.read_address, reset_less=True)
        with m.If(self.fetch):
            m.d.sync += fetched.eq(self.read_address)
        m.d.comb += [
            write.en.eq(self.write_enable),
            write.addr.eq(self.write_address),
            write.data.eq(self.write_data),
            read.addr.eq(fetched),
        ]
        # Block RAM leaves open what a read returns that meets a write. Without this condition,
        # synthesis builds the bypass that a memory of Amaranth has; with it, it can tell that the
        # case does not occur.
        meet = Signal()
        m.d.comb += meet.eq(self.write_enable & (fetched == self.write_address))
        shown = Signal(word, reset_less=True)
        with m.If(self.show & ~meet):
            m.d.sync += shown.eq(read.data)
        m.d.comb += self.read_data.eq(shown)

        return m

    def _ice40(self):
        # Of a cell's 16 data pins those with these numbers are used in the modes 0 to 3.
        pins = (range(16), range(0, 16, 2), range(1, 16, 4), range(3, 16, 8))
        mode = min(max(ceil_log2(self._depth) - 8, 0), 3)
        banks = -(-self._depth // (256 << mode))

        m = Module()

        # With more than one bank, which of them to show has to be decided behind the cells.
        in_logic = banks > 1 or not self._stalls
        read_address = self.read_address
        enable = self.fetch
        if not in_logic:
            read_address = Signal.like(self.read_address, reset_less=True)
            with m.If(self.fetch):
                m.d.sync += read_address.eq(self.read_address)
            enable = self.show

        def padded(address):
            used = address[: 8 + mode]
            return Cat(used, Const(0, 11 - len(used)))

        def cell(name, select, data):
            written, read = Signal(16, name=f"{name}_written"), Signal(16, name=f"{name}_read")
            for pin, bit in zip(pins[mode], data, strict=False):
                m.d.comb += written[pin].eq(bit)
            m.submodules[name] = Instance(
                "SB_RAM40_4K",
                p_READ_MODE=mode,
                p_WRITE_MODE=mode,
                i_RCLK=ClockSignal(),
                i_RCLKE=enable,
                i_RE=Const(1),
                i_RADDR=padded(read_address),
                o_RDATA=read,
                i_WCLK=ClockSignal(),
                i_WCLKE=self.write_enable & select,
                i_WE=Const(1),
                i_WADDR=padded(self.write_address),
                i_WDATA=written,
                i_MASK=Const(0, 16),
            )
            return Cat(read[pin] for pin in pins[mode])[: len(data)]

        words = self._banks(cell, banks, 16 >> mode, 8 + mode)
        if in_logic:
            fetched = Signal(range(banks), reset_less=True)
            shown = Signal(len(words[0]), reset_less=True)
            with m.If(self.fetch):
                m.d.sync += fetched.eq(self.read_address[8 + mode :])
            with m.If(self.show):
                m.d.sync += shown.eq(Array(words)[fetched] if banks > 1 else words[0])
            m.d.comb += self.read_data.eq(shown)
        else:
            m.d.comb += self.read_data.eq(words[0])

        return m

    def _ecp5(self):
        # Of a cell's 14 address pins the low ones are left out in the wider modes. The widest mode,
        # 36 bits, is not used: its data are spread over the pins of both ports.
        unused = min(max(14 - ceil_log2(self._depth), 0), 4)
        width = (1, 2, 4, 9, 18)[unused]
        banks = -(-self._depth // (1 << 14 - unused))

        m = Module()

        def cell(name, select, data):
            read = Signal(18, name=f"{name}_read")
            connections = {}
            for n in range(14):
                # In the mode of 18 bits the lowest two pins enable the halves of a write.
                lowest = Const(unused == 4 and n < 2)
                used = 0 <= n - unused < len(self.write_address)
                for port, address in (("A", self.write_address), ("B", self.read_address)):
                    connections[f"i_AD{port}{n}"] = address[n - unused] if used else lowest
            for n in range(18):
                connections[f"i_DIA{n}"] = data[n] if n < len(data) else Const(0)
                connections[f"i_DIB{n}"] = Const(0)
                connections[f"o_DOB{n}"] = read[n]
            for port in "AB":
                connections |= {f"i_CS{port}{n}": Const(0) for n in range(3)}
                connections[f"i_CLK{port}"] = ClockSignal()
                connections[f"i_RST{port}"] = Const(0)
                connections[f"p_DATA_WIDTH_{port}"] = width
                connections[f"p_CLK{port}MUX"] = f"CLK{port}"
                connections[f"p_CSDECODE_{port}"] = "0b000"
                connections[f"p_WRITEMODE_{port}"] = "NORMAL"
            m.submodules[name] = Instance(
                "DP16KD",
                p_REGMODE_A="NOREG",
                p_REGMODE_B="OUTREG",
                p_RESETMODE="SYNC",
                p_ASYNC_RESET_RELEASE="SYNC",
                p_GSR="DISABLED",
                i_CEA=self.write_enable & select,
                i_WEA=Const(1),
                i_OCEA=Const(0),
                i_CEB=self.fetch,
                i_WEB=Const(0),
                i_OCEB=self.show,
                **connections,
            )
            return read[: len(data)]

        words = self._banks(cell, banks, width, 14 - unused)
        if banks == 1:
            m.d.comb += self.read_data.eq(words[0])
        else:
            fetched, shown = (Signal(range(banks), name=name) for name in ("fetched", "shown"))
            with m.If(self.fetch):
                m.d.sync += fetched.eq(self.read_address[14 - unused :])
            with m.If(self.show):
                m.d.sync += shown.eq(fetched)
            m.d.comb += self.read_data.eq(Array(words)[shown])

        return m

    def _banks(self, cell, banks, width, bits):
        """Make the cells, so many bits wide; return each bank's word."""
        data = Value.cast(self.write_data)
        words = []
        for bank in range(banks):
            select = self.write_address[bits:] == bank if banks > 1 else Const(1)
            parts = [
                cell(f"bank{bank}_bit{low}", select, data[low : low + width])
                for low in range(0, len(data), width)
            ]
            words.append(Cat(parts))
        return words
