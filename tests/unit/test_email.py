"""The e-mail a notice becomes: whatever text is in it, one recipient, our headers and a subject that says it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import Message
from email.policy import compat32
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from events.errors import ConfigError
from functions.adapters.senders.email import SmtpSender, message, one_line
from functions.domain.explain import Contribution
from functions.ports import AccountThen, DueNotice, SummedUp

AT = datetime(2026, 11, 26, 12, tzinfo=UTC)
ID = UUID(int=7)
HEADERS = [
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "Content-Type",
    "Content-Transfer-Encoding",
    "MIME-Version",
]

#: Texts that hurt mail before, or break other programs' mail.
EVIL = [
    "=?utf-8?q?x=0aBcc=3A_evil=40evil=2Eexample?=",
    "=?utf-8?q?=0A=0A=3Chtml=3E?=",
    "=?utf-8?b?DQpCY2M6IGVAZQ==?=",
    "=?",
    "Acme\u2028Bcc: evil@evil.example",
    "a\r\nBcc: evil@evil.example\r\n\r\n<html>",
    "a\nb",
    "a\x0bb\x0cc\x1cd\x1de\x1ef\x85g\u2029h",
    " lead and trail ",
    "a  b\tc",
    "x" * 1000,
    "wörter " * 40,
    "\ud800",
    "\x00\x1b[31m",
    "",
]


def due(title: str, account: str | None, recipient: str = "jo@example.com") -> DueNotice:
    then = AccountThen(account, 63.2, [Contribution("io.sspp.demo.completed", 1, AT, 60.0)]) if account else None
    return DueNotice(id=ID, title=title, recipient=recipient, at=AT, account=then)


def received(notice: DueNotice) -> Message:
    """The message as a mail reader sees it: from its bytes."""
    return message_from_bytes(message(notice, "signals@sspp.example").as_bytes(policy=compat32.clone(linesep="\r\n")))


anything = st.one_of(
    st.sampled_from(EVIL),
    st.text(),
    st.text(alphabet="=?utf8qbQB_.-\r\n\x0b\x0c\x85\u2028 ü:0A@"),
    st.builds("{}{}{}".format, st.text(max_size=5), st.sampled_from(EVIL), st.text(max_size=5)),
)


@given(anything, st.one_of(st.none(), anything))
@example(EVIL[0], EVIL[1])
def test_any_text_in_any_name_is_one_mail_to_one_recipient_with_our_headers_and_that_subject(title, account):
    mail = received(due(title, account))
    assert mail.keys() == HEADERS
    assert mail.get_all("To") == ["jo@example.com"]
    assert mail.get_content_type() == "text/plain"
    assert not mail.defects
    says = f"{account}: {title} (engagement 63)" if account else title
    assert re.sub(r"[\r\n]", "", str(make_header(decode_header(mail["Subject"])))) == one_line(says)
    raw = mail["Subject"]
    assert raw.isascii()
    assert not re.search(r"[\x00-\x09\x0b\x0c\x0e-\x1f]", raw)
    body = bytes(mail.get_payload(decode=True)).decode("utf-8")
    assert len(body.split("\n")) == (7 if account else 4), "a name adds no line to the body either"


@given(st.text())
def test_one_line_differs_from_the_text_in_its_line_breaks_alone(text):
    line = one_line(text)
    assert len(line.splitlines()) <= 1
    assert line == " ".join(re.split("\r\n|[\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029]", text))


def test_a_plain_subject_stays_readable_in_the_raw_message():
    assert received(due("hot", "acme"))["Subject"] == "acme: hot (engagement 63)"


@given(st.lists(anything, min_size=1, max_size=5), st.integers(0, 500))
def test_a_digest_has_a_line_for_each_notice_and_says_how_many_more(lines, more):
    summed_up = SummedUp(lines, len(lines) + more)
    mail = received(replace(due("Notices beyond 20 e-mails an hour", None), summed_up=summed_up))
    assert mail.keys() == HEADERS
    assert mail["Subject"] == f"{len(lines) + more} notices summed up"
    body = bytes(mail.get_payload(decode=True)).decode("utf-8").split("\n")
    assert len(body) == 2 + len(lines) + (more > 0) + 3
    assert (f"  and {more} more" in [line.rstrip("\r") for line in body]) == (more > 0)


def test_a_domain_is_written_as_punycode():
    assert received(due("hot", "acme", "sales@münchen.example"))["To"] == "sales@xn--mnchen-3ya.example"


@pytest.mark.parametrize("recipient", ["a,b@y.example", "a\u0000b@c", f"{EVIL[0]}@y.example", "nobody"])
def test_a_recipient_that_is_no_address_fails_for_good_with_its_reason(recipient):
    (answer,) = SmtpSender("smtp://127.0.0.1:1", "signals@sspp.example").send([due("hot", "acme", recipient)], 5.0)
    assert (answer.delivered, answer.permanent) == (False, True)
    assert answer.text.startswith("cannot be written: the recipient must be")


def test_a_sender_that_is_no_address_is_a_mistake_in_the_settings():
    with pytest.raises(ConfigError, match="SSPP_MAIL_FROM must be"):
        SmtpSender("smtp://127.0.0.1:1", "Signals <a@b.example>")
