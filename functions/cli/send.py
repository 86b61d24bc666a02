"""``sspp send``: one event, as a CloudEvent, through the front door."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import urllib3
from cloudevents.conversion import to_structured
from cloudevents.http import CloudEvent

from events.errors import ConfigError, Fault, Refused, Unavailable
from functions.cli import arguments, output
from functions.cli.arguments import Commands
from functions.cli.installation import Installation

#: Part of an event's identity, unless the sender says another.
SOURCE = "/sspp-send"
#: Seconds to connect, and to wait for the answer.
TIMEOUT = urllib3.Timeout(connect=5, read=30)
_DEFAULT_RETRY_S = 5


class Later(Unavailable):
    """The front door takes no events just now, or does not answer."""

    def __init__(self, says: str, *, retry_after_s: int = _DEFAULT_RETRY_S) -> None:
        super().__init__("front door", retry_after_s=retry_after_s)
        self.says = says

    def __str__(self) -> str:
        """Give the front door's own words."""
        return self.says


def add(commands: Commands) -> None:
    """Add this command."""
    send = arguments.command(
        commands,
        "send",
        _send,
        "Send one event and write the id it was accepted under to standard output",
        more="Where nothing else is said, to the `make run` that is up, with its demo key.",
        example="sspp send demo_completed --account acme --contact jane@acme.example --meta note='went well'\n"
        "sspp send email_sent --account acme --user sam --url https://ingest.example.com --key - < crm.key",
    )
    send.add_argument("type", metavar="TYPE", help="io.sspp.demo.completed, demo_completed, or a type of the tenant's")
    send.add_argument("--account", required=True, help="the account it is about")
    send.add_argument("--contact", help="the person it is about")
    send.add_argument("--user", help="our rep")
    send.add_argument(
        "--meta",
        action="append",
        default=[],
        type=arguments.pair,
        metavar="NAME=VALUE",
        help="metadata, once for each; 3, true and other JSON are taken as such, anything else is text",
    )
    send.add_argument("--id", help="its id: sending the same again is harmless (default: a random one)")
    send.add_argument("--source", default=SOURCE, help=f"where it comes from (default: {SOURCE})")
    send.add_argument(
        "--time", type=arguments.moment, metavar="MOMENT", help="when it happened, RFC 3339 (default: on arrival)"
    )
    send.add_argument("--url", type=arguments.address, help="the front door's address; needs --key")
    send.add_argument("--key", type=arguments.api_key, help="the API key; - reads it from standard input")


def _send(options: Namespace, installation: Installation) -> None:
    event_id = options.id or str(uuid4())
    url, key = _door(options, installation)
    headers, body = to_structured(_event(options, event_id))
    try:
        answer = _post(f"{url}/v1/events", {**headers, "x-api-key": key}, body)
    except Later as exc:
        exc.add_note(f"with --id {event_id} sending it again is harmless")
        raise
    output.result(answer["id"])
    output.remark("accepted before" if answer["duplicate"] else "accepted")


def _door(options: Namespace, installation: Installation) -> tuple[str, str]:
    """Where to post and with which key; the key of one installation is never shown to another."""
    if options.url and not options.key:
        options.mistake("--url needs --key")
    if options.url:
        return options.url, options.key
    try:
        ready = installation.ready()
    except ConfigError as exc:
        raise ConfigError(f"{exc}; start `make run`, or give --url and --key") from exc
    return ready["ingest_url"], options.key or ready["api_key"]


def _event(options: Namespace, event_id: str) -> CloudEvent:
    named = {"accountId": options.account, "contactId": options.contact, "userId": options.user}
    data: dict[str, Any] = {name: value for name, value in named.items() if value is not None}
    if options.meta:
        data["metadata"] = dict(options.meta)
    attributes = {
        "id": event_id,
        "source": options.source,
        "type": options.type,
        # Without a time the SDK would write the present one, and the same event sent again would not be the same.
        "time": options.time,
        "datacontenttype": "application/json",
    }
    return CloudEvent(attributes, data)


def _post(url: str, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """Post one event; give the answer of a front door that accepted it.

    Raises:
        Refused: it did not.
        Later: it may, later.
    """
    try:
        with urllib3.PoolManager() as http:
            # No retries means no redirects either: the key is for this address alone.
            answer = http.request("POST", url, body=body, headers=headers, timeout=TIMEOUT, retries=False)
    except urllib3.exceptions.HTTPError as exc:
        raise Later(f"{url} does not answer ({type(exc).__name__})") from exc
    said = _json(answer.data)
    if answer.status == 202 and {"id", "duplicate"} <= said.keys():
        if warning := answer.headers.get("x-quota-warning"):
            output.remark(f"the month's {warning} is reached")
        return said
    if answer.status == 429 or answer.status >= 500:
        raise _later(answer, said)
    faults = tuple(Fault(str(each["pointer"]), str(each["detail"])) for each in said.get("errors", []))
    detail = str(said.get("detail", f"{url} answers {answer.status}: no front door"))
    raise Refused(str(said.get("title", "Refused")), status=answer.status, detail=detail, faults=faults)


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
