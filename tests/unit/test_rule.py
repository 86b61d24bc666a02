"""Rules: what a condition may say, when an episode begins, and that a notice has one identity."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from events.errors import Refused
from functions.domain.condition import Condition
from functions.domain.notice import rule_notice_id
from functions.domain.rule import Episode, Rule, RuleDefinition

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = 24 * HOUR
FACTS: dict[str, object] = {
    "account.id": "acme",
    "account.engagement": 63.2,
    "account.effort": 0.0,
    "event.type": "io.sspp.demo.completed",
    "event.contact": "jo@acme.io",
    "event.user": "",
    "event.metadata": {"deal": 50_000, "stage": "won", "tags": ["a", "b"], "nested": {"ok": True}, "nothing": None},
    "event.data": {"accountId": "acme", "seats": 25, "plan": {"name": "team"}},
    "event.attributes": {"type": "demo_completed", "subject": "deal/7", "region": "eu", "retries": 2},
    "signal.type": "high_intent",
    "signal.score": 0.9,
}


def notice_id(rule: Rule, account: str, episode: int) -> UUID:
    return rule_notice_id(rule.tenant_id, rule.id, rule.version, account, episode)


def definition(**fields: object) -> dict[str, object]:
    return {"name": "Hot", "when": "true", "then": [{"channel": "email", "to": "rep@example.com"}], **fields}


def rule(tenant: str = "tenant", number: int = 1, version: int = 1) -> Rule:
    return Rule(
        tenant_id=tenant,
        id=str(UUID(int=number)),
        version=version,
        definition=RuleDefinition.model_validate(definition()),
        condition=Condition.compile("true"),
    )


# --- conditions


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        ("account.engagement >= 60", True),
        ("account.engagement >= 60.0", True),
        ("account.engagement >= 63.3", False),
        ("account.effort == 0", True),
        ("account.id == 'acme'", True),
        ("event.type.endsWith('demo.completed') && signal.score > 0.8", True),
        ("event.contact.matches('@acme[.]io$')", True),
        ("event.user == ''", True),
        ("signal.type in ['intent', 'high_intent']", True),
        ("event.metadata.deal > 10000", True),
        ("event.metadata['deal'] > 10000.5", True),
        ("'a' in event.metadata.tags", True),
        ("event.metadata.nested.ok", None),
        ("event.metadata.nested.ok == true", True),
        ("has(event.metadata.deal)", True),
        ("has(event.metadata.missing)", False),
        ("event.metadata.missing > 1", False),
        ("event.metadata.missing != 1", False),
        ("event.metadata.stage > 1", False),
        ("event.metadata.nothing > 1", False),
        ("event.metadata.missing > 1 || account.engagement > 60", True),
        ("event.metadata.deal / event.metadata.zero > 1", False),
        ("event.data.seats >= 20 && event.data.plan.name == 'team'", True),
        ("event.data.missing == 1", False),
        ("event.attributes.region == 'eu' && event.attributes.subject.startsWith('deal/')", True),
        ("event.attributes.retries > 1", True),
        ("has(event.attributes.dataschema)", False),
        ("false", False),
    ],
)
def test_a_condition_holds(when, holds):
    if holds is None:
        with pytest.raises(Refused):
            Condition.compile(when)
    else:
        assert Condition.compile(when).holds(FACTS) is holds


@pytest.mark.parametrize(
    "when",
    [
        "account.engagement >",
        "account.engagement => 5",
        "",
        "nonsense > 1",
        "account.nonsense > 1",
        "account > 1",
        "event.metadata.deal",
        "1 + 1",
        "account.id",
        "'text'",
        "account.id > 5",
        "launch_missiles()",
        "(" * 500 + "true" + ")" * 500,
    ],
)
def test_a_condition_that_can_never_be_answered_is_refused_with_the_place(when):
    with pytest.raises(Refused) as caught:
        Condition.compile(when)
    assert caught.value.status == 422
    assert [fault.pointer for fault in caught.value.faults] == ["/when"]
    assert caught.value.faults[0].detail


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"n": None},
        {"n": 2**63},
        {"n": -(2**64)},
        {"n": 10**400},
        {"n": [2**64, {"m": 10**400}]},
        {"n": 1e308},
        {"": {"": {}}},
        {"n": "\u2028😀"},
    ],
)
def test_no_metadata_can_break_a_condition(metadata):
    facts = {**FACTS, "event.metadata": metadata}
    assert Condition.compile("event.metadata.n == 5").holds(facts) is False
    assert Condition.compile("account.engagement > 60").holds(facts) is True


@pytest.mark.parametrize(
    ("when", "asks"),
    [
        ("account.engagement >= 50", {"account.engagement"}),
        ("account . effort > 10 && event.user == ''", {"account.effort", "event.user"}),
        ("has(event.metadata.deal)", {"event.metadata"}),
        ("true", set()),
        ("signal.score > 0.5 && account.engagement > 1", {"signal.score", "account.engagement"}),
    ],
)
def test_a_condition_asks_for_the_facts_it_names(when, asks):
    assert set(Condition.compile(when).asks) == asks


@pytest.mark.parametrize("name", FACTS)
def test_a_condition_asks_for_every_fact_there_is_when_it_names_it(name):
    assert name in Condition.compile(f"dyn({name}) == dyn(1)").asks


# --- definitions


def test_a_rule_without_cooldown_has_one_of_a_day():
    assert RuleDefinition.model_validate(definition()).cooldownHours == 24


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"name": ""}, ("name",)),
        ({"name": "x" * 201}, ("name",)),
        ({"when": ""}, ("when",)),
        ({"when": "x" * 2001}, ("when",)),
        ({"then": []}, ("then",)),
        ({"then": [{"channel": "pigeon", "to": "rep@example.com"}]}, ("then", 0, "channel")),
        ({"then": [{"channel": "email", "to": "nobody"}]}, ("then", 0, "to")),
        ({"then": [{"channel": "email", "to": "a@b.c\nBcc: x@y.z"}]}, ("then", 0, "to")),
        ({"then": [{"channel": "email", "to": "A <a@b.c>"}]}, ("then", 0, "to")),
        ({"then": [{"channel": "email", "to": "a@b.c", "cc": "x@y.z"}]}, ("then", 0, "cc")),
        ({"cooldownHours": -1}, ("cooldownHours",)),
        ({"cooldownHours": 24 * 365 + 1}, ("cooldownHours",)),
        ({"colour": "red"}, ("colour",)),
    ],
)
def test_a_definition_that_is_wrong_is_refused_with_the_place(fields, where):
    with pytest.raises(ValidationError) as caught:
        RuleDefinition.model_validate(definition(**fields))
    assert [error["loc"] for error in caught.value.errors()] == [where]


# --- episodes


def episodes(cooldown: timedelta, *asked: tuple[timedelta, bool]) -> list[Episode]:
    """The episode after each time the rule was asked."""
    episode, found = Episode(), []
    for at, holds in asked:
        episode = episode.after(holds, NOON + at, cooldown)
        found.append(episode)
    return found


def test_an_episode_begins_once_however_long_it_lasts():
    found = episodes(DAY, *((hours * HOUR, True) for hours in range(100)))
    assert set(found) == {Episode(1, True, NOON)}


def test_a_rule_that_was_never_true_has_no_episode():
    assert episodes(DAY, (0 * HOUR, False), (HOUR, False)) == [Episode(), Episode()]


@pytest.mark.parametrize(
    ("again_after", "number"), [(2 * HOUR, 1), (DAY - HOUR / 60, 1), (DAY, 2), (DAY + HOUR, 2), (10 * DAY, 2)]
)
def test_the_next_episode_begins_after_false_and_the_cooldown(again_after, number):
    found = episodes(DAY, (0 * HOUR, True), (HOUR, False), (again_after, True))
    assert [episode.number for episode in found] == [1, 1, number]
    assert found[-1].open is (number == 2)


def test_a_condition_that_became_true_again_too_early_opens_when_the_cooldown_is_over():
    found = episodes(DAY, (0 * HOUR, True), (HOUR, False), (2 * HOUR, True), (25 * HOUR, True))
    assert [(episode.number, episode.open) for episode in found] == [(1, True), (1, False), (1, False), (2, True)]
    assert found[-1].opened_at == NOON + 25 * HOUR


def test_without_cooldown_every_time_it_becomes_true_again_is_an_episode():
    found = episodes(0 * HOUR, *((hour * HOUR, hour % 2 == 0) for hour in range(6)))
    assert [episode.number for episode in found] == [1, 1, 2, 2, 3, 3]


@given(st.lists(st.tuples(st.timedeltas(-10 * DAY, 10 * DAY), st.booleans()), max_size=30), st.integers(0, 48))
def test_episodes_are_counted_up_one_by_one_in_any_order_of_time(asked, hours):
    found = [Episode(), *episodes(hours * HOUR, *asked)]
    for (_, holds), before, after in zip(asked, found, found[1:], strict=False):
        assert after.number - before.number in (0, 1)
        assert after.open is holds or not after.open
        if after.number > before.number:
            assert (holds, before.open, after.open) == (True, False, True)


# --- notices


@pytest.mark.parametrize(
    ("other", "account", "number"),
    [
        (rule("other"), "acme", 1),
        (rule(number=2), "acme", 1),
        (rule(version=2), "acme", 1),
        (rule(), "globex", 1),
        (rule(), "acme", 2),
    ],
    ids=["tenant", "rule", "version", "account", "episode"],
)
def test_a_notice_is_known_by_tenant_rule_version_account_and_episode(other, account, number):
    assert notice_id(other, account, number) != notice_id(rule(), "acme", 1)


def test_the_identity_of_a_notice_does_not_change_from_version_to_version_of_this_code():
    assert str(notice_id(rule(), "acme", 1)) == "451c8aa0-6c2d-5899-b3c5-7ef724686192"
