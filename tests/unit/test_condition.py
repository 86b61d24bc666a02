"""Conditions: numbers as people write them, names that exist, and nothing that an event could make slow."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.errors import Refused
from functions.domain.condition import MOST_MATCHED, Condition, Facts, number
from functions.domain.condition_bounds import MOST_LOOKS, MOST_SEARCHED
from functions.domain.plan import OwnEventType
from functions.domain.rule import check_names

FACTS: dict[str, object] = {
    "account.id": "acme",
    "account.engagement": 63.2,
    "account.effort": 0.0,
    "event.type": "io.sspp.demo.completed",
    "event.contact": "",
    "event.user": "",
    "event.metadata": {
        "whole": 3,
        "half": 3.5,
        "big": 9400110200881234567890,
        "plan": "pro",
        "tags": ["a", "vip"],
        "at": 1,
        "flag": True,
    },
    "event.data": {"amount": 150},
    "event.attributes": {"subject": "x"},
    "signal.type": "high_intent",
    "signal.score": 0.9,
}


def answer(when: str, metadata: dict[str, object] | None = None) -> bool | str:
    facts = FACTS if metadata is None else {**FACTS, "event.metadata": metadata}
    return Condition.compile(when).answer(Facts(facts))


@pytest.mark.parametrize(
    "when",
    [
        "account.engagement * 2 > 100",
        "2 * account.engagement > 100",
        "account.engagement * (1 + 1) >= 126",
        "account.engagement - 100 < -30",
        "account.engagement in [63, 63.2]",
        "-account.engagement < 0",
        "account.engagement + event.metadata.whole > 66",
        "event.metadata.whole * 2 == 6",
        "event.metadata.whole / 2 == 1.5",
        "event.metadata.half * 2 == 7",
        "event.metadata.whole * 1.5 > 4",
        "event.metadata.whole > -5",
        "event.metadata.whole in [1, 2, 3]",
        "event.metadata.whole == 3 && event.metadata.whole == 3.0",
        "int(event.metadata.whole) % 2 == 1",
        "event.metadata.big > 100",
        "event.metadata.plan == 'pro' && event.metadata.flag",
        "event.metadata.tags[1] == 'vip' && event.metadata.tags[event.metadata.at] == 'vip'",
        "event.metadata.tags.size() * 2 == 4",
        "event.metadata.tags.exists(t, t == 'vip')",
        "event.metadata.tags.exists_one(t, t == 'vip')",
        "event.metadata.tags.all(t, t.size() + 1 > 1)",
        "event.data.amount > 100",
        "'é😀' == event.type || account.engagement * 2 > 100",
        "event.type == 'demo_completed'",
        "event.type in ['email_sent', \"demo_completed\"]",
        "event.type != 'email_sent'",
        "event.metadata.plan.matches('^(p{1}){1,60}ro$')",
    ],
)
def test_a_condition_is_true_as_people_read_it(when):
    assert answer(when) is True


@given(st.integers(), st.integers(-1000, 1000))
def test_a_whole_number_compares_like_the_same_double_however_long_it_is(value, other):
    assert answer(f"event.metadata.n > {other}", {"n": value}) is (value > other)


#: What the front door lets in: no U+0000, which no store holds and CEL's protocol buffers cut a name at.
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
        lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
        max_leaves=20,
    )
)
def test_nothing_beside_it_changes_whether_a_text_is_equal(anything):
    assert answer("event.metadata.plan == 'pro'", {"plan": "pro", "anything": anything}) is True


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ("event.type == 5", "no matching overload"),
        ("account.engagement == 'hot'", "no matching overload"),
        ("signal.score > '1'", "no matching overload"),
        ("event.metadata.whole % 2 == 1", "int(...)"),
        ("event.metadata.whole / 0 > 1", "divides by 0"),
        ("int(event.metadata.whole) % 0 == 1", "divides by 0"),
        ("account.engagement", "true or false"),
        ("event.metadata.whole * size(event.metadata.tags) > 1", "double(...)"),
        ("event.metadata.tags.map(x, [x, x, x]).size() > 999999", "map()"),
        ("event.metadata.tags.filter(x, x != '').size() > 9", "filter()"),
        ("event.metadata.tags.map(x, x != '', x).size() > 9", "map()"),
        ("event.metadata.tags.exists(x, event.metadata.tags.exists(y, x == y))", "within a macro"),
        ("event.metadata.tags.exists(x, x.tags.exists(y, x == y))", "within a macro"),
        ("event.metadata.tags.exists(x, x in event.metadata.tags)", "its own element"),
        ("event.metadata.tags.exists(x, event.data.text.contains('a'))", "its own element"),
        ("event.metadata.tags.exists(x, x.matches('a+'))", "matches()"),
        ("event.metadata.tags.exists(x, x + x == 'aa')", "joined"),
        ("event.metadata.tags.exists(x, [x] + [x] == [x])", "joined"),
        ("event.metadata.plan.matches(event.metadata.pattern)", "in quotes"),
        ("event.metadata.plan.contains(event.metadata.plan)", "in quotes"),
        (f"event.metadata.plan.contains('{'x' * (MOST_SEARCHED + 1)}')", "characters"),
        ("event.metadata.plan.matches('((a{5}){5}){5}')", "repeats"),
        ("event.metadata.plan.matches('((a{0}){20}){20}')", "repeats"),
        ("event.metadata.plan.matches('(a{1,20}){1,20}')", "repeats"),
        (" || ".join(["event.metadata.a == event.metadata.b"] * (MOST_LOOKS + 1)), "times"),
        ("1" + " + 1" * 600 + " == 601", "recursion"),
        ("event.metadata" + ".a" * 600 + " == 1", "recursion"),
    ],
)
def test_what_is_never_true_or_may_be_slow_is_refused_when_it_is_saved(when, said):
    with pytest.raises(Refused) as caught:
        Condition.compile(when)
    assert any(said in fault.detail for fault in caught.value.faults)
    assert {fault.pointer for fault in caught.value.faults} == {"/when"}


@pytest.mark.parametrize(
    ("when", "unknown"),
    [
        ("event.type == 'demo_completed' || event.type == 'com.acme.webinar'", None),
        ("signal.type in ['high_intent', 'attention', 'unscored']", None),
        ("event.type == 'demo.completed'", "demo.completed"),
        ("event.type in ['email_sent', 'nonsense']", "nonsense"),
        ("'hot' != signal.type", "hot"),
    ],
)
def test_a_type_that_no_event_of_the_tenant_has_is_refused(when, unknown):
    own = {
        "com.acme.webinar": OwnEventType(
            type="com.acme.webinar", signal="attention", score=0.4, points=1, halfLifeDays=1
        )
    }
    if unknown is None:
        check_names(Condition.compile(when), own)
        return
    with pytest.raises(Refused) as caught:
        check_names(Condition.compile(when), own)
    assert unknown in caught.value.faults[0].detail


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ("event.metadata.missing == 'x'", "missing"),
        ("event.metadata.plan > 5", "overload"),
        ("event.metadata.tags[7] == 'x'", "7"),
    ],
)
def test_what_cannot_be_answered_says_why(when, said):
    found = answer(when)
    assert isinstance(found, str)
    assert said in found


def test_the_evaluators_own_limit_of_steps_is_no_answer_and_no_error():
    found = answer("event.metadata.l.exists(x, x == 'vip')", {"l": ["t"] * 10_001})
    assert isinstance(found, str)


def test_a_pattern_is_not_matched_against_a_long_text():
    when = "event.metadata.s.matches('a')"
    assert answer(when, {"s": "a" * MOST_MATCHED}) is True
    assert isinstance(answer(when, {"s": "a" * (MOST_MATCHED + 1)}), str)
    assert isinstance(answer(when, {"s": "a", "list": [{"deep": "a" * (MOST_MATCHED + 1)}]}), str)
    assert answer("event.metadata.s.contains('a')", {"s": "a" * (MOST_MATCHED + 1)}) is True, "no pattern, no limit"


@pytest.mark.parametrize(
    ("part", "looks"),
    [
        ("event.metadata.a == event.metadata.b", True),
        ("event.metadata.a in event.metadata.b", True),
        ("event.metadata.a.exists(x, x == 'a')", True),
        ("event.metadata.a.contains('a')", True),
        ("size(event.metadata.a) > 1", True),
        ("event.metadata.a + event.metadata.b == 'ab'", True),
        ("event.metadata.a == 'a'", False),
        ("event.metadata.a in ['a', 'b']", False),
        ("event.metadata.a == {'a': 'b'}", False),
        ("event.metadata.a + 1 > 2", False),
    ],
)
def test_a_condition_may_have_so_many_parts_that_go_through_data(part, looks):
    Condition.compile(" || ".join([part] * MOST_LOOKS))
    more = " || ".join([part] * (MOST_LOOKS + 1))
    if not looks:
        Condition.compile(more)
        return
    with pytest.raises(Refused):
        Condition.compile(more)


@pytest.mark.parametrize(
    ("when", "scores", "event", "data"),
    [
        ("account.engagement > 50 || account.effort > 5", True, False, False),
        ("account.id == 'acme' && account.effort > 5", True, False, False),
        ("account.id == 'acme'", False, False, False),
        ("event.user == 'u'", False, True, False),
        ("event.data.n == 1 && account.effort > 5", True, True, True),
        ("event.attributes.n == 'x'", False, True, True),
    ],
)
def test_a_condition_knows_what_its_answer_depends_on(when, scores, event, data):
    found = Condition.compile(when)
    assert (found.reads_scores, found.reads_event, found.reads_data) == (scores, event, data)


def test_an_alias_of_an_event_type_stands_for_it_beside_the_type_alone():
    assert answer("event.metadata.kind == 'demo_completed'", {"kind": "demo_completed"}) is True


#: About the largest that the front door admits: 10,000 values, a megabyte.
LARGEST = {
    "many": ["a" * 100] * 9_900,
    "numbers": list(range(9_900)),
    "nested": [[["a"] * 30] * 30] * 10,
    "long": "a" * 1_000_000,
    "short": "a" * MOST_MATCHED,
}


@pytest.mark.alone
@pytest.mark.parametrize(
    ("when", "metadata"),
    [
        (f"event.metadata.l.exists(x, x.contains('{'a' * 99}b'))", {"l": LARGEST["many"]}),
        ("event.metadata.l.exists_one(x, x != 'a')", {"l": LARGEST["many"]}),
        ("event.metadata.l.all(x, x >= 0 && x < 100000 && x * 2 != 7)", {"l": LARGEST["numbers"]}),
        ("event.metadata.l == event.metadata.l", {"l": LARGEST["nested"]}),
        (f"event.metadata.s.contains('{'a' * 99}b')", {"s": LARGEST["long"]}),
        ("event.metadata.s + event.metadata.s + event.metadata.s == 'a'", {"s": LARGEST["long"]}),
        (r"event.metadata.s.matches('(\\w{1,100})+b$')", {"s": LARGEST["short"]}),
        ("event.metadata.s.matches('(a|aa)*(a|b)?(a?){50}b$')", {"s": LARGEST["short"]}),
    ],
)
def test_no_accepted_condition_takes_long_for_the_largest_event(when, metadata):
    condition = Condition.compile(when)
    taken = []
    for _ in range(3):
        facts = Facts({**FACTS, "event.metadata": metadata})
        started = time.thread_time()
        condition.answer(facts)
        taken.append(time.thread_time() - started)
    assert min(taken) < 0.05


def test_numbers_become_doubles_and_nothing_else_changes():
    assert number({"a": [1, True, None, "1", 2.5, {"b": 10**400, "c": -(10**400)}]}) == {
        "a": [1.0, True, None, "1", 2.5, {"b": float("inf"), "c": float("-inf")}]
    }
