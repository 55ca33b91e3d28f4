"""Amaranth's compiled simulation processes, run no more often than their inputs change."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any

from amaranth.hdl import ClockDomain, Fragment, Module, Signal
from amaranth.hdl._ast import SignalSet
from amaranth.hdl._mem import MemoryInstance
from amaranth.sim._pyrtl import _FragmentCompiler, comb_waker
from amaranth.sim.pysim import _PyEngineState

__all__ = ["Scheduler"]


def _content_waker(process: Any, memory: Any) -> Callable[[], bool]:
    # Amaranth tells of each write, also of those that are not enabled.
    def waker() -> bool:
        if any(memory.data[address] != value for address, value in memory.write_queue.items()):
            process.runnable = True
        return True

    return waker


class Scheduler:
    """A design with one clock, a clock at a time.

    Amaranth's simulator runs every register process at every edge, in which most of a device that
    waits for a slow line computes what it has already; and it wakes up for falling edges, time and
    testbenches. Here a register process runs when one of its inputs, its own registers included,
    has changed since it last ran, and a combinational one sees at once what others did before it.
    Registers take their new values together, as ever, so that each clock ends the same.

    The internals of Amaranth that this builds on may change with its version; the package requires
    an exact one, and a test compares the pins with Amaranth's own simulator, clock by clock.

    Parameters
    ----------
    top : elaboratable
        All of it in the domain ``sync``, whose initial values are those of a configured device.
    """

    def __init__(self, top: Any) -> None:
        self._domain = ClockDomain("sync")
        module = Module()
        module.domains.sync = self._domain
        module.submodules.top = top
        self._state: Any = _PyEngineState()
        self._pending = self._state.pending
        self._registers: list[Any] = []
        self._combinational: list[Any] = []
        self._compile(Fragment.get(module, None).prepare().fragment)
        self._rst = self.slot(self._domain.rst)
        self.settle()

    def slot(self, signal: Signal) -> Any:
        """Return the simulator's cell of a signal: ``curr`` is its value; see `update`."""
        return self._state.slots[self._state.get_signal(signal)]

    def update(self, slot: Any, value: int) -> None:
        """Give an input of the design a value."""
        if slot.curr != value:
            slot.update(value)
            self.settle()

    @property
    def settled(self) -> bool:
        """No clock would change anything before an input does."""
        return not any(process.runnable for process in self._registers)

    def clock(self) -> None:
        """Run for one clock: an edge, and all that follows from it."""
        for process in self._registers:
            if process.runnable:
                process.runnable = False
                process.run()
        self.settle()

    def reset(self) -> None:
        """Run for one clock with the reset of ``sync`` asserted."""
        self.update(self._rst, 1)
        self.clock()
        self.update(self._rst, 0)

    def settle(self) -> None:
        """Let what was changed take effect."""
        self._commit()
        again = True
        while again:
            again = False
            for process in self._combinational:
                if process.runnable:
                    process.runnable = False
                    process.run()
                    if self._pending:
                        self._commit()
                        again = True

    def _commit(self) -> None:
        changed = list(self._pending)
        self._pending.clear()
        for state in changed:
            state.commit()

    def _compile(self, fragment: Any) -> None:
        alone = copy(fragment)
        alone.subfragments = []
        for process in _FragmentCompiler(self._state)(alone):
            if process.is_comb:
                self._combinational.append(process)
            else:
                self._registers.append(process)
                self._wake_on_inputs(process, fragment)
                process.runnable = True
        for subfragment, _, _ in fragment.subfragments:
            self._compile(subfragment)

    def _wake_on_inputs(self, process: Any, fragment: Any) -> None:
        inputs = SignalSet((self._domain.rst,))
        if "sync" in fragment.statements:
            inputs.update(fragment.statements["sync"]._rhs_signals())
        if isinstance(fragment, MemoryInstance):
            memory = self._state.slots[self._state.get_memory(fragment._data)]
            memory.add_waker(_content_waker(process, memory))
            for port in fragment._read_ports:
                inputs.update((port._addr + port._en)._rhs_signals())
            for port in fragment._write_ports:
                inputs.update((port._addr + port._data + port._en)._rhs_signals())
        waker = comb_waker(process)
        for signal in inputs:
            self._state.add_signal_waker(signal, waker)
