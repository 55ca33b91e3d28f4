"""How fast the gateware's components run, from place and route: ``python -m benchmarks.fmax``."""
