"""When a part of the local run counts as ready."""

from __future__ import annotations

import pytest

from events import health
from events.errors import Unavailable
from events.settings import FUNCTIONS, LocalSettings
from events.subscription import SUBSCRIPTIONS
from functions.local import ports
from functions.local.home import Home
from functions.local.parts import Plan

STORES = {"REDIS_URL": "redis://h", "DATABASE_URL": "postgresql://h/d", "SSPP_SMTP_URL": "smtp://h"}


def up() -> None:
    """A store that answers."""


def away() -> None:
    raise Unavailable("a store")


@pytest.mark.parametrize(
    ("pings", "without_elasticsearch", "with_elasticsearch"),
    [
        ({"redis": up, "search": up}, True, True),
        ({"redis": up, "search": away}, False, True),
        ({"redis": away, "search": up}, False, False),
        ({"redis": away, "search": away}, False, False),
    ],
)
def test_a_part_is_ready_that_waits_for_nothing_but_a_search_of_somebody_elses(
    tmp_path, pings, without_elasticsearch, with_elasticsearch
):
    (port,) = ports.free(1)
    env = {**STORES, "ELASTICSEARCH_URL": "http://127.0.0.1:1"}
    down = sorted(name for name, ping in pings.items() if ping is away)
    for given, expected in ((STORES, without_elasticsearch), (env, with_elasticsearch)):
        settings = LocalSettings.read(given)
        named = dict.fromkeys([*FUNCTIONS, *SUBSCRIPTIONS], port)
        plan = Plan(home=Home(tmp_path), settings=settings, ports=named, env=given, metrics=named)
        api = next(part for part in plan.application() if part.name == "api")
        assert api.answers is not None
        assert not api.answers(), "nobody is there yet"
        with health.served("127.0.0.1", port, pings, health.details):
            assert api.answers() is expected
            assert plan.away() == down
