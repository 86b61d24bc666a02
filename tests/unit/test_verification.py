"""Which events count: the same set of events ends the same, whatever its order, however it is batched and repeated."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import chain, pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.domain import score, standing
from functions.domain.evidence import CLICKED, SENT, marks
from functions.domain.judgement import GroupKey, Identity, Recorded, Stretch
from functions.domain.model import DEFAULT, ScoringModel, Versioned
from functions.domain.neighbours import Neighbours
from functions.domain.policy import Fact
from functions.domain.retraction import Retraction
from functions.domain.sales import SalesEvent
from functions.domain.signal import Signal
from functions.domain.standing import BURST, CAMPAIGN, DAY, FAST, FLAGGED, LINKS, PROXY, RETRACTED
from tests.unit.test_engine import signal as engine_signal

#: Small numbers, so that few events are enough.
SMALL = ScoringModel.model_validate(
    {
        "caps": {"perDay": {"page_viewed": 3, "email_clicked": 2}, "perCampaign": {"email_clicked": 3}},
        "machines": {
            "burst": {"page_viewed": {"events": 4, "seconds": 60}},
            "mailBurst": {"links": 3, "seconds": 10},
        },
    }
)


def event(
    number: int,
    alias: str = "page_viewed",
    *,
    at: float = 0,
    contact: str | None = "jo",
    account: str = "acme",
    **metadata: Any,
) -> Signal:
    """Event ``number``, ``at`` so many seconds past noon."""
    made = engine_signal(number, alias, account=account, received=timedelta(days=40), metadata=metadata)
    occurred_at = made.event.received_at - timedelta(days=40) + timedelta(seconds=at)
    return Signal.of(made.event._replace(id=f"{number:04}", contact_id=contact, occurred_at=occurred_at))


def retraction(number: int, of: int) -> Signal:
    made = engine_signal(number, "event_retracted", account="unassigned").event
    return Signal.of(made._replace(id=f"r{number:04}", retracts=Retraction(f"{of:04}", "/crm", None)))


@dataclass
class Record:
    """What is stored: each event once, with why it is left out; and what was retracted."""

    model: ScoringModel
    facts: dict[str, Recorded] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    retracted: set[Identity] = field(default_factory=set)

    def take(self, batch: Sequence[Signal]) -> None:
        once = {each.event.id: each for each in reversed(batch) if each.event.id not in self.seen}
        new = [each for each in batch if once.pop(each.event.id, None)]
        self.seen |= {each.event.id for each in new}
        for each in new:  # they are on record, as if they counted, before anything is read
            if not each.event.retracts:
                self.facts[each.event.id] = recorded(each)
        named = [each.event.retracts.event_id for each in new if each.event.retracts]
        neighbours = Neighbours(
            {"t1": Versioned(model=self.model)},
            new,
            {("t1", each.event.id) for each in new} & self.retracted,
            [copied(self.facts[id_]) for id_ in named if id_ in self.facts and id_ not in {e.event.id for e in new}],
        )
        before = {each.event.id for each in new}
        for stretches in neighbours.questions(lambda key: self.newest(key, before)):
            neighbours.learn([copied(each) for stretch in stretches for each in self.read(stretch)])
        for each in new:
            verdict = neighbours.judge(each)
            if not each.event.retracts:
                self.facts[each.event.id].fact.left_out = verdict.left_out
            for change in verdict.changes:
                stored = self.facts[change.fact.id].fact
                assert stored.left_out == change.before
                stored.left_out = change.fact.left_out
        self.retracted |= {("t1", id_) for id_ in named}

    def newest(self, key: GroupKey, new: set[str]) -> tuple[dict[str, int], int]:
        of = [each.fact for each in self.facts.values() if each.group == key and each.fact.id not in new]
        of.sort(key=lambda fact: fact.at)
        return {fact.type: fact.at for fact in of}, of[-1].at if of else -(10**18)

    def read(self, asked: Stretch) -> list[Recorded]:
        found = [each for each in self.facts.values() if each.group == asked[:3] and fits(each.fact, asked)]
        return sorted(found, key=lambda each: each.fact.place)[: asked.most]

    @property
    def left_out(self) -> dict[str, int]:
        return {id_: each.fact.left_out for id_, each in sorted(self.facts.items())}


def fits(fact: Fact, asked: Stretch) -> bool:
    hidden = standing.UNVERIFIED if asked.verified else standing.BY_ITSELF
    return (
        fact.type == asked.type
        and (asked.since is None or fact.at >= asked.since)
        and (asked.until is None or fact.at < asked.until)
        and (asked.campaign is None or fact.marks.campaign == asked.campaign)
        and not fact.left_out & (hidden | RETRACTED)
    )


def recorded(signal: Signal) -> Recorded:
    event, kind = signal.event, signal.event.kind
    fact = Fact(
        event.id,
        kind.type,
        score.since_landmark(event.occurred_at),
        kind.side,
        kind.points,
        kind.half_life_days,
        marks(kind.type, event.metadata),
    )
    return Recorded(("t1", event.account_id, event.contact_id), fact)


def copied(each: Recorded) -> Recorded:
    return Recorded(each.group, replace(each.fact))


def naive(model: ScoringModel, signals: Iterable[Signal]) -> dict[str, int]:
    """Why each event is left out, from the definition and the whole set."""
    events = {each.event.id: each.event for each in signals if not each.event.retracts}
    gone = {each.event.retracts.event_id for each in signals if each.event.retracts}
    found = {id_: RETRACTED if id_ in gone else _itself(model, each) for id_, each in events.items()}
    left = {id_: each for id_, each in events.items() if not found[id_]}
    for id_, each in left.items():
        if each.kind.side != "buyer" or each.kind.points <= 0:
            continue
        others = [other for other in left.values() if _who(other) == _who(each)]
        found[id_] |= _fast(model, each, others) | _bursts(model, each, others)
    verified = [each for id_, each in left.items() if not found[id_] and each.kind.points > 0]
    for each in verified:
        earlier = [
            other
            for other in verified
            if _who(other) == _who(each)
            and other.kind == each.kind
            and (other.occurred_at, other.id) < (each.occurred_at, each.id)
        ]
        day, campaign = each.occurred_at.date(), each.metadata.get("campaign")
        if sum(o.occurred_at.date() == day for o in earlier) >= model.caps.perDay.get(each.kind.type, 10**9):
            found[each.id] |= DAY
        if campaign and sum(
            other.metadata.get("campaign") == campaign for other in earlier
        ) >= model.caps.perCampaign.get(each.kind.type, 10**9):
            found[each.id] |= CAMPAIGN
    return dict(sorted(found.items()))


def _who(event: SalesEvent) -> tuple[str, str | None]:
    return event.account_id, event.contact_id


def _itself(model: ScoringModel, event: SalesEvent) -> int:
    if event.kind.side != "buyer" or event.kind.points <= 0:
        return 0
    flagged = FLAGGED if any(event.metadata.get(name) is True for name in model.machines.flags) else 0
    return flagged | (PROXY if "GoogleImageProxy" in event.metadata.get("userAgent", "") else 0)


def _fast(model: ScoringModel, click: SalesEvent, others: Iterable[SalesEvent]) -> int:
    if click.kind.type != CLICKED:
        return 0
    for mail in others:
        since = (click.occurred_at - mail.occurred_at).total_seconds()
        if mail.kind.type == SENT and 0 <= since < model.machines.clickAfterSendSeconds:
            names = {click.metadata.get("messageId"), mail.metadata.get("messageId")}
            if (len(names) == 1 and None not in names) or (click.contact_id and None in names):
                return FAST
    return 0


def _bursts(model: ScoringModel, event: SalesEvent, others: Sequence[SalesEvent]) -> int:
    found = 0
    same = [other for other in others if other.kind == event.kind]
    if burst := model.machines.burst.get(event.kind.type):
        for shift, bit in ((0, BURST), (burst.seconds / 2, BURST * 2)):
            if (
                sum(_window(o, burst.seconds, shift) == _window(event, burst.seconds, shift) for o in same)
                >= burst.events
            ):
                found |= bit
    links, mail = model.machines.mailBurst, event.metadata.get("messageId")
    if links and event.kind.type == CLICKED and mail and event.metadata.get("url"):
        for shift, bit in ((0, LINKS), (links.seconds / 2, LINKS * 2)):
            urls = {
                other.metadata.get("url")
                for other in same
                if other.metadata.get("messageId") == mail
                and _window(other, links.seconds, shift) == _window(event, links.seconds, shift)
            } - {None}
            if len(urls) >= links.links:
                found |= bit
    return found


def _window(event: SalesEvent, seconds: float, shift: float) -> int:
    return int((event.occurred_at - score.LANDMARK).total_seconds() * 1000 + shift * 1000) // int(seconds * 1000)


#: Seconds after noon: close together, around midnight, and over the hours.
MOMENTS = st.one_of(st.integers(0, 24), st.integers(43_194, 43_206), st.integers(1, 20).map(lambda n: n * 45))
WHO = st.sampled_from(["jo", "jo", "jo", None])


def fields(**given: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Events of some fields; one that is None is left out."""
    built = st.fixed_dictionaries({"at": MOMENTS, "contact": WHO, **given})
    return built.map(
        lambda each: {name: value for name, value in each.items() if value is not None or name == "contact"}
    )


