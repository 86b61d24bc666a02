"""A tenant for a test or a measurement: with everything, or only at the front door."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import redis

from functions.adapters.redis.keys import RedisKeyDirectory
from functions.domain.key import RANDOM_BYTES, WRITE_EVENTS, Grant, digest, new_key
from functions.domain.plan import Terms
from functions.domain.rule import RuleDefinition
from functions.service import first_tenant


def rule(name: str, when: str, to: str) -> RuleDefinition:
    """A rule that sends one e-mail."""
    then = [{"channel": "email", "to": to}]
    return RuleDefinition.model_validate({"name": name, "when": when, "then": then})


def make(name: str, *rules: RuleDefinition, database_url: str, redis_url: str) -> str:
    """Set a tenant up with rules; returns its key, which has every scope."""
    key, numbered = new_key(os.urandom(RANDOM_BYTES)), {uuid4(): each for each in rules}
    first_tenant.ensure(name, name=name, key=key, definitions=numbered, database_url=database_url, redis_url=redis_url)
    return key


def let_in(client: redis.Redis, name: str, key: str, terms: Mapping[str, Any] | None = None) -> None:
    """Write the key directory with one tenant, as if PostgreSQL had no other; its key may send events."""
    directory = RedisKeyDirectory(client)
    directory.put({digest(key): Grant(name, frozenset({WRITE_EVENTS}))}, {name: Terms(**(terms or {}))})
    directory.complete()
