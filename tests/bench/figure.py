"""A figure: what was measured in each round, beside its baseline, and whether it is what we promise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One line of the table.

    Args:
        values: one a round; their median counts.
        baseline: what it is compared with; empty: nothing, then the goal is one for the value itself.
        baselines: one a round.
        least: the goal: at least so much (the ratio, else the value).
        most: the goal: at most so much. Neither: a figure to watch.
        most_alone: a goal for the value itself beside the one for the ratio: at most so much.
    """

    name: str
    values: Sequence[float]
    unit: str
    baseline: str = ""
    baselines: Sequence[float] = ()
    least: float | None = None
    most: float | None = None
    most_alone: float | None = None

    @property
    def value(self) -> float | None:
        return median(self.values) if self.values else None

    @property
    def base(self) -> float | None:
        return median(self.baselines) if self.baselines else None

    @property
    def ratio(self) -> float | None:
        """The median of the rounds' ratios: what slows a whole round down slows both. A baseline of 0 says nothing."""
        pairs = zip(self.values, self.baselines, strict=bool(self.baselines))
        ratios = [value / base for value, base in pairs if base]
        return median(ratios) if ratios else None

    @property
    def met(self) -> bool | None:
        judged = self.ratio if self.baseline else self.value
        if judged is None or (self.least is None and self.most is None):
            return None
        alone = self.most_alone is None or (self.value or 0.0) <= self.most_alone
        return alone and (self.least is None or judged >= self.least) and (self.most is None or judged <= self.most)

    @property
    def goal(self) -> str:
        if self.least is not None:
            return f">= {self.least:g}"
        alone = f", <= {self.most_alone:g} {self.unit}" if self.most_alone is not None else ""
        return f"<= {self.most:g}{alone}" if self.most is not None else ""

    def as_json(self) -> dict[str, Any]:
        return {
            "figure": self.name,
            "unit": self.unit,
            "value": self.value,
            "baseline": self.baseline or None,
            "baseline_value": self.base,
            "ratio": self.ratio,
            "goal": self.goal or None,
            "met": self.met,
            "rounds": {"values": list(self.values), "baselines": list(self.baselines)},
        }
