"""A tenant's scoring model: every number that scores, grades, caps and insights are made with, versioned."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property, lru_cache
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from events.errors import Unavailable
from functions.domain.catalog import EVENT_TYPES, EventType, full_type
from functions.domain.thresholds import Insights

_CONFIG = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
_Share = Annotated[float, Field(ge=0, le=1)]
_Score = Annotated[float, Field(ge=0, le=100)]
_Text = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")]
#: Entries of an object that has one for each event type.
_MOST_TYPES = 200


def _platforms(name: str) -> str:
    if name not in EVENT_TYPES:
        raise PydanticCustomError("type", "is not an event type of the platform")
    return name


def _once(given: object) -> object:
    """Refuse an object that names one event type by its full name and by its alias."""
    if isinstance(given, Mapping) and len({full_type(str(name)) for name in given}) < len(given):
        raise PydanticCustomError("type", "names an event type twice, by its name and by its alias")
    return given


#: The name of an event type, which becomes the full one where it is an alias.
_AnyType = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9._-]+$"),
    AfterValidator(full_type),
]
_PlatformType = Annotated[_AnyType, AfterValidator(_platforms)]
Value = TypeVar("Value")
_ByType = Annotated[dict[_AnyType, Value], BeforeValidator(_once), Field(max_length=_MOST_TYPES)]


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

    perDay: _ByType[_Cap] = {  # noqa: N815 - the wire's name
        "io.sspp.email.opened": 5,
        "io.sspp.email.clicked": 5,
        "io.sspp.page.viewed": 15,
        "io.sspp.pricing.viewed": 5,
    }
    perCampaign: _ByType[_Cap] = {  # noqa: N815 - the wire's name
        "io.sspp.email.opened": 3,
        "io.sspp.email.clicked": 5,
    }


#: Seconds of a window that events are counted in; at most an hour, so that few events are looked at.
_Window = Annotated[int, Field(ge=1, le=3600)]
_Least = Annotated[int, Field(ge=2, le=1000)]


class Burst(BaseModel):
    """So many events within so many seconds are no person's."""

    model_config = _CONFIG

    events: _Least
    seconds: _Window


class MailBurst(BaseModel):
    """Clicks on so many links of one e-mail within so many seconds are no person's."""

    model_config = _CONFIG

    links: _Least = 3
    seconds: _Window = 10


class Machines(BaseModel):
    """How events that no person caused are told.

    Args:
        flags: members of an event's metadata that say so, where they are true.
        clickAfterSendSeconds: a click sooner than that after its e-mail was sent; 0 for none.
        burst: by event type.
        proxies: texts in ``metadata.userAgent``, in any case.
    """

    model_config = _CONFIG

    flags: Annotated[tuple[_Text, ...], Field(max_length=50)] = (
        "machine",
        "isMachine",
        "machineOpen",
        "sg_machine_open",
        "bot",
        "isBot",
        "automated",
    )
    clickAfterSendSeconds: Annotated[float, Field(ge=0, le=3600)] = 2.0  # noqa: N815 - the wire's name
    burst: _ByType[Burst] = {
        "io.sspp.page.viewed": Burst(events=20, seconds=60),
        "io.sspp.pricing.viewed": Burst(events=10, seconds=60),
        "io.sspp.email.opened": Burst(events=20, seconds=60),
    }
    mailBurst: MailBurst | None = MailBurst()  # noqa: N815 - the wire's name
    proxies: Annotated[tuple[_Text, ...], Field(max_length=50)] = (
        "GoogleImageProxy",
        "YahooMailProxy",
        "Barracuda",
        "Mimecast",
        "Proofpoint",
        "bot",
        "crawler",
        "spider",
    )


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
    types: Annotated[dict[_PlatformType, Terms], BeforeValidator(_once), Field(max_length=_MOST_TYPES)] = {}
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
