"""Timing diagrams of the gateware's ports, drawn from simulations."""
