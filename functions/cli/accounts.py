"""``sspp accounts``: what is said of accounts and contacts, and which accounts are one customer, through the API."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer

from functions.cli import output
from functions.cli.arguments import Json, Pair, address, api_key, app, examples, pair
from functions.cli.installation import endpoint

group = app("Show accounts, set attributes, and merge accounts.")

Account = Annotated[str, typer.Argument(metavar="ACCOUNT", help="the account's id")]
Other = Annotated[str, typer.Argument(metavar="OTHER", help="the account that it counts for")]
Url = Annotated[str | None, typer.Option(parser=address, metavar="URL", help="the API's address; needs --key")]
Key = Annotated[
    str | None, typer.Option(parser=api_key, metavar="KEY", help="the API key; - reads it from standard input")
]
_SHOWN = ("account_id", "name", "owner", "domain", "tier", "fit", "grade", "engagement", "effort", "band", "trend")


@group.command(epilog=examples("sspp accounts show acme"))
def show(ctx: typer.Context, account: Account, url: Url = None, key: Key = None, json: Json = False) -> None:
    """Show an account's scores, its reasons and what is said of it.

    With --json all that the API says. Without --url it asks the `make run` that is up, without --key with its
    demo key.
    """
    found = _ask(ctx, url, key, "GET", _path(account))
    if json:
        output.document(found)
        return
    output.record({name: found[name] for name in _SHOWN}, as_json=False)
    for reason in (*found["reasons"], *found["effort_reasons"]):
        output.result(f"  {reason}")


@group.command(
    "set",
    epilog=examples(
        "sspp accounts set acme owner=sam fit=0.9 tier=null",
        "sspp accounts set acme --contact jane@acme.example role=champion",
    ),
)
def set_(
    ctx: typer.Context,
    account: Account,
    attributes: Annotated[
        list[Pair],
        typer.Argument(parser=pair, metavar="NAME=VALUE...", help="JSON is taken as such, else text; null removes"),
    ],
    contact: Annotated[str | None, typer.Option(metavar="ID", help="of this contact, not of the account")] = None,
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """Set attributes of an account, or of one of its contacts, and write the id of the event that says so."""
    path = _path(account) + (f"/contacts/{quote(contact, safe='')}" if contact else "")
    said = _ask(ctx, url, key, "PATCH", path, {"attributes": {each.name: each.value for each in attributes}})
    output.done(said, as_json=json, text=said["id"], remark="accepted")


@group.command(epilog=examples("sspp accounts merge acme acme-emea"))
def merge(
    ctx: typer.Context, account: Account, other: Other, url: Url = None, key: Key = None, json: Json = False
) -> None:
    """Let ACCOUNT count for OTHER as well, and write the id of the event that says so. It can be undone."""
    said = _ask(ctx, url, key, "POST", f"{_path(account)}/merge", {"from": other})
    output.done(said, as_json=json, text=said["id"], remark=f"{account} counts for {other} once this is processed")


@group.command(epilog=examples("sspp accounts unmerge acme acme-emea"))
def unmerge(
    ctx: typer.Context, account: Account, other: Other, url: Url = None, key: Key = None, json: Json = False
) -> None:
    """Undo that ACCOUNT counts for OTHER, and write the id of the event that says so."""
    said = _ask(ctx, url, key, "DELETE", f"{_path(account)}/merge/{quote(other, safe='')}")
    output.done(said, as_json=json, text=said["id"], remark=f"{other} is on its own once this is processed")


@group.command(epilog=examples("sspp accounts suggest"))
def suggest(ctx: typer.Context, url: Url = None, key: Key = None, json: Json = False) -> None:
    """List accounts that may be one customer: they share a domain. Nothing is merged by itself."""
    found = _ask(ctx, url, key, "GET", "/api/v1/merge-suggestions?limit=100")["data"]
    rows = [{"domain": each["domain"], **account} for each in found for account in each["accounts"]]
    output.listing(rows, ("domain", "account_id", "contacts"), as_json=json)


def _path(account: str) -> str:
    return f"/api/v1/accounts/{quote(account, safe='')}"


def _ask(
    ctx: typer.Context, url: str | None, key: str | None, method: str, path: str, body: Any = None
) -> dict[str, Any]:
    """Return the API's answer."""
    from functions.cli.front_door import ask

    base, with_key = endpoint(ctx, url, key, "api_url")
    return ask(method, base + path, with_key, body)
