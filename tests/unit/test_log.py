"""The log: a line has its fields, and what comes with every request is a line a second, traces too."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from io import StringIO
from typing import Any
from uuid import UUID

import pytest

from events.log import Log, Throttle, _JsonLines, bound


@pytest.mark.parametrize(("trace", "level"), [(False, "WARNING"), (True, "ERROR")])
def test_what_comes_often_is_a_line_a_second_that_counts_the_others(
    caplog: pytest.LogCaptureFixture, trace: bool, level: str
) -> None:
    now = [0.0]
    log = Log("test-often", lambda: now[0])
    with caplog.at_level(logging.INFO, logger="sspp.test-often"):
        for moment in (0.0, 0.1, 0.2, 0.9, 1.0, 1.5, 7.0):
            now[0] = moment
            try:
                int("something")
            except ValueError:
                log.often("failed", trace=trace, backend="x")
            log.often(f"other {moment}")
    lines = [record for record in caplog.records if record.getMessage() == "failed"]
    assert [vars(line)["fields"]["left_out"] for line in lines] == [0, 3, 1]
    assert {line.levelname for line in lines} == {level}
    assert all(bool(line.exc_info) is trace for line in lines)
    assert len(caplog.records) == 3 + 7


@pytest.fixture
def lines() -> Iterator[list[dict[str, Any]]]:
    """What the logger ``test-lines`` writes."""

    class Kept(logging.StreamHandler[StringIO]):
        def emit(self, record: logging.LogRecord) -> None:
            written.append(json.loads(self.format(record)))

    written: list[dict[str, Any]] = []
    handler, logger = Kept(), logging.getLogger("sspp.test-lines")
    handler.setFormatter(_JsonLines())
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield written
    logger.removeHandler(handler)


def test_a_line_has_when_how_bad_who_what_and_the_fields(lines: list[dict[str, Any]]) -> None:
    log = Log("test-lines")
    with bound(tenant="acme"):
        log.info("recorded", signals=2, id=UUID(int=7))
        log.warning("slow", after_s=1.5)
        try:
            int("something")
        except ValueError:
            log.error("failed", trace=True, tenant="other")
    log.error("down")
    logging.getLogger("sspp.test-lines").info("a library's way")
    log.debug("nobody looks for it")
    times = [datetime.fromisoformat(line.pop("time")) for line in lines]
    assert all(abs(time.timestamp() - datetime.now(UTC).timestamp()) < 60 and time.tzinfo == UTC for time in times)
    trace = lines[2].pop("trace")
    assert trace.startswith("Traceback")
    assert "ValueError: invalid literal" in trace
    said = {"logger": "test-lines"}
    assert lines == [
        {**said, "level": "info", "event": "recorded", "tenant": "acme", "signals": 2, "id": str(UUID(int=7))},
        {**said, "level": "warning", "event": "slow", "tenant": "acme", "after_s": 1.5},
        {**said, "level": "error", "event": "failed", "tenant": "other"},
        {**said, "level": "error", "event": "down"},
        {**said, "level": "info", "event": "a library's way"},
    ]


def test_so_many_lines_a_second_are_let_through_and_the_others_counted() -> None:
    now = [0.0]
    throttle = Throttle(2, lambda: now[0])
    assert [throttle.admit() for _ in range(5)] == [0, 0, None, None, None]
    now[0] = 1.0
    assert [throttle.admit() for _ in range(3)] == [3, 0, None]
