"""The faults, each a function that breaks something under load and mends it again."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from pg8000.exceptions import DatabaseError, InterfaceError

from events import channel, keyspace, retry
from events.breaker import Breaker
from events.deadletter_breaker import DeadLetterBreaker
from events.delivery import Target
from events.dispatcher import Dispatcher
from events.failpoint import PLACES
from events.subscription import SUBSCRIPTIONS
from functions.adapters.postgres.database import connect
from functions.adapters.redis.directory import FOLLOW_UP
from tests.faults.run import Fault, Scene
from tests.faults.stage import TIMES, Stage
from tests.servers.parts import TOKEN, until

#: Longer than it takes to be taken for dead.
BEYOND_IDLE_S = float(TIMES["SSPP_CLAIM_IDLE_SECONDS"]) + 1.5


def killed_at(place: str, scene: Scene) -> None:
    """Every process that reaches ``place`` is killed there, the n-th time it does."""
    part = place.partition(".")[0]
    names = list(SUBSCRIPTIONS) if part == "dispatcher" else [part]
    for name in names:
        scene.stage.arm(name, f"{place}@{scene.chance.randint(1, 3)}")
    left = set(names)

    def all_killed() -> bool:
        for name in [name for name in left if scene.stage.killed(name)]:
            scene.stage.arm(name, "")
            left.remove(name)
        scene.load.more(20)  # also for those that are reached by a few events only
        return not left

    until(all_killed, within_s=60, what=f"{' and '.join(names)} are killed at {place}")
    scene.stage.ready(*names)


def killed_at_random(scene: Scene) -> None:
    """Any part, at any moment, one after the other."""
    for _ in range(int(scene.seconds(20, 3))):
        scene.stage.restart(scene.chance.choice(list(scene.stage.parts)))


def everything_killed(scene: Scene) -> None:
    """The lights go out: all parts and both stores at once."""
    for part in scene.stage.parts.values():
        part.kill()
    scene.stage.redis.kill()
    scene.stage.postgres.kill()
    scene.stage.redis.start_again()
    scene.stage.postgres.start_again()
    for part in scene.stage.parts.values():
        part.start()
    scene.stage.ready()


def redis_killed(durability: str, scene: Scene) -> None:
    """Redis is killed and started again; with ``everysec`` it may forget the second before."""
    with scene.stage.client() as client:
        client.config_set("appendfsync", durability)
    for _ in range(int(scene.seconds(5, 2))):
        scene.flowing()
        now = time.monotonic()
        scene.stage.redis.kill()
        if durability == "everysec":
            scene.excused.append((now - 1.0, time.monotonic()))
        scene.stage.redis.start_again()
        with scene.stage.client() as client:
            client.config_set("appendfsync", durability)
        scene.stage.ready("ingest")
    with scene.stage.client() as client:
        client.config_set("appendfsync", "always")


def redis_empty(scene: Scene) -> None:
    """Redis loses all it has and comes back empty, while events, signals and notices wait in it.

    What was accepted and not yet recorded may be missing, and nothing else.
    """
    stage, load, ledger = scene.stage, scene.load, scene.load.ledger
    load.only_new()
    stage.freeze("signals")
    stage.freeze("notices")
    scene.flowing()
    stage.freeze("process")
    accepted = len(ledger.acknowledged)
    scene.more()
    until(lambda: len(ledger.acknowledged) > accepted, within_s=60, what="events wait")
    scene.more()
    stage.clock.log.write_bytes(b"")
    stage.redis.kill()
    load.answered()
    scene.gone |= ledger.forgotten(lambda: stage.recorded(list(load.keys)))
    assert scene.gone, "nothing waited"
    for name in ("signals", "notices", "process"):
        stage.thaw(name)
    scene.for_seconds(20, 1)
    stage.redis_emptied()
    empty_s = time.monotonic()
    until(
        lambda: "redis_filled" in stage.clock.log.read_text("utf-8"), within_s=60, what="the clock says what is lost"
    )
    load.canary()
    took_s = time.monotonic() - empty_s
    assert took_s < 60, f"events are taken again after {took_s:.0f} s only"
    load.storm(2, scene.chance)  # what was lost is stored now, and what was recorded stays as it is
    with stage.client() as client:
        until(lambda: not client.exists(FOLLOW_UP), within_s=60, what="what was recorded last is told again")


def full_memory(scene: Scene) -> None:
    """Redis may not take more memory; what it has can still be worked off."""
    scene.stage.freeze("process")  # else there is always room again
    with scene.stage.client() as client:
        before = scene.load.ledger.unanswered

        def refused() -> bool:
            # Anew each time: what is indexed meanwhile gives memory back.
            client.config_set("maxmemory", client.info("memory")["used_memory"])
            scene.load.more(20)
            return scene.load.ledger.unanswered > before

        scene.more(0.3)
        until(refused, within_s=30, what="somebody is told to come later")
        scene.stage.thaw("process")
        scene.for_seconds(20, 2)
        client.config_set("maxmemory", 0)


def full_disk(durability: str, scene: Scene) -> None:
    """The disk of Redis is full. With ``always`` it ends, and whoever runs it starts it again."""
    disk = scene.stage.disk
    assert disk is not None
    with scene.stage.client() as client:
        client.config_set("appendfsync", durability)
    ballast = _fill(disk)
    before = scene.load.ledger.unanswered
    scene.more(0.3)
    try:
        until(lambda: scene.load.ledger.unanswered > before, within_s=60, what="somebody is told to come later")
        scene.for_seconds(20, 2)
    finally:
        ballast.unlink()
    if scene.stage.redis.ended():
        scene.stage.redis.start_again()
    with scene.stage.client() as client:
        until(lambda: bool(client.ping()), within_s=20, what="Redis is there")
        client.config_set("appendfsync", "always")


def _fill(disk: Path) -> Path:
    """Write until nothing more fits; give the file that has to go."""
    ballast = disk / "ballast"
    for size in (1 << 20, 1 << 12, 1):
        with ballast.open("ab", buffering=0) as file, suppress(OSError):
            while file.write(b"x" * size) == size:
                pass
    return ballast


def postgres_down(scene: Scene) -> None:
    """PostgreSQL ends as by a crash and is away for a while."""
    scene.stage.postgres.kill()
    scene.for_seconds(60, 3)
    scene.stage.postgres.start_again()


def out_of_connections(scene: Scene) -> None:
    """Somebody else has every connection PostgreSQL gives."""
    with ExitStack() as eaten:
        ours: list[int] = []

        def refused() -> bool:
            try:
                more = eaten.enter_context(closing(connect(scene.stage.database_url)))
            except (DatabaseError, InterfaceError, OSError):
                return True
            ours.append(more.run("SELECT pg_backend_pid()")[0][0])
            others = "backend_type = 'client backend' AND pid <> ALL(CAST(:ours AS integer[]))"
            more.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}", ours=ours)
            return False

        until(refused, within_s=60, what="there is no connection left")
        scene.for_seconds(30, 3)


def read_only(scene: Scene) -> None:
    """PostgreSQL takes no writes, as after a failover or with a full disk, for longer than every retry together."""
    others = "application_name = 'sspp' AND pid <> pg_backend_pid()"
    with scene.stage.sql() as connection:
        for setting in ("SET default_transaction_read_only = on", "RESET default_transaction_read_only"):
            connection.run(f"ALTER ROLE sspp {setting}")
            connection.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")
            if setting.startswith("SET"):
                scene.for_seconds(60, 10)


def lock_held(scene: Scene) -> None:
    """Somebody holds the table of accounts."""
    with scene.stage.sql() as connection:
        connection.run("BEGIN")
        connection.run("LOCK TABLE accounts IN ACCESS EXCLUSIVE MODE")
        scene.for_seconds(60, 6)
        connection.run("ROLLBACK")


@contextmanager
def _weather(scene: Scene, *names: str, **how: Any) -> Iterator[None]:
    """Bad weather between parts, all when none is named, for the length of the block."""
    met = [scene.stage.weather[name] for name in names or scene.stage.weather]
    before = [replace(weather) for weather in met]
    for weather in met:
        weather.chance = random.Random(scene.chance.random())
        for name, value in how.items():
            setattr(weather, name, value)
    try:
        yield
    finally:
        for weather, was in zip(met, before, strict=True):
            for name in how:
                setattr(weather, name, getattr(was, name))


def bad_network(scene: Scene) -> None:
    """40 ms between any two parts, each way, and every hundredth piece is lost with its connection."""
    with _weather(scene, delay_s=0.04, resets=0.01):
        before = sum(weather.lost for weather in scene.stage.weather.values())
        until_s = time.monotonic() + scene.seconds(60, 5)
        while time.monotonic() < until_s:
            scene.flowing()
        assert sum(weather.lost for weather in scene.stage.weather.values()) > before


def slow(name: str, delay_s: float, scene: Scene) -> None:
    """What is behind the proxy ``name`` takes its time."""
    with _weather(scene, name, delay_s=delay_s):
        scene.for_seconds(30, 2)


def hangs(name: str, scene: Scene) -> None:
    """What is behind the proxy ``name`` neither answers nor refuses, for longer than anyone waits for it."""
    with _weather(scene, name, hangs=True):
        scene.for_seconds(40, 5)


def search_down(scene: Scene) -> None:
    """Nobody answers for the search server."""
    with _weather(scene, "search", refuses=True):
        scene.for_seconds(60, 3)


def search_partial(scene: Scene) -> None:
    """The search server refuses some requests whole, and of others some documents."""
    searching = scene.stage.searching
    searching.chance = random.Random(scene.chance.random())
    before = searching.refused
    searching.busy, searching.partial = 0.2, 0.02
    try:
        scene.more()
        until(lambda: searching.refused > before + 3, within_s=60, what="it has refused some")
        scene.for_seconds(20, 2)
    finally:
        searching.busy = searching.partial = 0.0


def duplicate_storm(scene: Scene) -> None:
    """Everybody sends the same at once, what is known and what is new."""
    for _ in range(int(scene.seconds(5, 1))):
        scene.load.storm(8, scene.chance)


def _poison(tenant: str) -> list[dict[str, bytes]]:
    """Entries that ingest would never have stored."""
    data = b'"type":"io.sspp.page.viewed","specversion":"1.0","source":"/poison"'
    ours = b'"sspptenant":"%b","ssppreceived":"2026-01-01T00:00:00.000000Z"' % tenant.encode()
    deep = b"[" * 5_000 + b"]" * 5_000
    return [
        {"event": b"not JSON at all"},
        {"event": b""},
        {"event": b"null"},
        {"event": b"[1,2]"},
        {"event": b'{"id":"two"},{"id":"of them"}'},
        {"event": b"\x00\xff\xfe"},
        {"nothing": b"of ours"},
        {"event": b"{%b,%b}" % (data, ours)},  # no id
        {"event": b'{"id":7,%b,"data":{"accountId":"a"},%b}' % (data, ours)},
        {"event": b'{"id":"deep",%b,"data":{"accountId":"a","metadata":{"x":%b}},%b}' % (data, deep, ours)},
        {"event": b'{"id":"nul",%b,"data":{"accountId":"a\\u0000b"},%b}' % (data, ours)},
        {"event": b'{"id":"nul2",%b,"data":{"accountId":"a","metadata":{"x":"\\u0000"}},%b}' % (data, ours)},
        {"event": b'{"id":"half",%b,"data":{"accountId":"\\ud800"},%b}' % (data, ours)},
        {"event": b'{"id":"list",%b,"data":[],%b}' % (data, ours)},
        {"event": b'{"id":"nobody",%b,"data":{"accountId":"a"}}' % data},
    ]


def poison(scene: Scene) -> None:
    """Entries in every channel that no function can work with: ahead of a whole batch, then among the others."""
    entries = _poison(next(iter(scene.load.keys)))
    scene.chance.shuffle(entries)
    scene.poison.update(dict.fromkeys(keyspace.CHANNELS, len(entries) * 2))
    until(scene.stage.drained, within_s=120, what="every channel is empty")
    scene.stage.freeze("events")
    for entry in entries:
        _publish(scene, entry)
    answered = len(scene.load.ledger.acknowledged) + 2 * SUBSCRIPTIONS["events"].batch
    scene.load.more(3 * SUBSCRIPTIONS["events"].batch)
    until(lambda: len(scene.load.ledger.acknowledged) > answered, within_s=60, what="enough follows")
    scene.stage.thaw("events")
    for entry in entries:
        _publish(scene, entry)
        scene.more(0.02)


def _publish(scene: Scene, entry: dict[str, bytes]) -> None:
    """Put an entry into every channel, past ingest."""
    with scene.stage.client() as client:
        for name in keyspace.CHANNELS:
            client.xadd(keyspace.stream_key(name, 0), entry)


def zombie_dispatcher(scene: Scene) -> None:
    """A dispatcher stands still for so long that another takes over its entries; then it goes on."""
    scene.stage.spare("events")
    scene.stage.freeze("events")
    scene.for_seconds(BEYOND_IDLE_S * 2, BEYOND_IDLE_S)
    scene.stage.thaw("events")
    scene.stage.end_spares()


def zombie_function(name: str, scene: Scene) -> None:
    """A function stands still for longer than anyone waits for it; then it goes on."""
    scene.stage.freeze(name)
    scene.for_seconds(30, BEYOND_IDLE_S)
    scene.stage.thaw(name)


def two_dispatchers(scene: Scene) -> None:
    """Two more dispatchers on every channel, for a while."""
    for name in SUBSCRIPTIONS:
        scene.stage.spare(name)
    scene.for_seconds(20, 2)
    scene.stage.end_spares()


def _dispatcher(stage: Stage, client: Any, consumer: str, now_ms: Callable[[], int]) -> Dispatcher:
    """A dispatcher of events within this process, as `python -m events` puts it together."""
    subscription = SUBSCRIPTIONS["events"]
    policy = replace(subscription.retry, delays_s=retry.schedule(TIMES["SSPP_RETRY_SCHEDULE"]))
    url = stage.parts["events"].env["SSPP_TARGET_URL"]
    return Dispatcher(
        channel=channel.Channel(client, "events", 0, consumer),
        target=Target(url, token=TOKEN, timeout_s=float(TIMES["SSPP_DELIVERY_TIMEOUT_SECONDS"])),
        breaker=Breaker(time.monotonic),
        dead_letter_breaker=DeadLetterBreaker(subscription.stop_share, time.monotonic),
        subscription=replace(subscription, retry=policy),
        batch=subscription.batch,
        concurrency=1,
        claim_idle_ms=int(float(TIMES["SSPP_CLAIM_IDLE_SECONDS"]) * 1000),
        destination=url,
        now_ms=now_ms,
        now_s=time.monotonic,
        rand=random.random,
    )


@contextmanager
def _dispatching(scene: Scene, *consumers: str, now_ms: Callable[[], int]) -> Iterator[None]:
    """Run dispatchers of events within this process for the length of the block."""
    stopping = threading.Event()
    with channel.connect(scene.stage.redis_url) as client:
        dispatchers = [_dispatcher(scene.stage, client, name, now_ms) for name in consumers]
        threads = [threading.Thread(target=each.run, args=(stopping,)) for each in dispatchers]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stopping.set()
            for thread in threads:
                thread.join()


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000


def twins(scene: Scene) -> None:
    """Two dispatchers that call themselves the same, while the function they deliver to is killed."""
    with _dispatching(scene, "twin", "twin", now_ms=_wall_ms):
        for _ in range(int(scene.seconds(5, 1))):
            scene.stage.restart("process")
        scene.for_seconds(20, 2)


def clock_jumps(scene: Scene) -> None:
    """A dispatcher whose wall clock jumps by up to a day, either way, while its function is killed."""
    scene.stage.parts["events"].stop()
    jump = random.Random(scene.chance.random())
    with _dispatching(scene, "jumping", now_ms=lambda: _wall_ms() + jump.randint(-86_400_000, 86_400_000)):
        for _ in range(int(scene.seconds(5, 1))):
            scene.stage.restart("process")
        scene.for_seconds(20, 2)
    scene.stage.restart("events")


def scaled(name: str, scene: Scene) -> None:
    """A part is asked to end and started again, over and over."""
    part = scene.stage.parts[name]
    for _ in range(int(scene.seconds(6, 2))):
        code = part.stop()
        assert code == 0, f"{name} ended with {code}"
        part.start()
        scene.stage.ready(name)
        scene.for_seconds(5, 0.5)


FAULTS: tuple[Fault, ...] = (
    *(
        Fault(f"killed at {place}", partial(killed_at, place), mails_again=place.startswith("notify"))
        for place in sorted(PLACES)
    ),
    Fault("any part killed", killed_at_random, mails_again=True),
    Fault("all killed at once", everything_killed, mails_again=True),
    Fault("redis killed always", partial(redis_killed, "always")),
    Fault("redis killed everysec", partial(redis_killed, "everysec")),
    Fault("redis empty", redis_empty),
    Fault("full memory", full_memory),
    Fault("full disk always", partial(full_disk, "always")),
    Fault("full disk everysec", partial(full_disk, "everysec")),
    Fault("postgres down", postgres_down, mails_again=True),
    Fault("postgres out of connections", out_of_connections, mails_again=True),
    Fault("postgres lock held", lock_held, mails_again=True),
    Fault("postgres read-only", read_only, mails_again=True),
    Fault("duplicate storm", duplicate_storm),
    Fault("poison", poison),
    Fault("zombie dispatcher", zombie_dispatcher),
    Fault("zombie process", partial(zombie_function, "process")),
    Fault("two dispatchers", two_dispatchers),
    Fault("two dispatchers of one name", twins),
    Fault("clock jumps", clock_jumps),
    Fault("dispatcher scaled 0-1-0", partial(scaled, "events")),
    Fault("process scaled 0-1-0", partial(scaled, "process")),
    Fault("postgres slow", partial(slow, "postgres", 0.1), wired=True, mails_again=True),
    Fault("postgres hangs", partial(hangs, "postgres"), wired=True, mails_again=True),
    Fault("search down", search_down, wired=True),
    Fault("search slow", partial(slow, "search", 1.0), wired=True),
    Fault("search hangs", partial(hangs, "search"), wired=True),
    Fault("search partial errors", search_partial, wired=True),
    Fault("1 % resets, 40 ms", bad_network, wired=True, mails_again=True),
)