PAGES = fields(alias=st.just("page_viewed"))
CLICKS = fields(
    alias=st.just("email_clicked"),
    url=st.sampled_from(["/a", "/b", "/c", None]),
    messageId=st.sampled_from(["m1", "m1", "m2", None]),
    campaign=st.sampled_from(["spring", "spring", "autumn", None]),
    machine=st.sampled_from([None] * 9 + [True]),
    userAgent=st.sampled_from([None] * 9 + ["GoogleImageProxy"]),
)
MAILS = fields(alias=st.just("email_sent"), messageId=st.sampled_from(["m1", "m2", None]))
OTHERS = fields(alias=st.just("email_bounced"), machine=st.just(True))
#: Of one mail, on several links, within seconds.
SCANS = st.builds(
    lambda at, steps: [
        {"alias": "email_clicked", "at": at + step, "contact": "jo", "messageId": "m1", "url": f"/{number}"}
        for number, step in enumerate(steps)
    ],
    MOMENTS,
    st.lists(st.integers(0, 8), min_size=2, max_size=4),
)
ANY = st.one_of(*(each.map(lambda one: [one]) for each in (PAGES, PAGES, CLICKS, CLICKS, MAILS, OTHERS)), SCANS)
EVENTS = st.integers(5, 25).flatmap(
    lambda count: st.lists(ANY, min_size=count, max_size=count).map(
        lambda events: [event(number, **each) for number, each in enumerate(chain.from_iterable(events))]
    )
)


