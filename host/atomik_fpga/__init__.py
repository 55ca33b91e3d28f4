"""Delta-state contexts in FPGA fabric, called from Python."""

__version__ = "0.1.0"
