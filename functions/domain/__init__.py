"""What things mean: signals, scores, rules. Pure: no I/O, clock, environment or randomness."""
