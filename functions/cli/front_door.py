"""The front door and the API as their callers see them: one request, and what its answer means."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import urllib3

from events.errors import Fault, Refused, Unavailable
from functions.cli import output

#: Seconds to connect, and to wait for the answer.
TIMEOUT = urllib3.Timeout(connect=5, read=30)
_DEFAULT_RETRY_S = 5


class Later(Unavailable):
    """The front door takes no events just now, or does not answer."""

    def __init__(self, says: str, *, retry_after_s: int = _DEFAULT_RETRY_S) -> None:
        super().__init__("front door", retry_after_s=retry_after_s)
        self.says = says

    def __str__(self) -> str:
        """Return the front door's own words."""
        return self.says


def post(url: str, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """Post one event. Returns the answer of a front door that accepted it.

    Raises:
        Refused: it did not.
        Later: it may, later.
    """
    answer = _answer("POST", url, headers, body)
    said = _json(answer.data)
    if answer.status == 202 and {"id", "duplicate"} <= said.keys():
        if warning := answer.headers.get("x-quota-warning"):
            output.say(f"the month's {warning} is reached")
        return said
    raise _refusal(answer, said, url)


def ask(method: str, url: str, key: str, body: Any = None) -> dict[str, Any]:
    """Ask the API. Returns its answer.

    Args:
        body: sent as JSON, unless it is None.

    Raises:
        Refused: it does not do that.
        Later: it may, later.
    """
    headers = {"x-api-key": key} | ({} if body is None else {"content-type": "application/json"})
    answer = _answer(method, url, headers, None if body is None else json.dumps(body).encode())
    said = _json(answer.data)
    if answer.status in {200, 202} and said:
        return said
    raise _refusal(answer, said, url)


def _answer(method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> urllib3.BaseHTTPResponse:
    try:
        with urllib3.PoolManager() as http:
            # No retries means no redirects either: the key is for this address alone.
            return http.request(method, url, body=body, headers=headers, timeout=TIMEOUT, retries=False)
    except urllib3.exceptions.HTTPError as exc:
        raise Later(f"{url} does not answer ({type(exc).__name__})") from exc


def _refusal(answer: urllib3.BaseHTTPResponse, said: Mapping[str, Any], url: str) -> Refused | Later:
    if answer.status == 429 or answer.status >= 500:
        return _later(answer, said)
    faults = tuple(Fault(str(each["pointer"]), str(each["detail"])) for each in said.get("errors", []))
    detail = str(said.get("detail", f"{url} answers {answer.status}: no front door"))
    return Refused(str(said.get("title", "Refused")), status=answer.status, detail=detail, faults=faults)


def _later(answer: urllib3.BaseHTTPResponse, said: Mapping[str, Any]) -> Later:
    after = answer.headers.get("retry-after", "")
    wait_s = int(after) if after.isascii() and after.isdigit() else _DEFAULT_RETRY_S
    detail = said.get("detail", f"the front door answers {answer.status}")
    return Later(f"{detail}, in {wait_s} s", retry_after_s=wait_s)


def _json(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