@given(EVENTS, st.lists(st.integers(0, 39), max_size=6), st.data())
def test_an_event_stands_as_the_whole_set_says_in_any_order_batching_and_repetition(signals, retracted, data):
    everything = [*signals, *(retraction(number, of) for number, of in enumerate(retracted))]
    expected = naive(SMALL, everything)
    shuffled = data.draw(st.permutations(everything))
    again = data.draw(st.lists(st.sampled_from(everything), max_size=10)) if everything else []
    cuts = data.draw(st.lists(st.integers(0, len(shuffled) + len(again)), max_size=8))
    edges = [0, *sorted(cuts), len(shuffled) + len(again)]
    record = Record(SMALL)
    for start, end in pairwise(edges):
        record.take([*shuffled, *again][start:end])
    assert record.left_out == expected


def stands(*signals: Signal, model: ScoringModel = DEFAULT) -> list[str]:
    """How each event stands after all came in one batch."""
    record = Record(model)
    record.take(signals)
    return [standing.standing(left_out) for left_out in record.left_out.values()]


NINE_HOURS = 9 * 3600
COUNTED, CAPPED, UNVERIFIED, GONE = "counted", "capped", "unverified", "retracted"


@pytest.mark.parametrize(
    ("signals", "expected"),
    [
        ([event(n, at=n * 60) for n in range(17)], [COUNTED] * 15 + [CAPPED] * 2),
        ([event(n, at=n) for n in range(20)], [UNVERIFIED] * 20),
        ([event(n, at=n) for n in range(19)], [COUNTED] * 15 + [CAPPED] * 4),
        ([event(n, "email_clicked", machine=True) for n in range(12)], [UNVERIFIED] * 12),
        ([event(n, "email_opened", userAgent="Mozilla (via GoogleImageProxy)") for n in range(2)], [UNVERIFIED] * 2),
        ([event(n, "email_clicked", at=n, messageId=7, url=f"/{n}") for n in range(3)], [UNVERIFIED] * 3),
        ([event(n, "email_clicked", at=n, messageId=7, url="/same") for n in range(3)], [COUNTED] * 3),
        ([event(1, "email_sent"), event(2, "email_clicked", at=1.9)], [COUNTED, UNVERIFIED]),
        ([event(1, "email_sent"), event(2, "email_clicked", at=2)], [COUNTED, COUNTED]),
        (
            [event(1, "email_sent", messageId="a"), event(2, "email_clicked", at=1, messageId="b")],
            [COUNTED, COUNTED],
        ),
        ([event(1, "email_sent", contact=None), event(2, "email_clicked", at=1, contact=None)], [COUNTED, COUNTED]),
        (
            [event(1, "email_sent"), event(2, "email_clicked", at=1), retraction(1, of=1)],
            [GONE, COUNTED],
        ),
        (
            [event(n, "email_sent") for n in (1, 2)] + [event(3, "email_clicked", at=1), retraction(1, of=1)],
            [GONE, COUNTED, UNVERIFIED],
        ),
        (
            [event(n, "email_opened", at=n * NINE_HOURS, campaign="spring") for n in range(4)],
            [COUNTED] * 3 + [CAPPED],
        ),
        ([event(n, "demo_completed", at=n) for n in range(30)], [COUNTED] * 30),
        ([event(1, "email_bounced", machine=True)], [COUNTED]),
    ],
)
def test_what_counts(signals, expected):
    assert stands(*signals) == expected


