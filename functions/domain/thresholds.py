"""When insights begin and end: the thresholds of a scoring model, one object for each kind of insight."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

_Score = Annotated[float, Field(ge=0, le=100)]
_Days = Annotated[int, Field(ge=1, le=365)]
_Count = Annotated[int, Field(ge=1, le=1000)]
#: Standard deviations.
_Z = Annotated[float, Field(ge=0, le=100)]


def _rising(minutes: tuple[int, ...]) -> tuple[int, ...]:
    if any(later <= earlier for earlier, later in pairwise(minutes)):
        raise PydanticCustomError("rising", "must rise")
    return minutes


class Insight(BaseModel):
    """What every kind of insight has."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = True


class Hot(Insight):
    """An account's engagement reached ``enter``; it ends below ``leave``."""

    enter: _Score = 60.0
    leave: _Score = 45.0

    @model_validator(mode="after")
    def _leaves_below(self) -> Hot:
        if self.leave > self.enter:
            raise PydanticCustomError("leave", "leave must not be above enter")
        return self


class Surge(Insight):
    """The last week has ``events`` and more, and stands out of the three before by ``z``; it ends below ``leaveZ``."""

    z: _Z = 2.0
    events: _Count = 3
    leaveZ: _Z = 1.0  # noqa: N815 - the wire's name

    @model_validator(mode="after")
    def _leaves_below(self) -> Surge:
        if self.leaveZ > self.z:
            raise PydanticCustomError("leave", "leaveZ must not be above z")
        return self


class NewStakeholder(Insight):
    """A contact acts for the first time at an account that had others."""


class Committee(Insight):
    """So many contacts with so many roles were engaged within so many days."""

    contacts: Annotated[int, Field(ge=2, le=1000)] = 3
    days: _Days = 30
    roles: Annotated[int, Field(ge=1, le=4)] = 2


class SingleThreaded(Insight):
    """A high engagement rests on one contact: its ``share`` of all contacts' points."""

    engagement: _Score = 60.0
    share: Annotated[float, Field(gt=0, le=1)] = 0.8


class HighIntent(Insight):
    """Somebody acts with high intent; the response clock counts minutes until a representative does."""

    responseMinutes: Annotated[  # noqa: N815 - the wire's name
        tuple[Annotated[int, Field(ge=1, le=10_080)], ...], Field(min_length=1, max_length=5), AfterValidator(_rising)
    ] = (5, 60)


class GoingDark(Insight):
    """An engagement was ``was`` and more; now silence, for ``days`` and ``medianGaps`` of the account's own gaps."""

    was: _Score = 40.0
    days: _Days = 14
    medianGaps: Annotated[float, Field(ge=0, le=100)] = 3.0  # noqa: N815 - the wire's name


class Dormant(Insight):
    """Nothing came of an account for so long; it ends with the next event (reactivated)."""

    days: Annotated[int, Field(ge=1, le=3650)] = 90


class EffortWithoutReply(Insight):
    """So many touches of ours since the buyer last did anything."""

    touches: _Count = 5


class MeetingHealth(Insight):
    """A meeting was missed, rescheduled so often, or a demo had no next step within so many days."""

    reschedules: _Count = 2
    nextStepDays: _Days = 5  # noqa: N815 - the wire's name


class NegativeTurn(Insight):
    """A contact unsubscribed, or its mail bounced."""


class Insights(BaseModel):
    """The thresholds of each kind of insight, by its kind."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hot: Hot = Hot()
    surge: Surge = Surge()
    new_stakeholder: NewStakeholder = NewStakeholder()
    committee: Committee = Committee()
    single_threaded: SingleThreaded = SingleThreaded()
    high_intent: HighIntent = HighIntent()
    going_dark: GoingDark = GoingDark()
    dormant: Dormant = Dormant()
    effort_without_reply: EffortWithoutReply = EffortWithoutReply()
    meeting_health: MeetingHealth = MeetingHealth()
    negative_turn: NegativeTurn = NegativeTurn()


#: The kinds of insights there are.
KINDS = tuple(Insights.model_fields)
