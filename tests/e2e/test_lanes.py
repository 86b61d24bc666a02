"""The slow lane: what a tenant sends above its fair rate goes there, and what the others send does not wait for it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import redis

from functions.adapters.redis.admission import rate_key
from tests.servers import frontdoor
from tests.servers.frontdoor import FrontDoor

BATCH = {"content-type": "application/cloudevents-batch+json"}
FAIR = 3
#: Ten seconds' worth at once.
BURST = FAIR * 10


@pytest.fixture(scope="module")
def front_door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontDoor]:
    env = {"SSPP_FAIR_EVENTS_PER_SECOND": str(FAIR), "SSPP_MAX_STREAM_LENGTH": "100"}
    with frontdoor.running(tmp_path_factory.mktemp("lanes"), env=env) as running:
        yield running


@pytest.fixture(autouse=True)
def _empty(front_door: FrontDoor) -> None:
    with redis.Redis.from_url(front_door.redis_url) as client:
        client.delete("x", *client.scan_iter("sspp:{0}:*"))


def send(front_door: FrontDoor, *ids: object) -> httpx.Response:
    events = [
        {"specversion": "1.0", "id": str(id_), "source": "/s", "type": "email_opened", "subject": "account/a"}
        for id_ in ids
    ]
    return front_door.http.post("/v1/events", headers=BATCH, content=json.dumps(events))


def lanes(front_door: FrontDoor) -> list[list[str]]:
    return [[event["id"] for event in lane] for lane in front_door.lanes()]


def test_what_is_above_the_fair_rate_goes_to_the_slow_lane_in_its_order(front_door):
    assert send(front_door, *range(BURST + 20)).status_code == 202
    fast, slow = lanes(front_door)
    assert fast == [str(number) for number in range(BURST)]
    assert slow == [str(number) for number in range(BURST, BURST + 20)]


def test_an_event_sent_again_is_the_same_whatever_its_lane(front_door):
    send(front_door, *range(BURST + 5))
    again = send(front_door, *range(BURST + 5)).json()
    assert (again["accepted"], again["duplicates"]) == (BURST + 5, BURST + 5)
    assert [len(lane) for lane in lanes(front_door)] == [BURST, 5]


def test_a_tenant_that_is_back_below_its_rate_is_back_in_the_fast_lane(front_door):
    send(front_door, *range(BURST + 200))  # what goes to the slow lane uses up nothing of the fair rate
    with redis.Redis.from_url(front_door.redis_url) as client:
        fair = rate_key(f"{frontdoor.TENANT}:fair", 0)
        arrival = client.get(fair)
        client.set(fair, int(arrival) - 2_000_000)  # two seconds later
    send(front_door, "later")
    assert "later" in lanes(front_door)[0]


def test_a_full_slow_lane_refuses_what_is_above_the_fair_rate_alone(front_door):
    answer = send(front_door, *range(BURST + 150))
    assert answer.status_code == 207
    assert [result["status"] for result in answer.json()["results"][-50:]] == [503] * 50
    assert [len(lane) for lane in lanes(front_door)] == [BURST, 100]
    with redis.Redis.from_url(front_door.redis_url) as client:
        client.delete(rate_key(f"{frontdoor.TENANT}:fair", 0))  # as it is for every other tenant
    assert send(front_door, "another").status_code == 202


def test_no_fair_rate_means_no_slow_lane(tmp_path):
    with frontdoor.running(Path(tmp_path), env={"SSPP_FAIR_EVENTS_PER_SECOND": "0"}) as front_door:
        send(front_door, *range(500))
        assert [len(lane) for lane in lanes(front_door)] == [500, 0]
