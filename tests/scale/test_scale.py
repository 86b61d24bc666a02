"""Asleep when idle, awake when needed, and nothing lost on the way: the real parts under KEDA and Knative."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from events import keyspace
from events.channel import Channel, Park
from events.subscription import SUBSCRIPTIONS
from functions import tenants
from functions.adapters.postgres.database import connect
from functions.domain.key import RANDOM_BYTES, new_key
from functions.server import THREADS
from tests.scale import activator, deployed, keda
from tests.scale.activator import Activator
from tests.scale.keda import Keda
from tests.scale.pods import Pod, Template, clock
from tests.servers.parts import QUICK, TOKEN, until

#: KEDA polls every 0.05 s then, and a pod that leaves Knative is quiet for 0.75 s before it is told to end.
SPEED = 40.0
#: As deployed, but for a cooldown that is 0.25 s at that speed.
COOLDOWN_S = 10
BATCH = 100
TIMEOUTS = {
    "SSPP_FUNCTION_TIMEOUT_SECONDS": "8",
    "SSPP_DELIVERY_TIMEOUT_SECONDS": "9",
    "SSPP_CLAIM_IDLE_SECONDS": "10",
}


@dataclass
class System:
    """The parts of one test, by name, with the stores they share.

    Args:
        env: what every part is told.
        accepted: the ids of the events that were answered 202.
    """

    folder: Path
    env: Mapping[str, str]
    key: str
    http: httpx.Client
    functions: dict[str, Activator] = field(default_factory=dict)
    dispatchers: dict[str, Keda] = field(default_factory=dict)
    accepted: set[str] = field(default_factory=set)
    _number: Iterator[int] = field(default_factory=count)

    def template(self, *module: str, grace_s: float, **env: str) -> Template:
        log = self.folder / f"{module[-1]}.log"
        return Template.of(*module, env={**self.env, **env}, grace_s=grace_s, log=log)

    def dispatcher(self, channel: str, **env: str) -> Template:
        """The template of a channel's dispatcher, delivering through its function's activator."""
        target = self.functions[SUBSCRIPTIONS[channel].function]
        return self.template("events", channel, grace_s=60, SSPP_TARGET_URL=f"{target.url}/", **env)

    def asleep(self) -> bool:
        return all(part.asleep for part in (*self.functions.values(), *self.dispatchers.values()))

    def post(self, size: int = BATCH) -> None:
        """Have a batch of new events accepted, with a sender's patience: the same again until it is."""
        batch = [_event(next(self._number)) for _ in range(size)]
        headers = {"content-type": "application/cloudevents-batch+json", "x-api-key": self.key}
        url = f"{self.functions['ingest'].url}/v1/events"
        until(
            lambda: self.http.post(url, json=batch, headers=headers).status_code == 202,
            within_s=30,
            what="a batch is accepted",
        )
        self.accepted |= {event["id"] for event in batch}

    def column(self, sql: str) -> list[Any]:
        with closing(connect(self.env["DATABASE_URL"])) as connection:
            return [row[0] for row in connection.run(sql)]

    def processed(self) -> bool:
        return self.column("SELECT count(*) FROM signals") == [len(self.accepted)]

    def redis(self) -> redis.Redis:
        return redis.Redis.from_url(self.env["REDIS_URL"])

    def left(self, channel: str) -> dict[str, int]:
        """What a channel still holds, and its dead letters."""
        with self.redis() as client:
            lanes = [Channel(client, channel, 0, "observer", lane) for lane in keyspace.LANES]
            return {
                "waiting": sum(lane.depth() for lane in lanes),
                "parked": sum(lane.parked() for lane in lanes),
                "dead": client.xlen(keyspace.dead_key(channel, 0)),
            }

    def check_books(self) -> None:
        """Every accepted event is one signal; nothing is waiting, parked or dead."""
        until(self.processed, within_s=30, what="every accepted event is a signal")
        until(lambda: not any(self.left("events").values()), within_s=20, what="the channel is empty")
        stored = Counter(self.column("SELECT source_id FROM signals"))
        assert (set(stored), set(stored.values())) == (self.accepted, {1})

    def logged(self, channel: str, what: str) -> int:
        return (self.folder / f"{channel}.log").read_text("utf-8").count(f'"{what}"')


def _event(number: int) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": f"event-{number}",
        "source": "/scale",
        "type": "io.sspp.email.opened",
        "data": {"accountId": f"account-{number % 40}"},
    }


