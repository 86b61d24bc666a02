"""``sspp``: the command line of operators and senders. docs/cli.md is its manual."""
