"""How a tenant's accounts are spread over the scores, and where one stands among them."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import NamedTuple


class Spread(NamedTuple):
    """The shown scores of accounts, rising.

    Args:
        complete: they are all of the tenant's; else as if drawn by lot.
    """

    scores: Sequence[float]
    complete: bool

    def percentile(self, score: float) -> float:
        """Return how many in a hundred have a lower score; of those with the same one, half."""
        if not self.scores:
            return 50.0
        below, same = bisect_left(self.scores, score), bisect_right(self.scores, score)
        return round(50 * (below + same) / len(self.scores), 1)

    def quantile(self, share: float) -> float:
        """Return the least score that so many of all (0-1) have at the most; 0 where there are none."""
        return self.scores[max(math.ceil(share * len(self.scores)) - 1, 0)] if self.scores else 0.0