@contextmanager
def deployment(
    folder: Path,
    database_url: str,
    redis_url: str,
    *,
    channels: Sequence[str] = ("events",),
    window_s: float = 10,
    door_stays: bool = False,
    **env: str,
) -> Iterator[System]:
    """Deploy ingest and, for each channel, its function and its dispatcher; no process of them runs yet.

    Args:
        window_s: Knative's stable window, after which a function sleeps.
        door_stays: whether ingest never does, once it has been woken.
        env: further settings of every part.
    """
    key = new_key(os.urandom(RANDOM_BYTES))
    tenants.ensure_demo(database_url=database_url, redis_url=redis_url, api_key=key)
    stores = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "SSPP_SMTP_URL": "smtp://127.0.0.1:9"}
    told = {**stores, "SSPP_DELIVERY_TOKEN": TOKEN, **TIMEOUTS, **env}
    timeout_s = float(told["SSPP_FUNCTION_TIMEOUT_SECONDS"])
    with ExitStack() as stack:
        system = System(folder, told, key, stack.enter_context(httpx.Client(timeout=20)))
        for name in ("ingest", *(SUBSCRIPTIONS[channel].function for channel in channels)):
            made = Activator(
                system.template("functions.server", name, grace_s=timeout_s),
                concurrency=100 if name == "ingest" else THREADS,
                timeout_s=timeout_s,
                window_s=36_000 if name == "ingest" and door_stays else window_s,
                speed=SPEED,
            )
            system.functions[name] = stack.enter_context(activator.running(made))
        for channel in channels:
            spec = deployed.scaled_object(channel) | {"cooldownPeriod": COOLDOWN_S}
            client = stack.enter_context(system.redis())
            system.dispatchers[channel] = Keda(spec, client, system.dispatcher(channel), speed=SPEED)
        yield system


@contextmanager
def awake(system: System) -> Iterator[None]:
    """Let KEDA look after every dispatcher."""
    with ExitStack() as stack:
        for dispatcher in system.dispatchers.values():
            stack.enter_context(keda.running(dispatcher))
        yield


# --- waking and sleeping


def test_everything_sleeps_wakes_on_one_event_and_sleeps_again(tmp_path, database_url, redis_url):
    with deployment(tmp_path, database_url, redis_url, channels=tuple(SUBSCRIPTIONS)) as system, awake(system):
        until(lambda: all(of.polls > 3 for of in system.dispatchers.values()), within_s=5, what="KEDA has looked")
        assert system.asleep()
        system.post(1)
        until(system.processed, within_s=20, what="the event is a signal")
        documents = "SELECT count(*) FROM search_documents"
        until(lambda: system.column(documents) == [1], within_s=20, what="the signal can be found")
        until(system.asleep, within_s=20, what="everything sleeps again")
        started = {name: of.deployment.started for name, of in (system.functions | system.dispatchers).items()}
        # Knative's window is a quarter of a second here: what is woken ahead may sleep again before it is needed.
        assert started.pop("process") in {1, 2}
        assert started.pop("index") in {1, 2}
        assert started == {
            "ingest": 1,
            "events": 1,
            "signals": 1,
            "notify": 0,
            "notices": 0,  # nobody had anything for them to do
        }
        for name in ("events", "signals"):
            of = system.dispatchers[name]
            assert of.replicas == [0, 1, 0]
            assert of.last_active_at is not None
            assert of.slept_at - of.last_active_at >= of.cooldown_s


def test_what_comes_after_an_event_wakes_with_it(tmp_path, database_url, redis_url):
    with deployment(tmp_path, database_url, redis_url, channels=tuple(SUBSCRIPTIONS)) as system, awake(system):
        with closing(connect(database_url)) as connection:
            connection.run("BEGIN")
            connection.run("LOCK TABLE signals IN EXCLUSIVE MODE")
            system.post(1)
            after = (system.dispatchers["signals"], system.functions["index"])
            until(lambda: not any(of.asleep for of in after), within_s=20, what="the signal's way is awake")
            assert not system.processed()
            assert system.left("signals") == {"waiting": 0, "parked": 0, "dead": 0}
            connection.run("ROLLBACK")
        until(system.processed, within_s=20, what="the event is a signal")


