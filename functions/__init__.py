"""The deployable functions, the domain they share and the adapters to the world outside."""

#: The version of the whole, the same as in pyproject.toml.
VERSION = "0.1.0"
