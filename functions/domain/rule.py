"""A tenant's rules: when an account is worth a notice, and the episodes in which it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Annotated, Literal, NamedTuple

from cel_expr_python import cel
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from events.errors import Fault, Refused
from functions.domain import expression
from functions.domain.address import Address

#: What a condition may name.
_FACTS: Mapping[str, cel.Type] = {
    "account.id": cel.Type.STRING,
    # Numbers are dynamic, so that people may write `>= 50` as well as `>= 50.0`.
    "account.engagement": cel.Type.DYN,
    "account.effort": cel.Type.DYN,
    "event.type": cel.Type.STRING,
    "event.contact": cel.Type.STRING,
    "event.user": cel.Type.STRING,
    "event.metadata": cel.Type.Map(cel.Type.STRING, cel.Type.DYN),
    "event.data": cel.Type.Map(cel.Type.STRING, cel.Type.DYN),
    "event.attributes": cel.Type.Map(cel.Type.STRING, cel.Type.DYN),
    "signal.type": cel.Type.STRING,
    "signal.score": cel.Type.DYN,
}
#: Facts that no answer can be looked up by.
_UNHASHABLE = frozenset({"event.metadata", "event.data", "event.attributes"})
#: Answers that a condition remembers: scores have one decimal, so there are few, and asking CEL takes the longest.
_REMEMBERED = 512
_ENVIRONMENT = expression.environment(_FACTS)
#: Facts about an account that change with time and with its events.
SCORES = frozenset({"account.engagement", "account.effort"})


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

    name: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    when: Annotated[str, StringConstraints(min_length=1, max_length=2000)]
    then: Annotated[list[Email], Field(min_length=1, max_length=1)]
    cooldownHours: Annotated[int, Field(ge=0, le=24 * 365)] = 24  # noqa: N815 - the wire's name


@dataclass(frozen=True, slots=True)
class Condition:
    """A compiled ``when``.

    Args:
        asks: the facts it reads.
        answer: takes these facts in that order; whether it is true of them.
    """

    asks: tuple[str, ...]
    answer: Callable[..., bool]

    @classmethod
    def compile(cls, when: str) -> Condition:
        """Compile and type-check a condition.

        Raises:
            Refused: 422 with what is wrong where: syntax, an unknown name, types that do not go together.
        """
        try:
            program = _ENVIRONMENT.compile(when)
        except RuntimeError as exc:
            raise Refused("Unacceptable rule", status=422, faults=(Fault("/when", str(exc)),)) from exc
        if program.return_type() != cel.Type.BOOL:
            raise Refused("Unacceptable rule", status=422, faults=(Fault("/when", "must be true or false"),))
        named = {node.path for node in expression.parse(_ENVIRONMENT, when).walk()}
        asks = tuple(name for name in _FACTS if name in named)

        def answer(*values: object) -> bool:
            result = program.eval(data=dict(zip(asks, values, strict=True)))
            return result.type() == cel.Type.BOOL and bool(result.value())

        return cls(asks, lru_cache(_REMEMBERED)(answer) if _UNHASHABLE.isdisjoint(asks) else answer)

    @property
    def reads_scores(self) -> bool:
        """Whether the answer depends on the account's scores, and so on the moment it is evaluated for."""
        return not SCORES.isdisjoint(self.asks)

    @property
    def reads_event(self) -> bool:
        """Whether the answer depends on the event at hand."""
        return not SCORES.union({"account.id"}).issuperset(self.asks)

    def holds(self, facts: Mapping[str, object]) -> bool:
        """Whether it is true of ``facts``, of which it needs those it asks for.

        One that cannot be answered (a missing metadata key) is not.
        """
        return self.answer(*[facts[name] for name in self.asks])


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One version of a tenant's rule, ready to be asked."""

    tenant_id: str
    id: str
    version: int
    definition: RuleDefinition
    condition: Condition


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
