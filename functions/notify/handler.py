"""Notices to messages: claim, send, record. Nothing is locked while the other side talks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from uuid import UUID

from events.answer import Result
from events.cloudevent import CloudEvent
from events.errors import Refused
from events.failpoint import reach
from events.log import Log
from functions.adapters.postgres.notice_store import Claim, Claimed, PostgresNoticeStore
from functions.domain.outbox import Key, next_attempt_s
from functions.domain.sales import TENANT
from functions.ports import SendAnswer, Sender
from functions.web.batch import refusal

log = Log("notify")

#: Seconds after which a notice that the batch had no time for is asked for again.
SOON_S = 1.0


def notify(
    events: Sequence[CloudEvent],
    store: PostgresNoticeStore,
    sender: Sender,
    *,
    delays_s: Sequence[float],
    within_s: float,
) -> list[Result]:
    """Send a batch of notices.

    Args:
        delays_s: seconds before each further attempt of a message that was not taken; then it is given up.
        within_s: how long sending the batch may take.

    Raises:
        Unavailable: the store or the mail server is away; what was sent before is on record and not sent again.
    """
    named = [_identity(event) for event in events]
    claimed = store.claim(list(dict.fromkeys(key for key in named if isinstance(key, Key))))
    sent = _send(claimed.claims, store, sender, delays_s, within_s)
    return [refusal(key) if isinstance(key, Refused) else _result(key, claimed, sent) for key in named]


def _send(
    claims: Sequence[Claim], store: PostgresNoticeStore, sender: Sender, delays_s: Sequence[float], within_s: float
) -> Mapping[Key, Result]:
    """Send what was claimed, in one session, and record each answer at once. Release what there was no time for."""
    results: dict[Key, Result] = {}
    tried = 0
    try:
        with closing(sender.send([claim.notice for claim in claims], within_s)) as answers:
            for claim in claims:
                reach("notify.sending")
                answer = next(answers, None)
                if answer is None:
                    break
                tried += 1
                reach("notify.sent")
                results[claim.key] = _record(claim, answer, store, delays_s)
                reach("notify.committed")
    finally:
        if rest := [claim.key for claim in claims[tried:]]:
            store.release(rest)
    return results


def _record(claim: Claim, answer: SendAnswer, store: PostgresNoticeStore, delays_s: Sequence[float]) -> Result:
    attempts = claim.attempts + 1
    wait_s = None if answer.delivered or answer.permanent else next_attempt_s(attempts, delays_s)
    store.record(claim, answer, wait_s)
    log.info("notice_attempted", notice=claim.key.id, delivered=answer.delivered, attempts=attempts)
    if answer.delivered:
        return Result(status=200)
    if wait_s is not None:
        return Result(status=202, again_s=wait_s)
    return Result(status=422, detail=answer.text)


def _result(key: Key, claimed: Claimed, sent: Mapping[Key, Result]) -> Result:
    if key not in claimed.targets:
        return refusal(Refused("No such notice", status=422))
    if key in claimed.ended:
        return Result(status=200)
    if key in claimed.waits_s:
        return Result(status=202, again_s=max(SOON_S, claimed.waits_s[key]))
    return sent.get(claimed.targets[key], Result(status=202, again_s=SOON_S))


def _identity(event: CloudEvent) -> Key | Refused:
    tenant = event.extension(TENANT)
    try:
        return Key(tenant or "", str(UUID(event.data["noticeId"])))
    except (TypeError, KeyError, ValueError, AttributeError):
        return Refused("Not a due notice", status=422)
