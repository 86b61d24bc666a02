"""What the API's document shows as examples: requests that the tests send, and answers to them.

The tenant is one named ``example`` that was sent the front door's examples (functions/ingest/description.py).
"""

from __future__ import annotations

from typing import Any

from events.cloudevent import event_id
from functions.api.routes import Example

_AT = "2026-01-05T10:00:00Z"
RECEIVED = "2026-01-05T10:00:01.250000Z"
_PROCESSED = "2026-01-05T10:00:01.310000Z"
#: The identity of the event ``1`` of ``/crm``.
EVENT = event_id("example", "/crm", "1")
_RULE = "0b7f6f0e-51c2-5d0f-9c57-3a4e9a4b8a10"

_ROW: dict[str, Any] = {
    "id": EVENT,
    "account_id": "acme",
    "user_id": "sam",
    "contact_id": "jane@acme.example",
    "event_type": "io.sspp.demo.completed",
    "signal_type": "high_intent",
    "signal_score": 0.9,
    "points": 60,
    "timestamp": _AT,
    "processed_at": _PROCESSED,
    "standing": "counted",
    "left_out": [],
    "metadata": {"minutes": 45},
    "reasons": ["demo_completed is worth 0.90"],
}
SENT: dict[str, Any] = {
    "specversion": "1.0",
    "id": "1",
    "source": "/crm",
    "type": "io.sspp.demo.completed",
    "time": _AT,
    "data": {"accountId": "acme", "contactId": "jane@acme.example", "userId": "sam", "metadata": {"minutes": 45}},
}
_SIGNAL = {**_ROW, "event": SENT}
_FROM = {"source": "/crm", "source_id": "1", "received_at": RECEIVED}
_ONE_PAGE = {"page": 1, "limit": 20, "total": 1, "totalPages": 1, "total_is": "exact"}

SIGNALS = Example(
    query={"accountId": "acme", "eventType": "demo_completed", "from": "2026-01-01T00:00:00Z"},
    answer={"data": [_SIGNAL], "pagination": _ONE_PAGE, "next_cursor": None},
)
SIGNAL_STATISTICS = Example(
    query={"accountId": "acme", "eventType": "demo_completed"},
    answer={
        "total_signals": 1,
        "unique_accounts": 1,
        "unique_users": 1,
        "avg_signal_score": 0.9,
        "signals_by_type": {"high_intent": 1},
        "signals_by_event": {"io.sspp.demo.completed": 1},
        "signals_by_day": {"2026-01-05": 1},
        "total_is": "exact",
    },
)
SIGNAL = Example(id=EVENT, answer={**_SIGNAL, **_FROM})
SEARCH = Example(
    query={"q": "high_intent", "accountId": "acme"},
    answer={
        "data": [
            {
                **_ROW,
                "highlight": "io sspp demo completed <em>high</em> <em>intent</em> minutes 45",
            }
        ],
        "total": 1,
        "total_is": "exact",
        "facets": {
            "signal_type": {"high_intent": 1},
            "event_type": {"io.sspp.demo.completed": 1},
            "account_id": {"acme": 1},
        },
        "date_histogram": [{"date": "2026-01-05", "count": 1}],
        "next_cursor": None,
    },
)

_SCORES = {
    "account_id": "acme",
    "name": "Acme Inc.",
    "owner": "sam",
    "domain": "acme.example",
    "tier": None,
    "fit": 0.9,
    "grade": "A1",
    "engagement": 63.2,
    "effort": 0.0,
    "band": "hot",
    "model_version": 1,
}
_SAID = {"domain": "acme.example", "fit": 0.9, "name": "Acme Inc.", "owner": "sam"}
_DEMO = {"event_type": "io.sspp.demo.completed", "events": 1, "points_now": 60.0, "latest": _AT}
ACCOUNTS = Example(
    query={"limit": 20},
    answer={
        "data": [{**_SCORES, "last_seen": _AT, "engagement_week_ago": None, "trend": None}],
        "pagination": _ONE_PAGE,
        "next_cursor": None,
    },
)
_NEW_INSIGHT = {"event_id": EVENT, "opened_at": _AT, "closed_at": None, "open": True}
_HOT = {
    **_NEW_INSIGHT,
    "id": "0c406068-48dd-5cd0-aa43-cead82074c29",
    "kind": "hot",
    "contact_id": "jane@acme.example",
    "evidence": {"engagement": 63.2, "enter": 60.0},
    "reasons": ["engagement is 63.2: 60 and more is hot"],
}
_SINGLE_THREADED = {
    **_NEW_INSIGHT,
    "id": "c8e883c9-9d2b-5e47-8372-952c51d126cd",
    "kind": "single_threaded",
    "contact_id": "jane@acme.example",
    "evidence": {"contact": "jane@acme.example", "share": 1.0, "engagement": 63.2},
    "reasons": ["jane@acme.example has 100% of all contacts' points, and engagement is 63.2"],
}
INSIGHTS = Example(
    id="acme",
    answer={
        "data": [_SINGLE_THREADED, _HOT],
        "pagination": {**_ONE_PAGE, "total": 2},
        "next_cursor": None,
    },
)
ACCOUNT = Example(
    id="acme",
    query={"at": _AT},
    answer={
        **_SCORES,
        "trend": "rising",
        "engagement_week_ago": 0.0,
        "effort": 8.0,
        "reasons": ["1 x demo_completed: +60.0 points, the latest just now"],
        "effort_reasons": ["1 x email_sent: +5.0 points, the latest just now"],
        "contributions": [_DEMO],
        "effort_contributions": [{"event_type": "io.sspp.email.sent", "events": 1, "points_now": 5.0, "latest": _AT}],
        "attributes": _SAID,
        "standing": None,
        "insights": [_HOT, _SINGLE_THREADED],
        "as_of": _AT,
    },
)

