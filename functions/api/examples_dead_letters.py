"""What the API's document shows of dead letters: see :mod:`functions.api.examples`."""

from __future__ import annotations

from typing import Any

from functions.api.examples import EVENT, RECEIVED, SENT
from functions.api.routes import Example

_LETTER = "events:0:1767607201310-0"

_DEAD: dict[str, Any] = {
    "id": _LETTER,
    "channel": "events",
    "tenant": "example",
    "type": "io.sspp.demo.completed",
    "source": "/crm",
    "source_id": "1",
    "event_id": EVENT,
    "reason": "/data/accountId: is required, unless subject is account/<id>",
    "status": 422,
    "attempts": 1,
    "first_at": RECEIVED,
    "last_at": RECEIVED,
    "edited": False,
}
_SELECTED = {"channel": "events", "reason": "accountId", "to": "2026-12-31T00:00:00Z"}
_NONE_LEFT = {"skipped": 0, "remaining": 0, "next_cursor": None}
DEAD_LETTERS = Example(
    query={"channel": "events", "reason": "accountId"}, answer={"data": [_DEAD], "next_cursor": None}
)
DEAD_LETTER = Example(
    id=_LETTER, answer={**_DEAD, "event": {**SENT, "data": {}, "sspptenant": "example", "ssppreceived": RECEIVED}}
)
EDIT = Example(id=_LETTER, body={"data": SENT["data"]}, answer={"id": _LETTER, "edited": True})
REDRIVE = Example(id=_LETTER, answer={"redriven": 1})
REDRIVE_SELECTED = Example(body=_SELECTED, answer={"redriven": 1, **_NONE_LEFT})
PURGE = Example(id=_LETTER, answer={"purged": 1})
PURGE_SELECTED = Example(body=_SELECTED, answer={"purged": 1, **_NONE_LEFT})
