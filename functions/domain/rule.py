"""A tenant's rules: when an account is worth a notice, and the episodes in which it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from events.cloudevent import PRINTABLE, faults
from events.errors import Fault, Refused
from functions.domain.address import STORED, Address
from functions.domain.catalog import EVENT_TYPES
from functions.domain.condition import Condition
from functions.domain.insight import SIGNAL
from functions.domain.insights import BY_TYPE
from functions.domain.plan import OwnEventType
from functions.domain.sales import UNSCORED

#: Rules of one tenant: each is evaluated after every event.
MOST_RULES = 100


class Email(BaseModel):
    """Send an e-mail."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    channel: Literal["email"]
    to: Address


class RuleDefinition(BaseModel):
    """One version of a rule, as the tenant wrote it.

    ``when`` is a CEL condition over account, event and signal; ``then`` says whom to tell. A notice opens an
    episode; the next one can open once ``when`` was false again and ``cooldownHours`` have passed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=PRINTABLE)]
    when: Annotated[str, StringConstraints(min_length=1, max_length=2000)]
    then: Annotated[list[Email], Field(min_length=1, max_length=1)]
    cooldownHours: Annotated[int, Field(ge=0, le=24 * 365)] = 24  # noqa: N815 - the wire's name

    @classmethod
    def as_saved(cls, definition: Mapping[str, Any]) -> RuleDefinition:
        """Read a definition that was saved, perhaps by an earlier release that refused less.

        Raises:
            Refused: 422, it would not be saved today.
        """
        try:
            return cls.model_validate(definition, context=STORED)
        except ValidationError as exc:
            raise Refused("Unacceptable rule", status=422, faults=faults(exc)) from exc


def check_names(condition: Condition, own: Mapping[str, OwnEventType]) -> None:
    """Make sure that the event and signal types a condition compares with are such that a tenant has.

    Args:
        own: the tenant's own event types, by name.

    Raises:
        Refused: 422 with each name that no event of the tenant can have.
    """
    known = {
        "event.type": own.keys() | {kind.type for kind in EVENT_TYPES.values()} | BY_TYPE.keys(),
        "signal.type": {UNSCORED, SIGNAL}
        | {t.signal for t in own.values()}
        | {kind.signal for kind in EVENT_TYPES.values()},
    }
    unknown = [(fact, name) for fact, names in condition.compares.items() for name in sorted(names - known[fact])]
    if unknown:
        said = (f"{fact} is never {json.dumps(name, ensure_ascii=False)}: no such type" for fact, name in unknown)
        raise Refused("Unacceptable rule", status=422, faults=tuple(Fault("/when", each) for each in said))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One version of a tenant's rule, ready to be asked."""

    tenant_id: str
    id: str
    version: int
    definition: RuleDefinition
    condition: Condition

    @property
    def of_insights(self) -> bool:
        """Whether it speaks of insights. Others are not evaluated for them: they were after the event itself."""
        return SIGNAL in self.definition.when


class Episode(NamedTuple):
    """How a rule stands with an account.

    Args:
        number: how many episodes there have been.
        open: whether ``when`` has been true since the last one began.
        opened_at: when the last one began.
    """

    number: int = 0
    open: bool = False
    opened_at: datetime | None = None

    def after(self, holds: bool, at: datetime, cooldown: timedelta) -> Episode:
        """The episode after the rule was asked at ``at``: begun, ended or as it was."""
        if not holds:
            return Episode(self.number, False, self.opened_at)
        if self.open or (self.opened_at is not None and at < self.opened_at + cooldown):
            return self
        return Episode(self.number + 1, True, at)


#: How a rule stands with an account before its first episode.
NEVER = Episode()
