"""``python -m functions.tick`` with a real Redis: one event an hour, which process understands."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from events import channel, cloudevent
from events.channel import Channel
from functions import tick
from functions.local import ports
from functions.process.handler import TICK, TICK_EVERY

ROOT = Path(__file__).parents[2]
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def run(**told: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], **told}
    argv = [sys.executable, "-m", "functions.tick"]
    return subprocess.run(argv, env=env, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_a_tick_waits_in_the_channel_for_process(redis_url):
    done = run(REDIS_URL=redis_url)
    assert done.returncode == 0, done.stderr
    with channel.connect(redis_url) as client:
        events = Channel(client, "events", 0, "a")
        events.ensure()
        (entry,) = events.read(10, 0)
    event = cloudevent.parse(entry.event).event
    assert (event.type, event.extension("sspptenant")) == (TICK, None)
    at = event.occurred_at()
    assert at is not None
    assert timedelta() <= datetime.now(UTC) - at < TICK_EVERY


@pytest.mark.parametrize("late_s", [0, 1, 3599])
def test_the_tick_of_an_hour_is_the_same_however_late_its_job_starts(late_s):
    when = tick.scheduled(NOON + timedelta(seconds=late_s))
    assert tick.event(when) == tick.event(NOON)
    assert tick.event(when) != tick.event(NOON + TICK_EVERY)


def test_a_redis_that_is_away_fails_the_job_with_a_sentence():
    done = run(REDIS_URL=f"redis://:s3cret@127.0.0.1:{ports.free(1)[0]}/0")
    assert (done.returncode, done.stderr.strip()) == (1, "tick: Redis is unavailable")


def test_settings_that_are_missing_are_named():
    done = run()
    assert (done.returncode, done.stderr.strip()) == (1, "tick: REDIS_URL is required")
