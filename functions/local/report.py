"""What ``make demo`` prints: the accounts with their reasons, the notices, where to go on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from functions.local import story
from functions.local.details import COMPANY
from functions.local.story import Happening

#: Columns the output is made for, and taken where there is no terminal.
WIDTH = 100
#: Notices shown; the others are counted.
NOTICES = 8
#: Characters of a full bar.
_BAR = 10
#: Reasons shown of an account.
_REASONS = 4
#: Insights shown of an account, the latest first.
_INSIGHTS = 2

_COLOURS: Mapping[str, str] = {"hot": "bold red", "warm": "yellow", "cool": "cyan", "cold": "blue"}
_TRENDS: Mapping[str, Text] = {
    "rising": Text(f"{'↗ rising':<10}", "green"),
    "steady": Text(f"{'→ steady':<10}", "dim"),
    "falling": Text(f"{'↘ falling':<10}", "red"),
}
_EIGHTHS = " ▏▎▍▌▋▊▉"


def opening(console: Console, events: Sequence[Happening]) -> None:
    """Print what is about to be sent."""
    accounts = len({event.account_id for event in events})
    console.print(
        f"[bold]A week at {COMPANY}[/bold], made up: {len(events):,} events of {accounts} accounts, "
        f"up to {_day(events[-1].time)}."
    )


def sent(console: Console, counts: Mapping[str, int]) -> None:
    """Print what the front door answered."""
    console.print(
        f"Accepted [bold]{counts['new'] + counts['duplicate']:,}[/bold]: {counts['batch']:,} in batches, "
        f"{counts['structured']} structured and {counts['binary']} binary one by one."
    )
    if counts["duplicate"]:
        console.print(
            f"[yellow]{counts['duplicate']:,} of them were duplicates[/yellow] of an earlier run today: "
            "nothing counts twice.\n[dim]python -m functions.local.demo --seed 2 tells another week.[/dim]"
        )


def processed(console: Console, took_s: float) -> None:
    """Print that all events are processed."""
    console.print(f"All of them processed and searchable {took_s:.1f} s after the last was accepted.\n")


def accounts(
    console: Console, ranking: Sequence[Mapping[str, Any]], account: Callable[[str], Mapping[str, Any]]
) -> None:
    """Print the accounts that have a story as they rank among all: two lines each, and what is going on.

    Args:
        ranking: every account, the most engaged first.
        account: returns one of them with its reasons.
    """
    stories = {each.id: each for each in story.ACCOUNTS}
    console.print(f"     {'account':<20}{'engagement':<22}{'trend':<10} effort  story", style="dim")
    for place, row in enumerate(ranking, start=1):
        if row["account_id"] in stories:
            console.print(_account(place, stories[row["account_id"]], account(row["account_id"])))
    rest = [row["engagement"] for row in ranking if row["account_id"] not in stories]
    if rest:
        console.print(f"     and {len(rest)} quiet accounts, none above {max(rest):g}", style="dim")


def notices(console: Console, newest: Sequence[Mapping[str, Any]], total: int) -> None:
    """Print the notices that rules sent."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1))
    for title in ("", "account", "because", "to", "state"):
        table.add_column(title)
    for notice in newest[:NOTICES]:
        table.add_row(
            datetime.fromisoformat(notice["created_at"]).strftime("%H:%M:%S"),
            notice["account_id"],
            f"{notice['title']}: {notice['engagement']:g}",
            _recipient(notice),
            _state(notice),
        )
    console.print(f"\n[bold]Notices[/bold] ({total})" + ("" if total else ": none, no account crossed a rule's line"))
    if newest:
        console.print(table)
    if total > NOTICES:
        console.print(f"[dim]and {total - NOTICES} before[/dim]")


def where_to_look(console: Console, ready: Mapping[str, str]) -> None:
    """Print where to go on."""
    api, account = ready["api_url"], story.ACCOUNTS[0].id
    mailbox = ready.get("mailbox_url")
    lines = [
        f"Mailbox: {mailbox}" if mailbox else "Mailbox: none here, notices went to the server in SSPP_SMTP_URL",
        "",
        f"KEY='x-api-key: {ready['api_key']}'",
        f'curl -sS -H "$KEY" {api}/api/v1/accounts/{account}',
        f"curl -sS -H \"$KEY\" '{api}/api/v1/signals?accountId={account}&sortBy=points'",
        f"curl -sS -H \"$KEY\" '{api}/api/v1/signals/search?q=pricing&limit=3'",
        f'curl -sS -H "$KEY" {api}/api/v1/notifications',
    ]
    console.print("\n[bold]Go on[/bold]")
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)


def _account(place: int, tale: story.Account, now: Mapping[str, Any]) -> Text:
    colour = _COLOURS.get(now["band"], "")
    return Text.assemble(
        (f"{place:>3}  ", "dim"),
        (f"{tale.name:<20}", "bold"),
        (f"{_bar(now['engagement'])}{now['engagement']:5.1f} {now['band']:<6}", colour),
        _TRENDS.get(now["trend"], Text(f"{now['trend']:<10}")),
        f"{now['effort']:>7.1f}  ",
        (tale.plot, "italic"),
        "\n     ",
        _reasons(now),
        *(_insight(each) for each in now["insights"][:_INSIGHTS]),
        no_wrap=True,
        overflow="ellipsis",
    )


def _insight(insight: Mapping[str, Any]) -> Text:
    """A line that says what is going on."""
    return Text.assemble("\n     ", (insight["kind"].replace("_", " "), "cyan"), f": {insight['reasons'][0]}")


def _reasons(now: Mapping[str, Any]) -> Text:
    """The strongest contributions; where the buyer did nothing, what we did."""
    if not now["contributions"]:
        ours = ", ".join(_what(item) for item in now["effort_contributions"])
        return Text(f"nothing from them; from us {ours}", "dim")
    reasons = now["contributions"][:_REASONS]
    return Text(", ", "dim").join(
        Text.assemble((_what(item), "dim"), f" {item['points_now']:+.0f}") for item in reasons
    )


def _what(item: Mapping[str, Any]) -> str:
    name = item["event_type"].removeprefix("io.sspp.").replace(".", " ").replace("_", "-")
    return f"{item['events']} x {name}" if item["events"] > 1 else name


def _bar(score: float) -> str:
    """A bar of :data:`_BAR` characters for 0-100."""
    eighths = round(score / 100 * _BAR * 8)
    full, part = divmod(eighths, 8)
    return ("█" * full + (_EIGHTHS[part] if part else "")).ljust(_BAR)


def _recipient(notice: Mapping[str, Any]) -> str:
    return next((delivery["recipient"] for delivery in notice["deliveries"]), "")


def _state(notice: Mapping[str, Any]) -> Text:
    last: Iterable[Mapping[str, Any]] = notice["deliveries"][-1:]
    answer = next((delivery["answer"] for delivery in last), "")
    return Text(f"sent: {answer}", "green") if notice["sent_at"] else Text(answer or "waiting", "yellow")


def _day(at: datetime) -> str:
    return f"{at:%A} {at.day} {at:%B}"
