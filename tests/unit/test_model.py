"""Scoring models: their defaults, their bounds, and what differs between two of them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from events.cloudevent import faults
from functions.domain.catalog import EVENT_TYPES
from functions.domain.model import DEFAULT, ScoringModel, diff
from functions.domain.thresholds import KINDS

DEMO = EVENT_TYPES["demo_completed"]
SCHEMA = Draft202012Validator(ScoringModel.model_json_schema())


def model(**members: Any) -> ScoringModel:
    return ScoringModel.model_validate(members)


def test_a_model_with_nothing_in_it_is_the_default() -> None:
    assert model() == DEFAULT
    assert DEFAULT.k == 60
    assert len(KINDS) == 11


def test_a_model_that_was_saved_is_read_as_it_was() -> None:
    changed = model(types={"demo_completed": {"points": 70}}, rollup=None, insights={"hot": {"enter": 70}})
    text = changed.model_dump_json()
    assert ScoringModel.model_validate_json(text, strict=True) == changed
    SCHEMA.validate(changed.model_dump(mode="json"))


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({"k": 0}, "/k"),
        ({"k": float("inf")}, "/k"),
        ({"unknown": 1}, "/unknown"),
        ({"bands": {"hot": 20}}, "/bands"),
        ({"bands": {"cool": 0}}, "/bands"),
        ({"grades": {"B": 0.9}}, "/grades"),
        ({"rollup": {"highest": 0, "rest": 0}}, "/rollup"),
        ({"types": {"com.acme.webinar": {"points": 1}}}, "/types/com.acme.webinar"),
        ({"types": {"demo_completed": {}, "io.sspp.demo.completed": {}}}, "/types"),
        ({"types": {"demo_completed": {"halfLifeDays": 0}}}, "/types/demo_completed/halfLifeDays"),
        ({"caps": {"perDay": {"a type": 1}}}, "/caps/perDay/a type"),
        ({"caps": {"perDay": {"com.acme.webinar": 0}}}, "/caps/perDay/com.acme.webinar"),
        ({"caps": {"perDay": {f"t{n}": 1 for n in range(201)}}}, "/caps/perDay"),
        ({"machines": {"flags": ["x"] * 51}}, "/machines/flags"),
        ({"machines": {"burst": {"page_viewed": {"events": 1, "seconds": 60}}}}, "/machines/burst/page_viewed/events"),
        ({"insights": {"hot": {"leave": 70}}}, "/insights/hot"),
        ({"insights": {"surge": {"leaveZ": 3}}}, "/insights/surge"),
        ({"insights": {"high_intent": {"responseMinutes": [60, 5]}}}, "/insights/high_intent/responseMinutes"),
        ({"insights": {"lukewarm": {}}}, "/insights/lukewarm"),
    ],
)
def test_a_model_that_makes_no_sense_is_refused_with_a_pointer(members: dict[str, Any], pointer: str) -> None:
    with pytest.raises(ValidationError) as refused:
        model(**members)
    assert [fault.pointer for fault in faults(refused.value)] == [pointer]


def test_types_may_be_named_by_their_aliases() -> None:
    changed = model(types={"demo_completed": {"points": 70}}, caps={"perDay": {"email_opened": 2, "com.acme.x": 1}})
    assert changed.types.keys() == {DEMO.type}
    assert changed.caps.perDay == {"io.sspp.email.opened": 2, "com.acme.x": 1}


@pytest.mark.parametrize(
    ("terms", "points", "half_life_days"),
    [({}, 60, 60), ({"points": 0}, 0, 60), ({"halfLifeDays": 7}, 60, 7), ({"points": 9, "halfLifeDays": 1}, 9, 1)],
)
def test_a_type_is_worth_what_the_model_says(terms: dict[str, int], points: int, half_life_days: int) -> None:
    kind = model(types={"demo_completed": terms}).worth(DEMO)
    assert (kind.points, kind.half_life_days) == (points, half_life_days)
    assert (kind.type, kind.signal, kind.side) == (DEMO.type, DEMO.signal, DEMO.side)
    assert model(types={"demo_completed": terms}).worth(EVENT_TYPES["page_viewed"]) == EVENT_TYPES["page_viewed"]


@pytest.mark.parametrize(
    ("score", "band", "grade"),
    [(100, "hot", "B1"), (60, "hot", "B1"), (59.9, "warm", "B2"), (10, "cool", "B3"), (9.9, "cold", "B4")],
)
def test_bands_and_grades_begin_at_their_thresholds(score: float, band: str, grade: str) -> None:
    assert DEFAULT.band(score) == band
    assert DEFAULT.grade(0.6, score) == grade


@pytest.mark.parametrize(("fit", "letter"), [(1, "A"), (0.8, "A"), (0.79, "B"), (0.4, "C"), (0, "D"), (None, "")])
def test_fit_has_a_letter_and_no_fit_none(fit: float | None, letter: str) -> None:
    assert DEFAULT.grade(fit, 30) == f"{letter}2"


def test_k_is_where_a_score_shows_63() -> None:
    assert DEFAULT.shown(60) == model(k=30).shown(30) == 63.2
    assert DEFAULT.shown(-5) == 0


def test_what_differs_is_said_a_line_each() -> None:
    changed = model(
        bands={"hot": 70},
        types={"demo_completed": {"points": 70}},
        caps={"perCampaign": {"email_opened": 3}},
        machines={"flags": ["robot"]},
        rollup=None,
        insights={"surge": {"enabled": False}},
    )
    assert diff(DEFAULT, changed) == [
        "bands.hot: 60 -> 70",
        "rollup.highest: 0.6 -> not set",
        "rollup.rest: 0.4 -> not set",
        "caps.perCampaign.io.sspp.email.clicked: 5 -> not set",
        'machines.flags: ["machine", "isMachine", "machineOpen", "sg_machine_open", "bot", "isBot", "automated"]'
        ' -> ["robot"]',
        "insights.surge.enabled: true -> false",
        "types.io.sspp.demo.completed.points: not set -> 70",
        "rollup: not set -> null",
    ]


@given(st.floats(1, 1e6), st.sampled_from(sorted(EVENT_TYPES)), st.integers(-1000, 1000), st.booleans())
def test_two_models_differ_in_nothing_exactly_when_they_are_equal(
    k: float, name: str, points: int, enabled: bool
) -> None:
    one = model(k=k, types={name: {"points": points}}, insights={"hot": {"enabled": enabled}})
    other = model(types={name: {"points": 5}})
    assert (diff(one, other) == []) == (one == other)
    assert diff(one, model(**one.model_dump(mode="json"))) == []