CONTACTS = Example(
    id="acme",
    answer={
        "data": [
            {
                "contact_id": "jane@acme.example",
                "name": "Jane Doe",
                "role": "champion",
                "engagement": 63.2,
                "effort": 0.0,
                "band": "hot",
                "model_version": 1,
                "events": 1,
                "last_seen": _AT,
                "attributes": {"name": "Jane Doe", "role": "champion"},
            },
        ],
        "pagination": _ONE_PAGE,
        "next_cursor": None,
    },
)
DAYS = Example(
    id="acme",
    query={"from": "2026-01-05", "to": "2026-01-05"},
    answer={
        "account_id": "acme",
        "data": [
            {
                "date": "2026-01-05",
                "engagement": 63.0,
                "effort": 7.6,
                "contributions": [
                    {**_DEMO, "points_now": 59.6},
                    {"event_type": "io.sspp.email.sent", "events": 1, "points_now": 4.72, "latest": _AT},
                ],
            }
        ],
    },
)

TIMELINE = Example(
    id="acme",
    query={"limit": 1},
    answer={
        "account_id": "acme",
        "data": [
            {
                "kind": "event",
                "at": _AT,
                "id": "f0b6a9a4-6c39-5bd0-8f0e-52d0b4e3f9a1",
                "title": "io.sspp.contact.updated",
                "contact_id": "jane@acme.example",
                "user_id": None,
                "points": 0,
                "reasons": ["contact_updated is worth 0.00"],
                "engagement": None,
                "event_id": None,
            }
        ],
        "next_cursor": "WyI0ZjY4",
    },
)
CHANGES = Example(
    id="acme",
    query={"since": "2026-01-01T00:00:00Z"},
    answer={
        "account_id": "acme",
        "since": "2026-01-01T00:00:00Z",
        "as_of": _AT,
        "engagement_before": 0.0,
        "engagement": 63.2,
        "effort_before": 0.0,
        "effort": 0.0,
        "changes": [
            "engagement rose from 0.0 to 63.2: cold became hot",
            "1 new contact: jane@acme.example",
            "1 x demo_completed: +60.0 points, the latest just now",
        ],
    },
)

_STORED: dict[str, Any] = {"status": "accepted", "id": "f0b6a9a4-6c39-5bd0-8f0e-52d0b4e3f9a1", "duplicate": False}
RETRACT = Example(id=EVENT, query={"reason": "entered twice"}, answer=_STORED)
UPDATE_ACCOUNT = Example(
    id="acme",
    body={"attributes": _SAID},
    answer=_STORED,
)
UPDATE_CONTACT = Example(
    id="acme",
    ids={"contact": "jane@acme.example"},
    body={"attributes": {"name": "Jane Doe", "role": "champion"}},
    answer=_STORED,
)
MERGE = Example(id="acme", body={"from": "acme-emea"}, answer=_STORED)
UNMERGE = Example(id="acme", ids={"other": "acme-emea"}, answer=_STORED)
MERGED_NAMES = Example(id="acme", answer={"account_id": "acme", "data": [{"account_id": "acme-emea", "into": "acme"}]})
MERGE_SUGGESTIONS = Example(query={"limit": 20}, answer={"data": []})

_NOTICE: dict[str, Any] = {
    "id": "7c0f3f1e-2f0b-5a44-8a3e-5d1f0a1b2c3d",
    "kind": "rule",
    "title": "a demo was completed",
    "rule_id": _RULE,
    "rule_version": 1,
    "account_id": "acme",
    "episode": 1,
    "event_id": EVENT,
    "engagement": 63.2,
    "created_at": _PROCESSED,
    "sent_at": "2026-01-05T10:00:02Z",
    "recipient": "sales@example.com",
    "next_attempt_at": None,
    "digest_id": None,
    "state": "sent",
    "deliveries": [
        {
            "attempt": 1,
            "at": "2026-01-05T10:00:02Z",
            "channel": "email",
            "recipient": "sales@example.com",
            "delivered": True,
            "answer": "250 accepted",
        }
    ],
}
NOTIFICATIONS = Example(query={"limit": 20}, answer={"data": [_NOTICE], "pagination": _ONE_PAGE, "next_cursor": None})
EVENT_STATUS = Example(
    id=EVENT,
    answer={
        "id": EVENT,
        "status": "processed",
        **_FROM,
        "delivered": True,
        "attempts": None,
        "processed_at": _PROCESSED,
        "signal": _SIGNAL,
        "rules_matched": [{"rule_id": _RULE, "rule_version": 1, "title": "a demo was completed"}],
        "notices": [_NOTICE],
        "indexed": True,
        "dead_letter": None,
    },
)
