"""Machines are not buyers: a mail gateway fetches all links of an e-mail, and a crawler reads a hundred pages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.e2e.conftest import Platform, event

JO = "jo@example.test"


def visits(kind: str, account: str, count: int, **metadata: Any) -> list[dict[str, Any]]:
    """Events without a time of their own, as they come from a web hook."""
    return [
        event(
            type=f"io.sspp.{kind}",
            data={
                "accountId": account,
                "contactId": JO,
                **({"metadata": {"url": f"https://example.test/{number}", **metadata}} if metadata else {}),
            },
        )
        for number in range(count)
    ]


def account_after(platform: Platform, batch: list[dict[str, Any]]) -> Any:
    """What an account has come to once the last event of a batch is processed."""
    answer = platform.post_batch(batch)
    assert answer.status_code == 202, answer.text
    for result in answer.json()["results"]:
        platform.await_signal(result["id"])
    return platform.api.get(f"/api/v1/accounts/{batch[0]['data']['accountId']}").json()


def test_a_mail_gateway_that_fetches_all_links_makes_nobody_hot_and_the_reasons_say_what_was_left_out(
    platform: Platform,
) -> None:
    found = account_after(platform, visits("email.clicked", "scanned", 12, machine=True))
    assert (found["engagement"], found["band"]) == (0.0, "cold")
    assert found["reasons"] == ["12 x email_clicked left out: they look mechanical"]


def test_a_crawler_that_reads_a_hundred_pages_makes_nobody_hot_and_the_reasons_say_what_was_left_out(
    platform: Platform,
) -> None:
    found = account_after(platform, visits("page.viewed", "crawled", 100))
    assert (found["engagement"], found["band"]) == (0.0, "cold")
    assert found["reasons"] == ["100 x page_viewed left out: they look mechanical"]
    assert not platform.mails


def test_who_reads_on_and_on_counts_up_to_a_point(platform: Platform) -> None:
    pages = visits("page.viewed", "reader", 17)
    noon = (datetime.now(UTC) - timedelta(days=1)).replace(hour=12)
    for number, page in enumerate(pages):
        page["time"] = (noon + timedelta(minutes=number)).isoformat()
    found = account_after(platform, pages)
    assert found["contributions"][0]["events"] == 15
    assert found["reasons"][-1] == "2 x page_viewed left out: more than 15 of a day"
