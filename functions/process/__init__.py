"""Turns events into signals, scores and notices, in one transaction a batch."""
