"""The manifests' triggers against a real Redis: whatever is still to be done in a channel wakes its dispatcher."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from events import keyspace
from events.channel import Channel
from events.entry import Done, Park
from events.subscription import SUBSCRIPTIONS
from tests.infra import triggers
from tests.infra.manifests import SCALED_OBJECT, STACKS, objects, of_kind

every_channel = pytest.mark.parametrize("channel", SUBSCRIPTIONS)


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as connected:
        yield connected


def awake(client: redis.Redis, channel: str) -> bool:
    return any(triggers.value(client, trigger) for trigger in triggers.deployed(channel))


@pytest.mark.parametrize("lane", keyspace.LANES)
@every_channel
def test_an_entry_wakes_its_dispatcher_until_it_is_settled(client, channel, lane):
    of = Channel(client, channel, 0, "a", lane)
    of.ensure()
    seen = [awake(client, channel)]
    client.xadd(keyspace.stream_key(channel, 0, lane), {"event": b"1"})
    seen.append(awake(client, channel))
    entries = of.read(1, 1)
    seen.append(awake(client, channel))  # pending at a dispatcher that may have crashed
    of.settle([(entry, Park(0, 1, 1)) for entry in entries])
    seen.append(awake(client, channel))  # a scheduled retry alone
    leased = of.lease(1, 60_000).entries
    seen.append(awake(client, channel))
    of.settle([(entry, Done()) for entry in leased])
    seen.append(awake(client, channel))
    assert seen == [False, True, True, True, True, False]


@every_channel
def test_an_entry_of_the_fair_queue_wakes_its_dispatcher(client, channel):
    client.zadd(keyspace.fair_key(channel, 0), {str(number): number for number in range(250)})
    assert [read for trigger in triggers.deployed(channel) if (read := triggers.value(client, trigger))] == [250]


def test_a_key_of_another_type_is_an_error_and_not_zero(client):
    client.set("wrong", "x")
    with pytest.raises(redis.ResponseError, match="no length of a string"):
        triggers.value(client, {"type": "redis", "metadata": {"listName": "wrong"}})


@pytest.mark.parametrize("stack", STACKS)
def test_a_dispatcher_outlasts_the_pauses_of_a_trickle(stack):
    assert {each["spec"]["cooldownPeriod"] for each in of_kind(objects(stack), SCALED_OBJECT)} == {60}
