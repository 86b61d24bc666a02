"""Who consumes which channel, declared once: the dispatcher runs by it and the deployment is checked against it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from events.retry import RetryPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """One channel's one consumer.

    Args:
        channel: what it reads.
        function: the function that gets the events, a folder below ``functions/``.
        batch: the most events a request carries.
        retry: what happens to those it does not take.
    """

    channel: str
    function: str
    batch: int = 500
    retry: RetryPolicy = field(default_factory=RetryPolicy)


SUBSCRIPTIONS: Mapping[str, Subscription] = {
    subscription.channel: subscription
    for subscription in (
        Subscription(channel="events", function="process"),
        Subscription(channel="signals", function="index"),
        # A notice is an e-mail: few at a time, so that a slow mail server cannot outlast the delivery timeout.
        Subscription(channel="notices", function="notify", batch=20),
    )
}
