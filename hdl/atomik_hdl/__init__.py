"""Gateware of the delta-state core: contexts in FPGA fabric and the serial link to them."""
