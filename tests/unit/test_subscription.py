"""Subscriptions: every channel has one consumer, and that consumer exists."""

from __future__ import annotations

from importlib import import_module

import pytest

from events.keyspace import CHANNELS
from events.settings import FUNCTIONS
from events.subscription import SUBSCRIPTIONS
from functions import server
from functions.web.batch import MAX_BATCH

EACH = pytest.mark.parametrize("subscription", SUBSCRIPTIONS.values(), ids=lambda each: each.channel)


def test_every_channel_has_exactly_one_subscription():
    assert sorted(SUBSCRIPTIONS) == sorted(CHANNELS)
    assert all(subscription.channel == name for name, subscription in SUBSCRIPTIONS.items())


def test_no_function_consumes_two_channels():
    functions = [subscription.function for subscription in SUBSCRIPTIONS.values()]
    assert len(set(functions)) == len(functions)


@EACH
def test_the_function_of_a_subscription_exists_and_is_served(subscription):
    main = import_module(f"functions.{subscription.function}.main")
    assert callable(getattr(main, subscription.function))
    assert subscription.function in FUNCTIONS
    assert subscription.function not in server.ASYNCHRONOUS


@EACH
def test_a_function_takes_a_whole_batch(subscription):
    assert 1 <= subscription.batch <= MAX_BATCH


@EACH
def test_a_failed_delivery_is_tried_again_later_and_later(subscription):
    delays = list(subscription.retry.delays_s)
    assert delays == sorted(delays)
    assert delays[0] > 0
