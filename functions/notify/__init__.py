"""Sends notices and records what came of it."""
