"""Redis, but for the channel: the key directory."""