def test_what_was_capped_because_of_an_event_counts_again_once_that_is_retracted():
    pages = [event(n, at=n * 60) for n in range(16)]
    assert stands(*pages, retraction(1, of=3)) == [COUNTED] * 3 + [GONE] + [COUNTED] * 12
    assert stands(retraction(1, of=3), *pages, retraction(2, of=3)) == [COUNTED] * 3 + [GONE] + [COUNTED] * 12


def test_nothing_is_asked_for_an_event_that_nothing_on_record_is_near():
    seen = score.since_landmark(event(1, at=0).event.occurred_at)
    new = [event(2, at=86_400), event(3, "demo_completed", at=0), event(4, "email_clicked", at=60)]
    neighbours = Neighbours({}, new)
    newest = {"io.sspp.page.viewed": seen, SENT: seen}
    assert list(neighbours.questions(lambda key: (newest, seen))) == []


@pytest.mark.parametrize(
    ("left_out", "words"),
    [
        (0, []),
        (BURST * 2, ["one of a burst"]),
        (FLAGGED | DAY, ["its metadata says that a machine caused it", "more than count of a contact's day"]),
        (RETRACTED, ["retracted at 2026-03-04T12:00:00Z by /crm: entered twice"]),
    ],
)
def test_why_a_signal_is_left_out_is_said_in_words(left_out, words):
    gone = standing.Retraction("2026-03-04T12:00:00Z", "/crm", "entered twice")
    assert standing.sentences(left_out, gone) == words
