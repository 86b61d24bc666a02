"""Sales events: a type we know, an account we can name, and a clock that cannot run ahead."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.cloudevent import CloudEvent, event_id
from events.errors import Fault, Refused
from functions.domain.catalog import EVENT_TYPES, EventType
from functions.domain.sales import ANY_TYPE, RECEIVED, TENANT, UNASSIGNED, sales_data, sales_event

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
KNOWN = EVENT_TYPES.get


def event(**attributes: object) -> CloudEvent:
    return CloudEvent.model_validate(
        {
            "specversion": "1.0",
            "id": "1",
            "source": "/crm",
            "type": "io.sspp.demo.completed",
            "data": {"accountId": "acme"},
            TENANT: "tenant",
            RECEIVED: NOON.isoformat(),
            **attributes,
        }
    )


def in_bytes(data: object) -> str:
    """Data as ``data_base64`` has it."""
    return b64encode(json.dumps(data).encode()).decode()


def refusal_of(**attributes: object) -> list[str]:
    with pytest.raises(Refused) as caught:
        sales_data(event(**attributes), KNOWN, any_type=False)
    assert caught.value.status == 422
    return [fault.pointer for fault in caught.value.faults]


@pytest.mark.parametrize("kind", sorted({kind.name for kind in EVENT_TYPES.values()}))
def test_every_type_has_an_alias_that_means_the_same(kind):
    by_type, by_alias = EVENT_TYPES[f"io.sspp.{kind}"], EVENT_TYPES[kind.replace(".", "_")]
    assert by_type is by_alias
    data = {"accountId": "acme", "contactId": "jo@acme.io", "attributes": {}, "source": "/crm", "id": "1", "from": "b"}
    assert sales_data(event(type=by_type.alias, data=data), KNOWN, any_type=False)[0] is by_type


def test_an_accepted_event_is_read_in_our_own_terms():
    data = {"accountId": "acme", "contactId": "jo@acme.io", "userId": "u1", "metadata": {"n": [1]}, "other": 1}
    found = sales_event(event(data=data, time="2026-03-04T12:30:00+01:00"), KNOWN)
    assert str(found.id) == event_id("tenant", "/crm", "1")
    assert (found.tenant_id, found.source, found.source_id) == ("tenant", "/crm", "1")
    assert (found.account_id, found.contact_id, found.user_id) == ("acme", "jo@acme.io", "u1")
    assert (found.kind.alias, found.metadata, found.data) == ("demo_completed", {"n": [1]}, data)
    assert (found.occurred_at, found.received_at) == (NOON - timedelta(minutes=30), NOON)


def test_an_accepted_event_is_kept_as_it_was_sent():
    found = sales_event(event(subject="deal/7", region="eu", data={"accountId": "acme", "seats": 3}), KNOWN)
    attributes = {"specversion": "1.0", "id": "1", "source": "/crm", "type": "io.sspp.demo.completed"}
    assert found.attributes == {**attributes, "subject": "deal/7", "region": "eu"}
    assert found.sent == {**found.attributes, "data": {"accountId": "acme", "seats": 3}}


def test_data_in_bytes_is_read_and_kept_in_bytes():
    encoded = in_bytes({"accountId": "acme", "seats": 3})
    found = sales_event(event(data=None, data_base64=encoded), KNOWN)
    assert (found.data, found.sent["data_base64"]) == ({"accountId": "acme", "seats": 3}, encoded)
    assert "data_base64" not in found.attributes


SAYS = {"owner": "sam", "fit": 0.8}
ROLE = {"role": "champion", "title": None}


@pytest.mark.parametrize(
    ("kind", "data", "of_account", "of_contact"),
    [
        ("account_updated", {"attributes": SAYS}, SAYS, {}),
        ("account_updated", {"attributes": SAYS, "contactId": "jo", "contact": ROLE}, SAYS, ROLE),
        ("contact_updated", {"attributes": ROLE, "contactId": "jo"}, {}, ROLE),
        (
            "contact_updated",
            {"attributes": {"a": 1}, "contactId": "jo", "contact": {"a": 2, "b": 3}},
            {},
            {"a": 1, "b": 3},
        ),
        ("page_viewed", {"contactId": "jo", "contact": ROLE}, {}, ROLE),
        ("page_viewed", {"contact": ROLE}, {}, {}),
        ("page_viewed", {"contactId": "jo", "contact": "Jo"}, {}, {}),
        (
            "page_viewed",
            {"contactId": "jo", "contact": {"role": "VP Sales", "title": "VP", "at": {"x": 1}}},
            {},
            {"title": "VP"},
        ),
        ("page_viewed", {"contactId": "jo", "attributes": [1]}, {}, {}),
    ],
)
def test_an_event_says_what_attributes_its_account_and_its_contact_have(kind, data, of_account, of_contact):
    found = sales_event(event(type=kind, data={"accountId": "acme", **data}), KNOWN)
    assert (found.account_says, found.contact_says) == (of_account, of_contact)


@pytest.mark.parametrize(
    ("kind", "data", "pointers"),
    [
        ("account_updated", {}, ["/data/attributes"]),
        ("account_updated", {"attributes": []}, ["/data/attributes"]),
        ("account_updated", {"attributes": {"fit": 2}}, ["/data/attributes/fit"]),
        ("contact_updated", {"attributes": {"fit": 2}}, ["/data/contactId", "/data/attributes/fit"]),
    ],
)
def test_bad_attributes_are_refused_and_taken_as_data_where_everything_is(kind, data, pointers):
    data = {"accountId": "acme", **data}
    assert refusal_of(type=kind, data=data) == pointers
    found = sales_event(event(type=kind, data=data, **{ANY_TYPE: "1"}), KNOWN)
    assert (found.account_says, found.contact_says, found.data) == ({}, {}, data)


@pytest.mark.parametrize("other", [None, "acme", " acme ", "", 7, "a\nb"])
def test_a_merge_names_another_account(other):
    data = {"accountId": "acme", "from": other}
    assert refusal_of(type="account_merged", data=data) == ["/data/from"]
    assert sales_event(event(type="account_merged", data=data, **{ANY_TYPE: "1"}), KNOWN).other_account is None
    assert sales_event(event(type="account_merged", data={**data, "from": " b "}), KNOWN).other_account == "b"
    assert sales_event(event(data={**data, "from": "b"}), KNOWN).other_account is None


def test_contact_user_and_metadata_may_be_left_out():
    found = sales_event(event(), KNOWN)
    assert (found.contact_id, found.user_id, found.metadata) == (None, None, {})


@pytest.mark.parametrize(
    ("subject", "data", "account"),
    [
        (None, {"accountId": "acme"}, "acme"),
        ("account/globex", {"accountId": "acme"}, "acme"),
        ("account/globex", {}, "globex"),
        ("account/globex", None, "globex"),
        ("account/a/b", {"accountId": None}, "a/b"),
    ],
)
def test_the_account_is_in_the_data_or_else_in_the_subject(subject, data, account):
    for given_ in ({"data": data}, {"data": None, "data_base64": in_bytes(data)}):
        assert sales_data(event(subject=subject, **given_), KNOWN, any_type=False)[1] == account


@pytest.mark.parametrize(("data", "where"), [([], "/data"), ({"accountId": "a", "metadata": 1}, "/data/metadata")])
def test_what_should_be_an_object_is_told_so_in_the_senders_words(data, where):
    with pytest.raises(Refused) as caught:
        sales_data(event(data=data), KNOWN, any_type=False)
    assert caught.value.faults == (Fault(where, "must be a JSON object"),)


@pytest.mark.parametrize(
    ("attributes", "pointers"),
    [
        ({"type": "io.sspp.nonsense"}, ["/type"]),
        ({"type": "demo.completed"}, ["/type"]),
        ({"type": "DEMO_COMPLETED"}, ["/type"]),
        ({"data": {}}, ["/data/accountId"]),
        ({"data": None}, ["/data/accountId"]),
        ({"data": {}, "subject": "account/"}, ["/data/accountId"]),
        ({"data": {}, "subject": "contact/jo"}, ["/data/accountId"]),
        ({"data": {"accountId": ""}}, ["/data/accountId"]),
        ({"data": {"accountId": 7}}, ["/data/accountId"]),
        ({"data": {"accountId": "a" * 257}}, ["/data/accountId"]),
        ({"data": {"accountId": "a\nb"}}, ["/data/accountId"]),
        ({"data": {"accountId": "a", "contactId": 7, "userId": ""}}, ["/data/contactId", "/data/userId"]),
        ({"data": {"accountId": "a", "metadata": [1]}}, ["/data/metadata"]),
        ({"data": {"accountId": "a", "metadata": None}}, ["/data/metadata"]),
        ({"data": []}, ["/data"]),
        ({"data": "acme"}, ["/data"]),
        ({"data": None, "data_base64": "eA=="}, ["/data_base64"]),
        ({"data": None, "data_base64": "eA==", "type": "nonsense"}, ["/type", "/data_base64"]),
        ({"data": None, "data_base64": in_bytes({"accountId": 7})}, ["/data/accountId"]),
        ({"data": None, "data_base64": in_bytes({"accountId": "a", "metadata": {"x": "\0"}})}, ["/data/metadata/x"]),
        ({"data": None, "data_base64": in_bytes([])}, ["/data"]),
        ({"type": "nonsense", "data": {"accountId": 7}}, ["/type", "/data/accountId"]),
    ],
)
def test_what_is_unacceptable_is_pointed_at(attributes, pointers):
    assert refusal_of(**attributes) == pointers


def test_a_tenant_may_know_types_of_its_own():
    own = EventType("acme.webinar", "interest", 40, 12, 10, prefix="")
    found = sales_event(event(type="acme.webinar"), {"acme.webinar": own}.get)
    assert (found.kind, found.kind.type) == (own, "acme.webinar")


@pytest.mark.parametrize(
    ("attributes", "account"),
    [({}, "acme"), ({"data": {}}, UNASSIGNED), ({"data": {}, "subject": "account/globex"}, "globex")],
)
def test_a_door_that_takes_any_type_keeps_what_nobody_knows_unscored(attributes, account):
    found = sales_event(event(type="something.else", **{ANY_TYPE: "1"}, **attributes), KNOWN)
    assert (found.kind.type, found.account_id) == ("something.else", account)
    assert (found.kind.points, found.kind.hundredths) == (0, 0)


def test_a_door_that_takes_any_type_scores_what_is_known():
    assert sales_event(event(**{ANY_TYPE: "1"}), KNOWN).kind is EVENT_TYPES["demo_completed"]


def test_what_is_known_but_nobodys_is_a_signal_without_points():
    found = sales_event(event(data={}, **{ANY_TYPE: "1"}), KNOWN)
    assert (found.account_id, found.kind.points) == (UNASSIGNED, 0)
    assert (found.kind.signal, found.kind.hundredths) == ("high_intent", 90)


def test_a_door_that_takes_any_type_still_refuses_data_of_the_wrong_shape():
    with pytest.raises(Refused) as caught:
        sales_data(event(type="something.else", data={"accountId": 7}), KNOWN, any_type=True)
    assert [fault.pointer for fault in caught.value.faults] == ["/data/accountId"]


@pytest.mark.parametrize("missing", [TENANT, RECEIVED])
def test_what_did_not_come_through_our_front_door_is_refused(missing):
    with pytest.raises(Refused) as caught:
        sales_event(event(**{missing: None}), KNOWN)
    assert caught.value.status == 422


@pytest.mark.parametrize("received", ["yesterday", "2026-13-01T00:00:00Z", ""])
def test_a_stamp_that_is_no_moment_did_not_come_from_us(received):
    with pytest.raises(Refused):
        sales_event(event(**{RECEIVED: received}), KNOWN)


def test_an_account_too_long_is_refused_in_the_subject_as_in_the_data():
    assert refusal_of(subject="account/" + "a" * 257, data={}) == ["/subject"]
    assert refusal_of(data={"accountId": "a" * 257}) == ["/data/accountId"]


@pytest.mark.parametrize(
    ("time", "occurred_at"),
    [
        (None, NOON),
        ("2026-03-04T11:59:59Z", NOON - timedelta(seconds=1)),
        ("2026-03-04T12:00:01Z", NOON),
        ("2026-03-04T12:59:59+01:00", NOON - timedelta(seconds=1)),
        ("2027-01-01T00:00:00Z", NOON),
        ("2026-03-03T23:59:60Z", NOON - timedelta(hours=12)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
    ],
)
def test_an_event_never_occurs_after_it_was_received(time, occurred_at):
    assert sales_event(event(time=time), KNOWN).occurred_at == occurred_at


@given(st.timedeltas(timedelta(days=-700_000), timedelta(days=700_000)), st.integers(-23 * 60, 23 * 60))
def test_an_instant_is_the_same_in_every_zone(since, minutes):
    zone = timezone(timedelta(minutes=minutes))
    found = sales_event(event(time=(NOON + since).astimezone(zone).isoformat()), KNOWN)
    assert found.occurred_at == min(NOON + since, NOON)
    assert found.occurred_at.utcoffset() == timedelta(0)


def test_a_retraction_names_an_event_by_source_and_id_or_by_the_id_it_was_given_and_needs_no_account():
    by_source = {"source": "/web", "id": "7", "reason": "entered twice"}
    found = sales_event(event(type="event_retracted", data=by_source), KNOWN)
    assert found.retracts == (event_id("tenant", "/web", "7"), "/crm", "entered twice")
    assert (found.account_id, found.nobodys) == (UNASSIGNED, True)
    by_id = {"eventId": event_id("tenant", "/web", "7"), "by": "key 1a2b3c4d"}
    found = sales_event(event(type="event_retracted", data=by_id), KNOWN)
    assert found.retracts == (event_id("tenant", "/web", "7"), "key 1a2b3c4d", None)
    assert sales_event(event(), KNOWN).retracts is None


@pytest.mark.parametrize(
    ("data", "pointer"),
    [
        ({}, "/data"),
        ({"source": "/web"}, "/data"),
        ({"source": "/web", "id": "7", "eventId": event_id("tenant", "/web", "7")}, "/data"),
        ({"eventId": "seven"}, "/data/eventId"),
        ({"source": "/web", "id": 7}, "/data/id"),
        ({"source": "/web", "id": "7", "reason": "r" * 301}, "/data/reason"),
    ],
)
def test_a_retraction_that_names_no_event_is_refused(data, pointer):
    assert refusal_of(type="event_retracted", data=data) == [pointer]
