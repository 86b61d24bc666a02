"""``sspp send``: one event, as a CloudEvent, through the front door."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import uuid4

import typer

from functions.cli import output
from functions.cli.arguments import Json, Pair, address, api_key, app, examples, moment, pair
from functions.cli.installation import endpoint

#: Part of an event's identity, unless the sender names another.
SOURCE = "/sspp-send"

group = app("Send one event and write the id it was accepted under to standard output.")


@group.command(
    epilog=examples(
        "sspp send demo_completed --account acme --contact jane@acme.example --meta note='went well'",
        "sspp send email_sent --account acme --user sam --url https://in.example.com --key - < crm.key",
    )
)
def send(
    ctx: typer.Context,
    type_: Annotated[
        str, typer.Argument(metavar="TYPE", help="io.sspp.demo.completed, demo_completed, or a type of the tenant's")
    ],
    account: Annotated[str, typer.Option(metavar="ID", help="the account it is about")],
    contact: Annotated[str | None, typer.Option(metavar="ID", help="the person it is about")] = None,
    user: Annotated[str | None, typer.Option(metavar="ID", help="our rep")] = None,
    meta: Annotated[
        list[Pair] | None,
        typer.Option(
            parser=pair,
            metavar="NAME=VALUE",
            help="metadata, once for each; 3, true and other JSON are taken as such, anything else is text",
        ),
    ] = None,
    id_: Annotated[
        str | None,
        typer.Option("--id", metavar="ID", help="its id: sending the same again is harmless (default: a random one)"),
    ] = None,
    source: Annotated[str, typer.Option(metavar="SOURCE", help="where it comes from")] = SOURCE,
    time: Annotated[
        str | None,
        typer.Option(parser=moment, metavar="MOMENT", help="when it happened, RFC 3339 (default: on arrival)"),
    ] = None,
    url: Annotated[
        str | None, typer.Option(parser=address, metavar="URL", help="the front door's address; needs --key")
    ] = None,
    key: Annotated[
        str | None, typer.Option(parser=api_key, metavar="KEY", help="the API key; - reads it from standard input")
    ] = None,
    json: Json = False,
) -> None:
    """Send one event and write the id it was accepted under to standard output.

    Without --url it goes to the `make run` that is up, without --key with its demo key.
    """
    from cloudevents.conversion import to_structured
    from cloudevents.http import CloudEvent

    from functions.cli.front_door import Later, post

    event_id = id_ or str(uuid4())
    url, key = endpoint(ctx, url, key, "ingest_url")
    # Without a time the SDK would write the present one, and the same event sent again would not be the same.
    attributes: dict[str, Any] = {
        "id": event_id,
        "source": source,
        "type": type_,
        "time": time,
        "datacontenttype": "application/json",
    }
    headers, body = to_structured(CloudEvent(attributes, _data(account, contact, user, meta or [])))
    try:
        answer = post(f"{url}/v1/events", {**headers, "x-api-key": key}, body)
    except Later as exc:
        exc.add_note(f"with --id {event_id} sending it again is harmless")
        raise
    row = {"id": answer["id"], "duplicate": answer["duplicate"]}
    remark = "accepted before" if answer["duplicate"] else "accepted"
    output.done(row, as_json=json, text=answer["id"], remark=remark)


def _data(account: str, contact: str | None, user: str | None, meta: list[Pair]) -> dict[str, Any]:
    named = {"accountId": account, "contactId": contact, "userId": user}
    data: dict[str, Any] = {name: value for name, value in named.items() if value is not None}
    return {**data, "metadata": {each.name: each.value for each in meta}} if meta else data
