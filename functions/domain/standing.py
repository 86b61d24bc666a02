"""How a signal stands: whether it counts, and if not, why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from functions.domain.catalog import Side

Standing = Literal["counted", "capped", "unverified", "retracted"]
#: Which sums a signal adds to: those of a score, or others that no score reads.
Adds = Literal["buyer", "rep", "capped", "unverified", "retracted"]

#: Why a signal is left out: one bit each, kept with the signal. Each depends on evidence of its own, so that one can
#: come or go without a look at what the others rest on. Two windows overlap at every moment, hence two bits.
FLAGGED, PROXY, FAST, BURST, BURST_BETWEEN, LINKS, LINKS_BETWEEN, DAY, CAMPAIGN, RETRACTED = (
    1 << n for n in range(10)
)

#: What an event says of itself; whatever others do, these stay.
BY_ITSELF = FLAGGED | PROXY
UNVERIFIED = BY_ITSELF | FAST | BURST | BURST_BETWEEN | LINKS | LINKS_BETWEEN
CAPPED = DAY | CAMPAIGN

_SENTENCES: Mapping[int, str] = {
    FLAGGED: "its metadata says that a machine caused it",
    PROXY: "its user agent is a known proxy or robot",
    FAST: "clicked at once after the e-mail was sent",
    BURST | BURST_BETWEEN: "one of a burst",
    LINKS | LINKS_BETWEEN: "one of a burst of clicks on several links of an e-mail",
    DAY: "more than count of a contact's day",
    CAMPAIGN: "more than count of a contact's campaign",
}


def standing(left_out: int) -> Standing:
    """Return how a signal with some reasons to leave it out stands."""
    if not left_out:
        return "counted"
    if left_out & RETRACTED:
        return "retracted"
    return "unverified" if left_out & UNVERIFIED else "capped"


def adds(side: Side, left_out: int) -> Adds:
    """Return which sums a signal of ``side`` adds to."""
    stands = standing(left_out)
    return side if stands == "counted" else stands


class Retraction(NamedTuple):
    """Who took an event back.

    Args:
        at: when, RFC 3339.
        by: the source of the event that did it, or the first characters of a key's digest.
    """

    at: str
    by: str
    reason: str | None

    @property
    def sentence(self) -> str:
        """For people: ``retracted at 2026-03-04T12:00:00Z by /crm: entered twice``."""
        return f"retracted at {self.at} by {self.by}" + (f": {self.reason}" if self.reason else "")


def sentences(left_out: int, retraction: Retraction | None = None) -> list[str]:
    """Return why a signal is left out, in words; nothing for one that counts."""
    found = [sentence for bits, sentence in _SENTENCES.items() if left_out & bits]
    if left_out & RETRACTED:
        found.append(retraction.sentence if retraction else "retracted")
    return found
