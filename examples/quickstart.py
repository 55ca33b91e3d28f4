"""The calls of a context, in ten lines.

Without a port it is the embedded model. ``ATOMIK_PORT=sim://`` runs the same lines on the simulated
board, and ``ATOMIK_PORT=/dev/ttyUSB1`` on a real one; so does ``AtomikContext(port=…)``.
"""

from atomik_fpga import AtomikContext

with AtomikContext(width=64, initial_state=0x1000) as context:
    context.accum(0x00FF)  # XOR a delta into the accumulator: posted, no wait
    context.accum(0x0F00)
    print(hex(context.read()))  # 0x1fff: reference ^ accumulator, the barrier
    context.rollback(0x0F00)  # undo: the same delta once more
    print(hex(context.read()))  # 0x10ff
    print(hex(context.swap()))  # 0x10ff: the state is the new reference,
    print(context.is_clean)  # True: and the accumulator is 0
    print(hex(context.swap(0)), hex(context.read()))  # 0x10ff 0x0
