"""The harness itself: KEDA and Knative as their sources say, tried on processes that do nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from events import keyspace
from events.channel import Channel, Done, Park
from events.subscription import SUBSCRIPTIONS
from tests.scale import activator, deployed, keda
from tests.scale.activator import Activator
from tests.scale.keda import Keda, Reading, wanted
from tests.scale.pods import Template
from tests.servers.parts import until

# --- KEDA, with a clock of the test's own


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as connected:
        yield connected


@pytest.fixture
def scaled(client: redis.Redis, tmp_path: Path) -> Iterator[Callable[..., Keda]]:
    """Make a Keda whose dispatchers only sleep."""
    with ExitStack() as stack:

        def make(**spec: Any) -> Keda:
            template = Template(argv=("sleep", "600"), env={}, grace_s=5, log=tmp_path / "log")
            made = Keda({"pollingInterval": 2, "cooldownPeriod": 60, **spec}, client, template)
            stack.callback(made.deployment.kill)
            return made

        yield make


def stream_trigger(**metadata: str) -> dict[str, Any]:
    return {"type": "redis-streams", "metadata": {"stream": "s", "streamLength": "100"} | metadata}


@pytest.mark.parametrize("lane", keyspace.LANES)
@pytest.mark.parametrize("channel", SUBSCRIPTIONS)
def test_whatever_is_still_to_be_done_in_a_lane_keeps_its_dispatcher_awake(client, channel, lane):
    def active() -> bool:
        return any(keda.read(client, trigger).active for trigger in deployed.triggers(channel))

    of = Channel(client, channel, 0, "a", lane)
    of.ensure()
    seen = [active()]
    client.xadd(keyspace.stream_key(channel, 0, lane), {"event": b"1"})
    seen.append(active())
    entries = of.read(1, 1)
    seen.append(active())  # whoever took it may be dead
    of.settle([(entry, Park(0, 1, 1)) for entry in entries])
    seen.append(active())  # the sorted set alone
    leased = of.lease(1, 60_000).entries
    seen.append(active())
    of.settle([(entry, Done()) for entry in leased])
    seen.append(active())
    assert seen == [False, True, True, True, True, False]


@pytest.mark.parametrize("channel", SUBSCRIPTIONS)
def test_what_waits_for_its_turn_in_the_fair_queue_keeps_its_dispatcher_awake_and_counts_as_waiting(client, channel):
    client.zadd(keyspace.fair_key(channel, 0), {str(number): number for number in range(250)})
    readings = [keda.read(client, trigger) for trigger in deployed.triggers(channel)]
    assert [(reading.value, reading.active) for reading in readings if reading.value] == [(250, True)]
    assert keda.wanted(readings, 1, 5) == 3


def test_the_triggers_are_what_keda_takes():
    for channel in SUBSCRIPTIONS:
        triggers = deployed.triggers(channel)
        assert all(isinstance(value, str) for trigger in triggers for value in trigger["metadata"].values())
        assert len({trigger["name"] for trigger in triggers}) == len(triggers)


@pytest.mark.parametrize(
    ("trigger", "value", "active"),
    [
        (stream_trigger(), 3, True),
        (stream_trigger(activationLagCount="3"), 3, False),
        (stream_trigger(activationLagCount="2"), 3, True),
        (stream_trigger(stream="missing"), 0, False),
        (stream_trigger(stream="z"), None, False),
        ({"type": "redis", "metadata": {"listName": "z"}}, 2, True),
        ({"type": "redis", "metadata": {"listName": "z", "activationListLength": "2"}}, 2, False),
        ({"type": "redis", "metadata": {"listName": "missing"}}, 0, False),
        ({"type": "redis", "metadata": {"listName": "s"}}, None, False),  # a stream is an error there
    ],
)
def test_a_trigger_reads_what_keda_reads(client, trigger, value, active):
    for _ in range(3):
        client.xadd("s", {"event": b"1"})
    client.zadd("z", {"a": 1, "b": 2})
    reading = keda.read(client, trigger)
    assert (reading.value, reading.active) == (value, active)


@pytest.mark.parametrize(
    ("values", "current", "expected"),
    [
        ([1], 1, 1),
        ([100], 1, 1),
        ([101], 1, 1),  # within the tolerance of a tenth
        ([111], 1, 2),
        ([250], 2, 3),
        ([250, 420], 3, 5),  # the most that any trigger asks for
        ([10_000], 1, 5),  # four more at once
        ([10_000], 5, 8),  # the most there may be
        ([0], 3, 1),
        ([0, None], 3, 3),  # never down while a trigger fails
        ([420, None], 3, 5),
        ([None], 3, 3),
    ],
)
def test_the_hpa_reckons(values, current, expected):
    assert wanted([Reading(value, 100) for value in values], current, most=8) == expected


def test_keda_wakes_at_a_poll_and_sleeps_when_the_cooldown_is_over(client, scaled):
    sleeping = scaled(triggers=[stream_trigger()])
    sleeping.tick(0)
    client.xadd("s", {"event": b"1"})
    sleeping.tick(1.9)
    assert sleeping.replicas == [0]
    sleeping.tick(2)
    assert sleeping.replicas == [0, 1]
    sleeping.tick(100)  # the last poll at which there was something to do
    client.delete("s")
    for now in (102, 130, 160):
        sleeping.tick(now)
    assert sleeping.replicas == [0, 1]
    sleeping.tick(162)
    assert sleeping.replicas == [0, 1, 0]
    until(lambda: sleeping.tick(163) or sleeping.asleep, within_s=5, what="its process has ended")


def test_a_trigger_that_fails_alone_leaves_everything_as_it_is(client, scaled):
    client.zadd("wrong", {"a": 1})
    failing = {"type": "redis-streams", "metadata": {"stream": "wrong"}}
    frozen = scaled(triggers=[failing, stream_trigger()])
    frozen.tick(0)
    assert frozen.replicas == [0]
    client.xadd("s", {"event": b"1"})
    frozen.tick(2)  # another trigger is active: that one counts
    client.delete("s")
    for now in range(4, 400, 2):
        frozen.tick(now)
    assert frozen.replicas == [0, 1]


def test_more_work_means_more_dispatchers_up_to_the_most_and_down_after_the_window(client, scaled):
    behavior = {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 60}}}
    busy = scaled(triggers=[stream_trigger()], maxReplicaCount=3, advanced={"horizontalPodAutoscalerConfig": behavior})
    for _ in range(500):
        client.xadd("s", {"event": b"1"})
    busy.tick(0)
    busy.tick(15)
    assert busy.replicas == [0, 1, 3]
    client.xtrim("s", maxlen=5)
    for now in range(30, 75, 15):
        busy.tick(now)
    assert busy.replicas == [0, 1, 3]
    busy.tick(90)
    assert busy.replicas == [0, 1, 3, 1]


def test_a_dispatcher_that_crashes_is_started_again(client, scaled):
    client.xadd("s", {"event": b"1"})
    awake = scaled(triggers=[stream_trigger()])
    awake.tick(0)
    (pod,) = awake.deployment.pods
    pod.kill()
    awake.tick(1)
    assert (pod.restarts, pod.process.poll()) == (1, None)


def test_a_dispatcher_that_will_not_end_is_killed_after_the_grace_period(client, scaled, tmp_path):
    client.xadd("s", {"event": b"1"})
    awake = scaled(triggers=[stream_trigger()])
    said = tmp_path / "log"
    stubborn = ("sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.1; done")
    awake.deployment.template = Template(argv=stubborn, env={"PATH": "/usr/bin:/bin"}, grace_s=5, log=said)
    awake.tick(0)
    until(lambda: b"up" in said.read_bytes(), within_s=5, what="it ignores SIGTERM")
    client.delete("s")
    awake.tick(62)
    awake.tick(66)
    assert not awake.asleep
    awake.tick(68)
    assert awake.asleep


# --- Knative


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Callable[..., Activator]]:
    """Run an activator before a sleeper."""
    with ExitStack() as stack:

        def run(*, ready_after_s: float = 0, timeout_s: float = 10, **settings: Any) -> Activator:
            env = {"READY_AFTER_S": str(ready_after_s)}
            template = Template.of("tests.scale.sleeper", env=env, grace_s=timeout_s, log=tmp_path / "log")
            made = Activator(template, timeout_s=timeout_s, speed=40, **{"concurrency": 1, "window_s": 10} | settings)
            return stack.enter_context(activator.running(made))

        yield run


def post(of: Activator, path: str, count: int = 1) -> list[httpx.Response]:
    """Send ``count`` requests at once."""

    with httpx.Client(base_url=of.url, timeout=30) as client, ThreadPoolExecutor(count) as threads:
        return list(threads.map(lambda _: client.post(path, content=b"x"), range(count)))


def statuses(answers: list[httpx.Response]) -> dict[int, int]:
    found = [answer.status_code for answer in answers]
    return {status: found.count(status) for status in set(found)}


def test_a_request_wakes_a_pod_and_waits_until_it_is_ready_and_not_only_listening(service):
    sleeping = service(ready_after_s=0.5)
    assert sleeping.asleep
    assert statuses(post(sleeping, "/0")) == {200: 1}
    until(lambda: sleeping.asleep, within_s=10, what="it sleeps again")
    assert sleeping.deployment.started == 1


def test_the_queue_holds_ten_times_what_is_served_and_the_rest_is_refused(service):
    busy = service()
    post(busy, "/0")
    with ThreadPoolExecutor(1) as threads:
        served = threads.submit(post, busy, "/1.5")
        # On a busy machine the first pod may be asleep again.
        until(lambda: [pod.in_flight for pod in busy.deployment.pods] == [1], within_s=5, what="one is being served")
        assert statuses(post(busy, "/0", 14)) == {200: 10, 503: 4}
        assert statuses(served.result()) == {200: 1}


def test_while_there_is_no_pod_every_request_waits_for_it(service):
    assert statuses(post(service(ready_after_s=0.5), "/0", 15)) == {200: 15}


@pytest.mark.parametrize(("path", "ready_after_s"), [("/2", 0), ("/0", 2)], ids=["work", "start"])
def test_what_takes_too_long_is_a_504_the_start_included(service, path, ready_after_s):
    slow = service(ready_after_s=ready_after_s, timeout_s=0.5)
    assert statuses(post(slow, path)) == {504: 1}
    assert slow.refusals == [504]


def test_a_pod_that_dies_at_work_is_a_502_and_is_started_again(service):
    crashing = service()
    assert [answer.status_code for path in ("/0", "/crash", "/0") for answer in post(crashing, path)] == [
        200,
        502,
        200,
    ]


def test_load_brings_pods_up_to_the_most_and_their_end_costs_no_request(service):
    growing = service(max_scale=2)
    answers: list[httpx.Response] = []

    def grown() -> bool:
        answers.extend(post(growing, "/0.1", 6))
        return len({answer.text for answer in answers}) == 2

    until(grown, within_s=15, what="two pods answer")
    assert set(statuses(answers)) == {200}
    until(lambda: growing.asleep, within_s=10, what="it sleeps")
    assert growing.deployment.started == 2


def test_a_rollout_answers_every_request(service):
    rolling = service(concurrency=4)
    post(rolling, "/0")
    rolling.roll()
    answers: list[httpx.Response] = []
    until(
        lambda: bool(answers.extend(post(rolling, "/0.1", 3))) or not rolling.rolling, within_s=15, what="it is done"
    )
    answers += post(rolling, "/0")
    assert set(statuses(answers)) == {200}
    # An old pod and a new one; on a busy machine one may have slept in between.
    assert len({answer.text for answer in answers}) >= 2
