"""The log: what comes with every request is a line a second, traces too."""

from __future__ import annotations

import logging

import pytest

from events.log import Log


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
