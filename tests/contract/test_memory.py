"""What Redis' memory is used for is measured without reading anything large."""

from __future__ import annotations

import pytest

from events import keyspace, metrics
from events.keyspace import FAST, SLOW
from functions.adapters.redis.keys import RedisKeyDirectory
from functions.domain.key import WRITE_EVENTS, Grant
from functions.domain.plan import Terms
from tests.contract.partition import Partition, outcome, reply


def measured(place: Partition) -> dict[str, int]:
    return place.loop.run_until_complete(place.admission.memory())


def test_every_purpose_has_its_bytes_and_the_rest_is_redis_own(place):
    place.admit("acme", [1_000] * 400)
    for entry, verb in zip(place.read("events", SLOW, 3), ("park", "bury", "done"), strict=True):
        place.settle("events", SLOW, [(entry, outcome(verb, entry, [("signals", reply("acme", 1))]))])
    place.lane("notices", FAST).publish(reply("acme", 2))
    found = measured(place)
    counted = place.counted()
    assert {name: found[name] for name in keyspace.PURPOSES} == {
        name: counted[f":{name}"] for name in keyspace.PURPOSES
    }
    assert found["limit"] == 0
    assert found["used"] == pytest.approx(sum(found.values()) - found["used"], rel=0.01)
    for purpose, count in found.items():
        assert metrics.REDIS_MEMORY.labels(purpose)._value.get() == count


@pytest.mark.parametrize("count", [1, 400, 6_000])
def test_identities_are_estimated_from_a_few_buckets(place, count):
    for _ in range(-(-count // 500)):
        place.admit("acme", [1] * min(500, count))
    assert measured(place)["identities"] / 30 == pytest.approx(count, rel=0.25, abs=4)


def test_an_empty_redis_has_nothing_but_its_own(place):
    found = measured(place)
    assert {name for name, count in found.items() if count} <= {"rest", "used"}


def test_the_key_directory_says_how_large_it_is(place):
    grants = {f"digest-{number}": Grant("acme", frozenset({WRITE_EVENTS})) for number in range(3_000)}
    before = measured(place)["used"]
    directory = RedisKeyDirectory(place.client)
    directory.put(grants, {"acme": Terms()})
    directory.complete()
    found = measured(place)
    if place.client.info("server").get("redis_mode") != "cluster":
        assert found["directory"] == pytest.approx(found["used"] - before, rel=0.5)
    assert found["directory"] > 3_000 * 150
