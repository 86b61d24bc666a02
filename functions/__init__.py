"""The deployable functions, the domain they share and the adapters to the world outside."""
