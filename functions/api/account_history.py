"""What happened to an account: one list of everything, its days, and what has changed in words."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Literal

from pydantic import Field

from events.errors import Fault, Refused
from functions.adapters.postgres.pages import Place
from functions.api import examples
from functions.api.accounts import Contribution, Score, account_of, contributions, found
from functions.api.backends import Backends
from functions.api.paging import Cursor, Limit, NextCursor, read_cursor, write_cursor
from functions.api.parameters import Moment, Question
from functions.api.routes import Resource
from functions.api.shown import Id, Shown, Time
from functions.domain import timeline
from functions.domain.explain import TREND_SPAN
from functions.domain.signal import instant

#: Nothing is compared with an earlier moment.
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Days that are shown: where nothing is said, and at the most.
USUAL_DAYS, MOST_DAYS = 90, 366


class DayRange(Question):
    """Days in UTC; the last 90 where nothing is said."""

    since: Annotated[Moment | None, Field(alias="from", description="On the first day.")] = None
    until: Annotated[Moment | None, Field(alias="to", description="On the last day; not later than now.")] = None

    def days(self, now: datetime) -> tuple[date, date]:
        """Return the first and the last day.

        Raises:
            Refused: 400, they are too many or the wrong way round.
        """
        last = min(self.until or now, now).astimezone(UTC).date()
        first = self.since.astimezone(UTC).date() if self.since else last - timedelta(days=USUAL_DAYS - 1)
        if not timedelta(0) <= last - first < timedelta(days=MOST_DAYS):
            raise Refused(
                "Bad request", faults=(Fault("/from", f"must be 0 to {MOST_DAYS - 1} days before the last"),)
            )
        return first, last


class Day(Shown):
    """A day in UTC with the scores at its end, or now where it goes on."""

    date: Annotated[str, Field(json_schema_extra={"format": "date"})]
    engagement: Score
    effort: Score
    contributions: Annotated[list[Contribution], Field(description="What happened on this day, as of its end.")]


class Days(Shown):
    """Days of an account, the first one first, those without events too."""

    account_id: str
    data: list[Day]


class TimelinePage(Question):
    """Which entries of a timeline."""

    cursor: Cursor = None
    limit: Limit = 20


class Entry(Shown):
    """Something that happened to an account, or that was noticed about it."""

    kind: Annotated[
        Literal["event", "insight", "correction", "notice"],
        Field(description="`correction`: an event was retracted. `notice`: a rule wanted somebody told."),
    ]
    at: Time
    id: Annotated[Id, Field(description="Of the signal or the notice.")]
    title: Annotated[str, Field(description="The event's type, or the name of the notice's rule.")]
    contact_id: str | None
    user_id: str | None
    points: Annotated[int | None, Field(description="Of an event, when it happened.")]
    reasons: Annotated[list[str], Field(description="Of a signal or an insight.")]
    engagement: Annotated[Score | None, Field(description="Of a notice: the score that it states.")]
    event_id: Annotated[Id | None, Field(description="Of a notice: the event that led to it.")]


class Timeline(Shown):
    """Entries of an account's timeline, the newest first."""

    account_id: str
    data: list[Entry]
    next_cursor: NextCursor


class Since(Question):
    """What an account is compared with."""

    since: Annotated[Moment | None, Field(description="A week ago if absent.")] = None


class Change(Shown):
    """What has changed about an account since a moment."""

    account_id: str
    since: Time
    as_of: Time
    engagement_before: Score
    engagement: Score
    effort_before: Score
    effort: Score
    changes: Annotated[list[str], Field(description="In words: scores, contacts, what happened, what faded.")]


resource = Resource("accounts", "Scores of accounts and their reasons.")


@resource.route("GET", "/api/v1/accounts/{id}/timeline", example=examples.TIMELINE)
def get_timeline(backends: Backends, tenant: str, *, query: TimelinePage, id_: str) -> Timeline:
    """List what happened to an account in one list, the newest first: events, insights, corrections and notices."""
    whose = f"{tenant} {id_}"
    after = None if query.cursor is None else read_cursor(query.cursor, query, whose, Place)
    account = account_of(backends, tenant, id_)
    rows = backends.reader.timeline(tenant, account, query.limit + 1, after)
    last = rows[query.limit - 1] if len(rows) > query.limit else None
    return Timeline(
        account_id=account,
        data=[Entry(**row) for row in rows[: query.limit]],
        next_cursor=None if last is None else write_cursor(query, whose, (last["at"], last["id"])),
    )


@resource.route("GET", "/api/v1/accounts/{id}/days", example=examples.DAYS)
def list_days(backends: Backends, tenant: str, *, query: DayRange, id_: str) -> Days:
    """Return what happened to an account on each day in UTC, and the scores that each day ended with."""
    now = backends.now()
    first, last = query.days(now)
    spelt, days = found(backends, tenant, id_, lambda of: backends.reader.days(tenant, of, first, last, now))
    return Days(account_id=spelt, data=[_day(each) for each in days])


@resource.route("GET", "/api/v1/accounts/{id}/changes", example=examples.CHANGES)
def get_changes(backends: Backends, tenant: str, *, query: Since, id_: str) -> Change:
    """Return what has changed about an account since yesterday, last week or any moment, in words."""
    now = backends.now()
    since = min(max(query.since or now - TREND_SPAN, EPOCH), now)
    spelt, change = found(backends, tenant, id_, lambda of: backends.reader.change(tenant, of, since, now))
    return Change(
        account_id=spelt,
        since=instant(since),
        as_of=instant(now),
        engagement_before=change.before["buyer"],
        engagement=change.now["buyer"],
        effort_before=change.before["rep"],
        effort=change.now["rep"],
        changes=list(change.sentences),
    )


def _day(day: timeline.Day) -> Day:
    return Day(
        date=day.day.isoformat(),
        engagement=day.engagement,
        effort=day.effort,
        contributions=contributions(day.events),
    )
