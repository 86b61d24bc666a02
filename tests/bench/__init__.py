"""``make bench``: what the platform does on this machine, each figure beside a baseline of the same run."""
