"""A tenant's scoring model: every number that scores, grades, caps and insights are made with, versioned."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property, lru_cache
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from events.errors import Unavailable
from functions.domain.by_type import ByPlatformType, ByType
from functions.domain.catalog import EVENT_TYPES, EventType
from functions.domain.machines import Machines
from functions.domain.thresholds import Insights

_CONFIG = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
_Share = Annotated[float, Field(ge=0, le=1)]
_Score = Annotated[float, Field(ge=0, le=100)]
_Text = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")]


class Bands(BaseModel):
    """The shown engagement from which an account is called hot, warm or cool; below it is cold."""

    model_config = _CONFIG

    hot: _Score = 60.0
    warm: _Score = 30.0
    cool: _Score = 10.0

    @model_validator(mode="after")
    def _falling(self) -> Bands:
        if not self.hot > self.warm > self.cool > 0:
            raise PydanticCustomError("bands", "must fall from hot over warm to cool, and stay above 0")
        return self

    def of(self, score: float) -> str:
        """Return the word for a shown score."""
        return _BANDS[self.number(score) - 1]

    def number(self, score: float) -> int:
        """Return the number of a shown score in a grade: 1 (hot) to 4 (cold)."""
        return 1 + sum(score < least for least in (self.hot, self.warm, self.cool))


_BANDS = ("hot", "warm", "cool", "cold")


class Terms(BaseModel):
    """What an event of a platform type is worth, where it differs from the catalog."""

    model_config = _CONFIG

    points: Annotated[int, Field(ge=-1000, le=1000)] | None = None
    halfLifeDays: Annotated[int, Field(ge=1, le=3650)] | None = None  # noqa: N815 - the wire's name


class RollupWeights(BaseModel):
    """How much of an account's engagement is its highest contact, and how much the mean of the others."""

    model_config = _CONFIG

    highest: _Share = 0.6
    rest: _Share = 0.4

    @model_validator(mode="after")
    def _something(self) -> RollupWeights:
        if not self.highest + self.rest:
            raise PydanticCustomError("rollup", "one of highest and rest must be above 0")
        return self


class Grades(BaseModel):
    """The fit (0-1) from which an account is graded A, B or C; below it is D."""

    model_config = _CONFIG

    A: _Share = 0.8
    B: _Share = 0.6
    C: _Share = 0.4

    @model_validator(mode="after")
    def _falling(self) -> Grades:
        if not self.A > self.B > self.C > 0:
            raise PydanticCustomError("grades", "must fall from A over B to C, and stay above 0")
        return self

    def letter(self, fit: float | None) -> str:
        """Return the letter of a fit; none where there is no fit."""
        if fit is None:
            return ""
        return "ABCD"[sum(fit < least for least in (self.A, self.B, self.C))]


_Cap = Annotated[int, Field(ge=1, le=1_000_000)]


class Caps(BaseModel):
    """How many events of a type count for each contact: the oldest ones. An object that is given replaces all of it.

    Args:
        perDay: a UTC day.
        perCampaign: a campaign, as ``metadata.campaign`` names it.
    """

    model_config = _CONFIG

    perDay: ByType[_Cap] = {  # noqa: N815 - the wire's name
        "io.sspp.email.opened": 5,
        "io.sspp.email.clicked": 5,
        "io.sspp.page.viewed": 15,
        "io.sspp.pricing.viewed": 5,
    }
    perCampaign: ByType[_Cap] = {  # noqa: N815 - the wire's name
        "io.sspp.email.opened": 3,
        "io.sspp.email.clicked": 5,
    }


class ScoringModel(BaseModel):
    """One version of a scoring model. What is left out is as by default.

    Args:
        k: the points at which a score shows 63 of 100.
        types: other points and half-lives for the platform's event types.
        rollup: of contacts to an account's engagement; null: the plain sum of all events.
    """

    model_config = _CONFIG

    k: Annotated[float, Field(ge=1, le=1_000_000)] = 60.0
    bands: Bands = Bands()
    types: ByPlatformType[Terms] = {}
    rollup: RollupWeights | None = RollupWeights()
    grades: Grades = Grades()
    caps: Caps = Caps()
    machines: Machines = Machines()
    insights: Insights = Insights()

    @classmethod
    def as_saved(cls, text: str) -> ScoringModel:
        """Read a model that was saved. The same text again gives the same object.

        Raises:
            Unavailable: a later release saved it.
        """
        return _as_saved(text)

    def shown(self, raw_points: float) -> float:
        """Return the 0-100 score people see, one decimal; raw points below zero show as 0."""
        return round(100.0 * -math.expm1(-max(raw_points, 0.0) / self.k), 1)

    def band(self, score: float) -> str:
        """Return the word for a shown score."""
        return self.bands.of(score)

    def grade(self, fit: float | None, score: float) -> str:
        """Return fit and engagement side by side, ``A2``; without a fit, the number alone."""
        return f"{self.grades.letter(fit)}{self.bands.number(score)}"

    def worth(self, kind: EventType) -> EventType:
        """Return an event type with the points and the half-life that it has in this model."""
        return self._worth.get(kind, kind) if self.types else kind

    @cached_property
    def _worth(self) -> Mapping[EventType, EventType]:
        return {
            (kind := EVENT_TYPES[name]): replace(
                kind,
                points=kind.points if terms.points is None else terms.points,
                half_life_days=terms.halfLifeDays or kind.half_life_days,
            )
            for name, terms in self.types.items()
        }


@lru_cache(maxsize=1024)
def _as_saved(text: str) -> ScoringModel:
    try:
        return ScoringModel.model_validate_json(text)
    except ValidationError as exc:
        raise Unavailable("scoring model", reason="it was saved by a later release") from exc


#: The model of a tenant that has none of its own.
DEFAULT = ScoringModel()


@dataclass(frozen=True, slots=True)
class Versioned:
    """A version of a tenant's scoring model.

    Args:
        created_by: the operator, or the first characters of a key's digest; None, with the moment, of the default.
    """

    version: int = 1
    model: ScoringModel = DEFAULT
    created_at: datetime | None = None
    created_by: str | None = None


#: What a tenant without a model of its own has.
UNCHANGED = Versioned()


def diff(before: ScoringModel, after: ScoringModel) -> list[str]:
    """Return what differs between two models, a line each: ``bands.hot: 60 -> 70``."""
    old, new = dict(_leaves(before)), dict(_leaves(after))
    paths = dict.fromkeys([*old, *new])
    return [
        f"{path}: {old.get(path, 'not set')} -> {new.get(path, 'not set')}"
        for path in paths
        if old.get(path) != new.get(path)
    ]


def _leaves(model: ScoringModel) -> Iterator[tuple[str, str]]:
    """Yield each value of a model as JSON, with its path."""
    waiting: list[tuple[str, Any]] = [("", model.model_dump(mode="json"))]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, dict):
            inner = ((f"{path}.{name}" if path else name, each) for name, each in value.items())
            waiting += reversed([(name, each) for name, each in inner if each is not None or name == "rollup"])
        else:
            yield path, _number(value)


def _number(value: object) -> str:
    """Write a value as JSON, a whole number without its fraction."""
    return json.dumps(int(value) if isinstance(value, float) and value.is_integer() else value)
