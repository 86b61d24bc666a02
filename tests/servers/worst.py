"""The worst that is let in: the event that weighs most on a rule, and the slowest rule that may be saved."""

from __future__ import annotations

from events.size import MOST_VALUES

MEGABYTE = 1_000_000
#: Characters of each of so many texts or names that all of them fit into a megabyte.
SHARE = MEGABYTE // MOST_VALUES - 25
#: Close to what one evaluation may take before its rule is switched off (functions/domain/engine.py): it looks through
#: the longest text that is let in as often as that allows, each time in the worst way there is.
SLOWEST_RULE = " || ".join(f"event.metadata.s.contains('{'a' * (99 - n)}b')" for n in range(4))
#: Metadata of a megabyte for it.
HEAVY = {"s": "a" * MEGABYTE}
