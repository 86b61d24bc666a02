"""What the API's document shows of scoring models: see :mod:`functions.api.examples`."""

from __future__ import annotations

from functions.api.routes import Example
from functions.domain.model import DEFAULT

_NOBODYS = {"version": 1, "created_at": None, "created_by": None}
_DEFINITION = DEFAULT.model_dump(mode="json")

MODEL = Example(answer={**_NOBODYS, "definition": _DEFINITION})
PUT_MODEL = Example(body={"k": 60, "bands": {"hot": 60}}, answer={**_NOBODYS, "definition": _DEFINITION})
MODEL_VERSIONS = Example(query={"limit": 20}, answer={"data": [{**_NOBODYS, "changes": []}], "next_cursor": None})
MODEL_VERSION = Example(id="1", answer={**_NOBODYS, "definition": _DEFINITION})


def _share(accounts: int, won: int, rate: float) -> dict[str, float]:
    win_rate = won / accounts
    return {"accounts": accounts, "won": won, "win_rate": win_rate, "lift": win_rate / rate}


#: What an answer looks like; the tenant of the examples has too few outcomes for one.
CALIBRATION = Example(
    answer={
        "model_version": 1,
        "complete": True,
        "outcomes": 60,
        "all": _share(100, 20, 0.2),
        "hot": _share(10, 8, 0.2),
        "recall": 0.4,
        "deciles": [{"number": 1, "lowest": 70.0, "highest": 85.4, "share": _share(10, 8, 0.2)}],
        "suggested_bands": {"hot": 70.0, "warm": None, "cool": None},
        "types": [{"event_type": "io.sspp.demo.completed", "points": 60, "share": _share(10, 8, 0.2)}],
    }
)
