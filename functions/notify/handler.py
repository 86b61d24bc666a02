"""Notices to messages: each is sent once, and every attempt is on record."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from events.answer import Result
from events.cloudevent import CloudEvent
from events.errors import Refused
from events.failpoint import reach
from events.log import Log
from functions.domain.sales import TENANT
from functions.ports import NoticeStore, Sender
from functions.web.batch import refusal

log = Log("notify")


def notify(events: Sequence[CloudEvent], store: NoticeStore, sender: Sender) -> list[Result]:
    """Send a batch of notices.

    Raises:
        Unavailable: the store or the mail server is away; those sent before are on record and are not sent again.
    """
    return [_deliver(event, store, sender) for event in events]


def _deliver(event: CloudEvent, store: NoticeStore, sender: Sender) -> Result:
    try:
        tenant, notice_id = _identity(event)
        answer = store.deliver(tenant, notice_id, sender)
        reach("notify.committed")
    except Refused as exc:
        return refusal(exc)
    log.info("notice_attempted", notice=str(notice_id), delivered=answer.delivered)
    if answer.delivered:
        return Result(status=200)
    return Result(status=422 if answer.permanent else 502, detail=answer.text)


def _identity(event: CloudEvent) -> tuple[str, UUID]:
    tenant = event.extension(TENANT)
    try:
        return tenant or "", UUID(event.data["noticeId"])
    except (TypeError, KeyError, ValueError) as exc:
        raise Refused("Not a due notice", status=422) from exc
