from __future__ import annotations

import os
import signal
import smtplib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

import httpx
import pytest

from functions.local import ports, process
from functions.local.mailbox import Mail, Mailbox, page

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Running:
    url: str
    smtp_port: int
    process: subprocess.Popen[bytes]

    def send(self, subject: str, body: str, *, html: bool = False) -> None:
        message = EmailMessage()
        message["From"], message["To"] = "SSPP <signals@sspp.local>", "jane@acme.example"
        message["Subject"], message["Message-ID"] = subject, "<1@sspp.local>"
        message.set_content(body, subtype="html" if html else "plain")
        with smtplib.SMTP("127.0.0.1", self.smtp_port, timeout=10) as smtp:
            smtp.send_message(message)

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.url + path, timeout=10)


@contextmanager
def running(home: Path) -> Iterator[Running]:
    port, smtp_port = ports.free(2)
    env = {"PATH": os.environ["PATH"], "SSPP_HOME": str(home), "PORT": str(port)}
    env["SSPP_SMTP_URL"] = f"smtp://127.0.0.1:{smtp_port}"
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        try:
            return httpx.get(f"{url}/ready", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    # env: the package finds itself from the folder it is run in.
    argv = ["env", "-C", str(ROOT), *(f"{k}={v}" for k, v in env.items()), sys.executable, "-m"]
    log = home.with_name("mailbox.log")
    with process.running([*argv, "functions.local.mailbox"], answers=answers, log=log) as started:
        yield Running(url, smtp_port, started)


def test_a_message_is_kept_and_shown_and_still_there_after_a_restart(tmp_path):
    home = tmp_path / "home"
    with running(home) as mailbox:
        assert mailbox.get("/messages").json() == []
        assert "No mail yet" in mailbox.get("/").text
        mailbox.send("First", "hello")
        mailbox.send("Größe", "Zwölf <b>Boxkämpfer</b>\n.\nend")
        before = mailbox.get("/messages").json()
        mailbox.process.send_signal(signal.SIGKILL)
        mailbox.process.wait()
    with running(home) as mailbox:
        assert mailbox.get("/messages").json() == before
        newest = before[0]
        assert [row["subject"] for row in before] == ["Größe", "First"]
        assert set(newest) == {"id", "from", "to", "subject", "date", "body", "message_id"}
        assert (newest["from"], newest["to"]) == ("SSPP <signals@sspp.local>", "jane@acme.example")
        assert (newest["body"], newest["message_id"]) == ("Zwölf <b>Boxkämpfer</b>\n.\nend", "<1@sspp.local>")
        raw = mailbox.get(f"/messages/{newest['id']}")
        assert raw.text.startswith("Return-Path: <signals@sspp.local>\r\nDelivered-To: jane@acme.example\r\n")
        assert "&lt;b&gt;Boxkämpfer&lt;/b&gt;" in mailbox.get("/").text


def test_what_came_by_mail_never_becomes_markup(tmp_path):
    with running(tmp_path / "home") as mailbox:
        mailbox.send("<script>alert(1)</script>", "<img src=x onerror=alert(1)>", html=True)
        shown = mailbox.get("/")
    assert "<script" not in shown.text
    assert "<img" not in shown.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown.text
    assert shown.headers["content-security-policy"].startswith("default-src 'none'")
    assert shown.headers["x-content-type-options"] == "nosniff"


def test_it_answers_what_every_part_answers_and_nothing_else(tmp_path):
    with running(tmp_path / "home") as mailbox:
        for path in ("/health", "/ready"):
            answer = mailbox.get(path)
            assert (answer.status_code, answer.json()["status"]) == (200, "ok")
        assert "python_info" in mailbox.get("/metrics").text
        for path in ("/nothing", "/messages/", "/messages/none"):
            assert mailbox.get(path).status_code == 404


def test_a_page_of_another_name_reads_no_mail(tmp_path):
    with running(tmp_path / "home") as mailbox:
        for host, status in (("localhost:1", 200), ("[::1]:1", 200), ("evil.example", 421), ("", 421), ("[", 421)):
            answer = httpx.get(f"{mailbox.url}/messages", headers={"host": host}, timeout=10)
            assert answer.status_code == status, host


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_when_asked(tmp_path, number):
    with running(tmp_path / "home") as mailbox:
        mailbox.process.send_signal(number)
        assert mailbox.process.wait(10) == 0


def test_the_oldest_messages_beyond_the_limit_are_forgotten(tmp_path):
    mailbox = Mailbox(tmp_path, kept=3)
    ids = [mailbox.keep(f"Subject: {n}\r\n\r\n".encode()) for n in range(5)]
    assert mailbox.ids() == ids[:1:-1]
    assert mailbox.raw(ids[0]) is None
    assert len(list(tmp_path.iterdir())) == 3


def test_only_messages_can_be_read(tmp_path):
    (tmp_path / "secret.eml").write_text("secret")
    assert Mailbox(tmp_path / "mailbox").raw("../secret") is None


def test_files_that_are_no_messages_are_left_alone(tmp_path):
    (tmp_path / "notes.eml").write_text("mine")
    mailbox = Mailbox(tmp_path, kept=0)
    mailbox.keep(b"Subject: one\r\n\r\n")
    assert mailbox.ids() == []
    assert (tmp_path / "notes.eml").read_text() == "mine"


@pytest.mark.parametrize(
    ("raw", "subject", "body"),
    [
        (b"", "", ""),
        (b"\xff\xfe\x00", "", "\ufffd\ufffd\x00"),
        (b"Subject: =?utf-8?q?caf=C3=A9?=\n\nbody", "café", "body"),
        (b"Subject: x\nContent-Type: text/plain; charset=none-such\n\nbody", "x", "body"),
        (b"Subject: x\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\npart\n--b--", "x", "part"),
        (b"Subject: x\nContent-Type: multipart/mixed\n\nno boundary", "x", ""),
        (b"Subject: x\nContent-Type: image/png\nContent-Transfer-Encoding: base64\n\n!!", "x", ""),
    ],
)
def test_a_message_is_read_as_far_as_it_can_be(raw, subject, body):
    mail = Mail.parse("id", raw)
    assert mail.subject == subject
    assert body in mail.body
    assert "<article>" in page([mail])
