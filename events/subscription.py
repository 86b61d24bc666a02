"""Who consumes which channel, declared once: the dispatcher runs by it and the deployment is checked against it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from events.retry import RetryPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """One channel's one consumer. Its URL and the time a delivery may take are the deployment's: settings.py.

    Args:
        channel: what it reads.
        function: the function that gets the events, a folder below ``functions/``.
        batch: the most events a request carries.
        slow_batch: the same in the overflow lane, whose batches must not keep the function from the others' for long.
        linger_s: how long a batch that is not full waits for more, where its request is the last there may be.
        concurrency: the most requests in flight to the function from one dispatcher, beside the overflow lane's.
        retry: what happens to those it does not take.
        dead_letters: whether those that are given up are kept.
        stop_share: the share of failures that opens the dead-letter breaker; see deadletter_breaker.py.
    """

    channel: str
    function: str
    batch: int = 500
    slow_batch: int = 50
    linger_s: float = 0.02
    concurrency: int = 3
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    dead_letters: bool = True
    stop_share: float = 0.5


SUBSCRIPTIONS: Mapping[str, Subscription] = {
    subscription.channel: subscription
    for subscription in (
        Subscription(channel="events", function="process"),
        # An entry is an id, whatever the size of its event: as many as fit the function timeout if each is of 1 MB.
        Subscription(channel="signals", function="index", batch=100),
        # A notice is an e-mail: few at a time, so that a slow mail server cannot outlast the delivery timeout.
        Subscription(channel="notices", function="notify", batch=20, slow_batch=20),
    )
}
