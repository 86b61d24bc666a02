"""The worst that is let in: the event that weighs most on a rule, and the slowest rule that may be saved."""

from __future__ import annotations

from events.size import MOST_VALUES

MEGABYTE = 1_000_000
#: Characters of each of so many texts or names that all of them fit into a megabyte.
SHARE = MEGABYTE // MOST_VALUES - 25
#: Every part of the condition that goes through the data does so in the worst way there is for it.
SLOWEST_RULE = " || ".join(f"event.metadata.l.exists(x, x.contains('{'a' * 50}{n}'))" for n in range(10))
#: Metadata of a megabyte for it.
HEAVY = {"l": ["a" * SHARE] * (MOST_VALUES - 300)}
