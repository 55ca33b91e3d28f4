"""What is flashed is what was tested: synthesised netlists, simulated and compared."""
