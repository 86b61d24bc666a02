"""Notices in PostgreSQL. See :class:`functions.ports.NoticeStore`."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from events.errors import Refused
from events.failpoint import reach
from functions.adapters.postgres.database import Database, Row, Transaction
from functions.domain.explain import Contribution
from functions.ports import AccountThen, DueNotice, SendAnswer, Sender

ALREADY_SENT = SendAnswer(delivered=True, text="sent before")
NOBODY_TO_TELL = SendAnswer(delivered=True, text="on record only")


class PostgresNoticeStore:
    """See :class:`functions.ports.NoticeStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def deliver(self, tenant_id: str, notice_id: UUID, sender: Sender) -> SendAnswer:
        """See NoticeStore. The row stays locked while the message is on its way: that is what takes turns."""
        with self._database.transaction() as tx:
            row = tx.row("lock_notice", tenant_id=tenant_id, id=str(notice_id))
            if row is None:
                raise Refused("No such notice", status=422)
            if row["sent_at"] is not None:
                return ALREADY_SENT
            if row["recipient"] is None:
                return NOBODY_TO_TELL
            notice = _due(tx, tenant_id, row)
            reach("notify.sending")
            answer = sender.send(notice)
            reach("notify.sent")
            tx.rows(
                "record_delivery",
                tenant_id=tenant_id,
                id=str(notice_id),
                channel="email",
                recipient=notice.recipient,
                delivered=answer.delivered,
                answer=answer.text,
            )
            if answer.permanent:
                # Apart, so that on the schema before this column no mail that was accepted goes unrecorded.
                tx.rows("refuse_notice", tenant_id=tenant_id, id=str(notice_id))
            return answer

    def ping(self) -> None:
        """See NoticeStore."""
        self._database.ping()


def contributions(tx: Transaction, tenant_id: str, account_id: str, side: str, at: datetime) -> list[Contribution]:
    """What an account's score of ``side`` is made of at ``at``, the strongest first."""
    rows = tx.rows("contributions", tenant_id=tenant_id, account_id=account_id, side=side, at=at)
    return [Contribution(row["event_type"], row["events"], row["latest"], float(row["points_now"])) for row in rows]


def _due(tx: Transaction, tenant_id: str, row: Row) -> DueNotice:
    account = None
    if row["account_id"] is not None:
        made_of = contributions(tx, tenant_id, row["account_id"], "buyer", row["created_at"])
        account = AccountThen(row["account_id"], float(row["engagement"]), made_of)
    return DueNotice(
        id=row["id"], title=row["title"], recipient=row["recipient"], at=row["created_at"], account=account
    )
