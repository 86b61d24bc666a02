"""A dispatcher's process: every lane of a channel, with health beside them, until SIGTERM."""

from __future__ import annotations

import gc
import os
import random
import signal
import socket
import threading
import time
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import replace
from functools import partial
from itertools import product
from urllib.parse import urlsplit

import redis

from events import channel, failpoint, health, keyspace, log, retry
from events.breaker import Breaker
from events.deadletter import DeadLetters
from events.deadletter_breaker import FORGOTTEN_S, DeadLetterBreaker
from events.delivery import Target
from events.dispatcher import Dispatcher
from events.hostname import HostName
from events.log import Throttle
from events.settings import DispatcherSettings
from events.subscription import Subscription

#: How often the log says that dead letters wait.
REMINDED_S = 3600.0


def run(subscription: Subscription, settings: DispatcherSettings) -> None:
    """Dispatch ``subscription`` until SIGTERM or SIGINT."""
    log.configure(settings.log_level)
    failpoint.arm(settings.failpoints)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    _run(subscription, settings, stopping)


def _run(subscription: Subscription, settings: DispatcherSettings, stopping: threading.Event) -> None:
    client = channel.connect(settings.redis_url)
    lanes = _dispatchers(subscription, settings, client)
    host = HostName(urlsplit(settings.target_url).hostname or "", time.monotonic)
    pings = {"redis": lanes[0].channel.ping, "target": host.ping}
    health.expose(settings.host, settings.metrics_port, pings)
    with (
        health.served(settings.host, settings.port, pings),
        ThreadPoolExecutor(len(lanes)) as threads,
    ):
        gc.freeze()  # objects of the start-up stay: the collector need not walk through them
        log.Log("dispatcher").info("started", channel=subscription.channel, port=settings.port)
        running = [threads.submit(lane.run, stopping) for lane in lanes]
        wait(running, return_when=FIRST_EXCEPTION)
        stopping.set()  # a lane that fails ends the process, which Kubernetes starts again
        for lane_run in running:
            lane_run.result()
    client.close()


def _dispatchers(subscription: Subscription, settings: DispatcherSettings, client: redis.Redis) -> list[Dispatcher]:
    """Return a dispatcher for each thread: each partition's share of the requests, and one for its overflow lane."""
    consumer = f"{socket.gethostname()}-{os.getpid()}-{random.randrange(1 << 32):08x}"
    share = max(1, subscription.concurrency // settings.partitions)
    connections = settings.partitions * (share + 1)
    target = Target(
        settings.target_url,
        token=next(iter(settings.delivery_tokens), ""),
        timeout_s=settings.delivery_timeout_s,
        connections=connections,
    )
    letters = DeadLetters(client, settings.partitions)
    breaker = Breaker(time.monotonic)
    recall = partial(letters.recent, subscription.channel, FORGOTTEN_S)
    dead_letter_breaker = DeadLetterBreaker(subscription.stop_share, time.monotonic, recall)
    policy = replace(subscription.retry, delays_s=retry.schedule(settings.retry_schedule))
    throttle = Throttle(1, lambda: time.monotonic() / REMINDED_S)
    found: list[Dispatcher] = []
    for partition, lane in product(range(settings.partitions), keyspace.LANES):
        dispatcher = Dispatcher(
            channel=channel.Channel(
                client, subscription.channel, partition, consumer, lane, ids_bytes=settings.ids_bytes
            ),
            target=target,
            breaker=breaker,
            dead_letter_breaker=dead_letter_breaker,
            subscription=replace(subscription, retry=policy),
            batch=subscription.batch if lane == keyspace.FAST else subscription.slow_batch,
            concurrency=share if lane == keyspace.FAST else 1,
            claim_idle_ms=int(settings.claim_idle_s * 1000),
            destination=settings.target_url,
            now_ms=lambda: time.time_ns() // 1_000_000,
            now_s=time.monotonic,
            rand=random.random,
            watch=partial(_watch, letters, subscription.channel, partition, throttle),
        )
        found += [dispatcher] * dispatcher.concurrency
    return found


def _watch(letters: DeadLetters, name: str, partition: int, throttle: Throttle) -> None:
    """Publish how many dead letters wait; log an error while there are too many, or the oldest is too old."""
    waiting = letters.watch(name, partition, time.time_ns() // 1_000_000)
    if waiting.need_somebody and throttle.admit() is not None:
        hours = waiting.oldest_ms // 3_600_000
        log.Log("dispatcher").error("dead_letters_waiting", channel=name, letters=waiting.letters, oldest_hours=hours)
