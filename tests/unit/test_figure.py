"""What the bench calls a goal met."""

from __future__ import annotations

from typing import Any

import pytest

from tests.bench.figure import Figure


def figure(**told: Any) -> Figure:
    return Figure(name="ingest", unit="events/s", **told)


@pytest.mark.parametrize(
    ("told", "ratio", "met"),
    [
        ({"values": [200.0], "baseline": "hello", "baselines": [100.0], "least": 1.8}, 2.0, True),
        ({"values": [170.0], "baseline": "hello", "baselines": [100.0], "least": 1.8}, 1.7, False),
        ({"values": [130.0], "baseline": "hello", "baselines": [100.0], "most": 1.35}, 1.3, True),
        ({"values": [140.0], "baseline": "hello", "baselines": [100.0], "most": 1.35}, 1.4, False),
        ({"values": [30.0], "baseline": "few", "baselines": [20.0], "most": 1.5, "most_alone": 30}, 1.5, True),
        ({"values": [31.0], "baseline": "few", "baselines": [30.0], "most": 1.5, "most_alone": 30}, 31 / 30, False),
        ({"values": [30.0], "baseline": "few", "baselines": [15.0], "most": 1.5, "most_alone": 30}, 2.0, False),
        ({"values": [0.9], "most": 1}, None, True),
        ({"values": [1.1], "most": 1}, None, False),
        ({"values": [1.1]}, None, None),
        ({"values": [], "most": 1}, None, None),
        ({"values": [5.0, 6.0], "baseline": "hello", "baselines": [0.0, 2.0], "least": 1.8}, 3.0, True),
        ({"values": [5.0], "baseline": "hello", "baselines": [0.0], "least": 1.8}, None, None),
    ],
)
def test_a_goal_is_one_for_the_ratio_where_there_is_a_baseline(
    told: dict[str, object], ratio: float | None, met: bool | None
) -> None:
    asked = figure(**told)
    assert asked.ratio == (pytest.approx(ratio) if ratio else None)
    assert asked.met is met


def test_rounds_are_compared_with_their_own_baseline() -> None:
    # The second round ran on a machine half as fast; that is not a worse ratio.
    asked = figure(values=[200.0, 100.0, 210.0], baseline="hello", baselines=[100.0, 50.0, 100.0])
    assert asked.ratio == 2.0
    assert (asked.value, asked.base) == (200.0, 100.0)
