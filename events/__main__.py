"""``python -m events <channel>``: one dispatcher, every partition of the channel, until SIGTERM."""

from __future__ import annotations

import os
import random
import signal
import socket
import sys
import threading
import time
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait

from events import channel, health, log, settings
from events.delivery import Target
from events.dispatcher import Dispatcher
from events.errors import ConfigError
from events.subscription import SUBSCRIPTIONS, Subscription


def main() -> None:
    """Run the dispatcher named on the command line."""
    if len(sys.argv) != 2 or sys.argv[1] not in SUBSCRIPTIONS:
        raise SystemExit(f"usage: python -m events {{{','.join(SUBSCRIPTIONS)}}}")
    try:
        told = settings.read(os.environ, require=settings.REQUIRED["dispatcher"])
    except ConfigError as exc:
        raise SystemExit(f"settings: {exc}") from exc
    log.configure(told.log_level)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    _run(SUBSCRIPTIONS[sys.argv[1]], told, stopping)


def _run(subscription: Subscription, told: settings.Settings, stopping: threading.Event) -> None:
    client = channel.connect(told.redis_url)
    consumer = f"{socket.gethostname()}-{os.getpid()}-{random.randrange(1 << 32):08x}"
    target = Target(told.target_url, token=told.delivery_token, timeout_s=told.delivery_timeout_s)
    dispatchers = [
        Dispatcher(
            channel=channel.Channel(client, subscription.channel, partition, consumer),
            target=target,
            subscription=subscription,
            claim_idle_ms=int(told.claim_idle_s * 1000),
            destination=told.target_url,
            now_ms=lambda: time.time_ns() // 1_000_000,
            rand=random.random,
        )
        for partition in range(told.partitions)
    ]
    with (
        health.served(told.host, told.port, {"redis": dispatchers[0].channel.ping}),
        ThreadPoolExecutor(len(dispatchers)) as threads,
    ):
        log.Log("dispatcher").info("started", channel=subscription.channel, port=told.port)
        running = [threads.submit(dispatcher.run, stopping) for dispatcher in dispatchers]
        wait(running, return_when=FIRST_EXCEPTION)
        stopping.set()  # one that fails takes the process with it: what runs it starts it again
        for dispatcher_run in running:
            dispatcher_run.result()
    target.close()
    client.close()


if __name__ == "__main__":
    main()