def crashed(system: System) -> None:
    """A dispatcher dies with the event in its hands."""
    pod = Pod.start(system.dispatcher("events", SSPP_FAILPOINTS="dispatcher.read@1"))
    assert pod.process.wait(20) == -9
    with system.redis() as client:
        stream = keyspace.stream_key("events", 0)
        assert client.xpending(stream, keyspace.GROUP)["pending"] == 1
    assert system.left("events") == {"waiting": 1, "parked": 0, "dead": 0}


def parked(system: System) -> None:
    """The event failed and is to be tried again, some time after its dispatcher is up."""
    with system.redis() as client:
        events = Channel(client, "events", 0, "gone")
        events.ensure()
        assert events.settle([(entry, Park(2_500, 1, 1)) for entry in events.read(10, 1000)]) == 1
    assert system.left("events") == {"waiting": 0, "parked": 1, "dead": 0}


@pytest.mark.parametrize("leave", [crashed, parked])
def test_what_a_dispatcher_left_behind_alone_wakes_the_next(tmp_path, database_url, redis_url, leave):
    with deployment(tmp_path, database_url, redis_url, **QUICK) as system:
        system.post(1)
        leave(system)
        with awake(system):
            until(lambda: not system.dispatchers["events"].asleep, within_s=2, what="a dispatcher is started")
            assert not system.processed()  # it is not time yet
            system.check_books()
            until(system.asleep, within_s=20, what="everything sleeps again")
        assert system.dispatchers["events"].replicas == [0, 1, 0]


# --- under load

#: Nothing is taken over within a test: whoever leaves something behind when it ends in order has lost it here.
NEVER = {"SSPP_CLAIM_IDLE_SECONDS": "600"}


@pytest.mark.slow
def test_twenty_sleeps_under_load_lose_nothing(tmp_path, database_url, redis_url):
    with (
        deployment(tmp_path, database_url, redis_url, window_s=60, door_stays=True, **NEVER) as system,
        awake(system),
    ):
        events, process = system.dispatchers["events"], system.functions["process"]
        for cycle in range(1, 21):
            for _ in range(3):
                system.post()
            # The next events come just when it has been told to end, or when its function sleeps too.
            until(lambda due=cycle: events.replicas.count(0) > due, within_s=30, what="it is to sleep")
            if cycle % 10 == 0:
                until(lambda: process.asleep, within_s=30, what="the function sleeps")
        system.check_books()
        assert len(system.accepted) == 20 * 3 * BATCH
        assert events.deployment.started >= 20
        assert process.deployment.started >= 2


@pytest.mark.slow
def test_a_rolling_restart_of_dispatcher_and_function_under_load_fails_no_event(tmp_path, database_url, redis_url):
    with (
        deployment(tmp_path, database_url, redis_url, window_s=60, door_stays=True, **NEVER) as system,
        awake(system),
    ):
        events, process = system.dispatchers["events"], system.functions["process"]
        system.post()
        until(system.processed, within_s=20, what="everything is warm")
        with under_load(system):
            roll(events, system)
            roll(process, system)
        system.check_books()
        assert events.deployment.started >= 2
        assert process.deployment.started >= 2
        # Nobody had to be asked twice: not one event was parked, nothing was refused or reset on the way.
        assert (system.logged("events", "entry_parked"), process.refusals) == (0, [])


def roll(part: Keda | Activator, system: System) -> None:
    """Roll a part out. Its old process is to end while there is a batch in hand."""
    with process_held_up(system):
        part.roll()
        until(lambda: bool(part.deployment.leaving), within_s=20, what="the old one is to end")
    before = len(system.accepted)
    until(lambda: not part.rolling, within_s=30, what="the rollout is done")
    until(lambda: len(system.accepted) > before, within_s=10, what="there is load all the time")


@contextmanager
def process_held_up(system: System) -> Iterator[None]:
    """Let the database hold up what process has begun until the block ends."""
    process = system.functions["process"]
    with closing(connect(system.env["DATABASE_URL"])) as connection:
        connection.run("BEGIN")
        connection.run("LOCK TABLE signals IN EXCLUSIVE MODE")
        try:
            until(lambda: any(pod.in_flight for pod in process.deployment.pods), within_s=10, what="a batch is there")
            yield
        finally:
            connection.run("ROLLBACK")


@contextmanager
def under_load(system: System) -> Iterator[None]:
    """Keep posting until the block ends."""
    done_at: list[float] = []

    def load() -> None:
        while not done_at:
            system.post(20)

    with ThreadPoolExecutor(1) as threads:
        posting = threads.submit(load)
        try:
            yield
        finally:
            done_at.append(clock())
        posting.result()
