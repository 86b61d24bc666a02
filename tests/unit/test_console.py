from __future__ import annotations

import io
import json
import logging
from datetime import UTC, datetime

import pytest

from events.log import _JsonLines
from functions.local.console import Console

NOON = datetime(2026, 1, 2, 12, 0, 1, tzinfo=UTC)


def shown(line: str, *, colour: bool = False) -> str:
    out = io.StringIO()
    Console(out, colour=colour, now=lambda: NOON).part("ingest", line)
    return out.getvalue()


def record(**fields: object) -> str:
    return json.dumps({"time": "2026-01-02T12:00:01.5+00:00", "level": "info", "logger": "x", **fields})


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (record(event="started", port=8080), "ingest       info    started port=8080\n"),
        (record(event="two words", why="a b", empty=""), 'ingest       info    two words why="a b" empty=""\n'),
        (record(event="list", ids=[1, "a"], none=None), 'ingest       info    list ids="[1, \\"a\\"]" none=null\n'),
        ("not JSON", "ingest       not JSON\n"),
        ('{"half', 'ingest       {"half\n'),
        ('{"other": 1}', 'ingest       {"other": 1}\n'),
        ("[1]", "ingest       [1]\n"),
    ],
)
def test_a_record_becomes_a_sentence_and_everything_else_stays(line, text):
    assert shown(line).partition(" ")[2] == text


def test_it_reads_what_the_log_writes():
    made = logging.LogRecord("ingest", logging.WARNING, "", 0, "slow", None, None)
    made.fields = {"seconds": 3}
    assert "ingest       warning slow seconds=3\n" in shown(_JsonLines().format(made))


def test_a_trace_follows_line_by_line():
    lines = shown(record(event="failed", trace="Traceback:\n  ValueError")).splitlines()
    assert [line[22:] for line in lines] == ["info    failed", "  Traceback:", "    ValueError"]


def test_what_a_sender_wrote_cannot_steer_the_terminal():
    assert "\x1b" not in shown(record(event="refused\x1b[2J", type="\x1b]0;owned\x07"))


def test_colour_is_only_used_where_it_is_wanted():
    assert "\x1b[" in shown("hello", colour=True)
    assert "\x1b[" not in shown("hello")


def test_nobody_reading_stops_nothing():
    out = io.StringIO()
    console = Console(out, colour=False)
    out.close()
    console.say("one")
    console.say("two")
