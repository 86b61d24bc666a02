"""Everything on one machine: what `make run` and `make demo` start."""
