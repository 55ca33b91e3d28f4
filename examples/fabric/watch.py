"""Print the counts of all pins whenever one changes: ``ATOMIK_PORT=… python watch.py``."""

from time import sleep

from atomik_fpga import AtomikTable

with AtomikTable.attach(None, first=0, num_contexts=11) as table:
    last = None
    while True:
        counts = table.read_all()
        if counts != last:
            print(*counts, flush=True)
            last = counts
        sleep(0.05)
