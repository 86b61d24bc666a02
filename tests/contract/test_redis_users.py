"""The deployed users of Redis (users.sh) on both servers: each can do what its part does, and no more."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from itertools import product
from subprocess import CalledProcessError
from typing import Any, NamedTuple

import pytest
import redis

from events import channel, keyspace
from events.channel import Channel
from events.deadletter import DeadLetters
from events.errors import Unavailable
from events.subscription import SUBSCRIPTIONS
from functions import tick
from functions.adapters.redis import admission, directory, identities, partitions, usage
from functions.adapters.redis.keys import RedisKeyDirectory
from tests.contract.test_redis_flavours import (
    LIMITS,
    NOW,
    SCRIPTS,
    TENANTS,
    carry,
    check_admission,
    check_dead_letters,
    check_partitions,
    decided,
    duplicates,
    publish,
)
from tests.infra import triggers
from tests.servers import redis_server

#: A user of the test's own, that may do everything.
TESTER = "tester"
STREAM, RETRY = keyspace.stream_key("events", 0), keyspace.retry_key("events", 0)
PARKED, DEAD = keyspace.parked_key("events", 0), keyspace.dead_key("events", 0)
IDS, USED = identities.generations_key(0), admission.count_key("tenant", 0, NOW)
KEY, TERMS = directory.key_of("digest"), directory.terms_of("tenant")


@pytest.fixture(scope="module", params=redis_server.SERVERS)
def users(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """A server with the deployed users, whose passwords are their names; gives the URL of one."""
    folder = tmp_path_factory.mktemp("users")
    passwords = {name: name for name in redis_server.DEPLOYED_USERS}
    file = redis_server.users(redis_server.USERS.read_text("utf-8"), folder, passwords)
    with file.open("a", encoding="utf-8") as lines:
        lines.write(f"user {TESTER} on >{TESTER} ~* &* +@all\n")
    options = {"aclfile": str(file), "enable-debug-command": "yes"}  # so that it is the user who may not
    with redis_server.running(request.param, folder, options) as url:
        yield lambda user: url.replace("redis://", f"redis://{user}:{user}@")


@pytest.fixture
def as_user(users: Callable[[str], str]) -> Iterator[Callable[[str], Any]]:
    """Connect as a user."""
    clients: dict[str, Any] = {}
    yield lambda user: clients.setdefault(user, channel.connect(users(user)))
    for client in clients.values():
        client.close()


@pytest.fixture
def nothing_denied(as_user: Callable[[str], Any]) -> Iterator[None]:
    """An empty server, which refuses nobody anything until the test ends."""
    as_user(TESTER).flushall()
    as_user(TESTER).acl_log_reset()
    yield
    assert as_user(TESTER).acl_log() == []


def test_nobody_gets_in_without_a_name(users):
    url = users("dispatcher")
    anonymous = [url.replace(f"//dispatcher:dispatcher@{''}", f"//{login}") for login in ("", ":dispatcher@")]
    for refused in (*anonymous, url.replace(":dispatcher@", ":no@")):
        with closing(channel.connect(refused)) as client, pytest.raises(Unavailable):
            Channel(client, "events", 0, "a").ping()


# --- everything a part does


@pytest.mark.usefixtures("nothing_denied")
@pytest.mark.parametrize("door", ["ingest", "api"])
def test_the_front_door_takes_events_and_the_api_finds_them(users, as_user, door):
    check_admission(users(door), as_user("operator"), as_user("api"), 2)


@pytest.mark.usefixtures("nothing_denied")
def test_a_front_door_before_a_full_redis_still_says_what_it_has_accepted(users, as_user):
    publish(as_user("operator"), TENANTS[1])
    first = decided(users("ingest"), 1)
    as_user(TESTER).config_set("maxmemory", "1mb")
    try:
        again = decided(users("ingest"), 1)
    finally:
        as_user(TESTER).config_set("maxmemory", 0)
    assert duplicates([*first, *again]) == [False, False, True, True]


@pytest.mark.usefixtures("nothing_denied")
def test_dispatchers_carry_every_lane_and_dead_letters_are_worked_on(as_user):
    for partition, lane in enumerate(keyspace.LANES):
        carry(as_user("dispatcher"), partition, lane)
    check_partitions(as_user("operator"))
    assert DeadLetters(as_user("api"), LIMITS.partitions).of_event("tenant", "of no event") is None
    check_dead_letters(as_user("dispatcher"), as_user("api"), len(keyspace.LANES))


@pytest.mark.usefixtures("nothing_denied")
def test_a_dispatcher_finds_what_redis_has_lost_sight_of_and_forgets_consumers_that_are_gone(as_user):
    waiting = Channel(as_user("dispatcher"), "events", 0, "a")
    waiting.ensure()
    waiting.publish(b"1")
    as_user(TESTER).xgroup_setid(STREAM, keyspace.GROUP, "$")
    assert waiting.ensure()
    as_user(TESTER).xgroup_createconsumer(STREAM, keyspace.GROUP, "gone")
    channel.run_script(as_user("dispatcher"), "ensure", [STREAM], [keyspace.GROUP, -1])
    assert as_user(TESTER).xinfo_consumers(STREAM, keyspace.GROUP) == []


@pytest.mark.usefixtures("nothing_denied")
def test_an_operator_fills_redis_and_works_on_dead_letters(as_user):
    client = as_user("operator")
    known = RedisKeyDirectory(client)
    for name, partition, lane in product(keyspace.CHANNELS, range(LIMITS.partitions), keyspace.LANES):
        Channel(client, name, partition, "restore", lane).ensure()
    usage.restore(client, {"tenant": 3}, NOW, LIMITS.partitions)
    known.remove(["digest"])
    known.complete()
    known.filled()
    assert known.is_filled()
    for filled_at in (NOW, None):
        known.put_follow_up(filled_at)
        assert known.follow_up() == filled_at
    Channel(client, "events", 0, "tick").publish(tick.event(NOW))
    client.set(tick.TICKED_KEY, NOW.isoformat(), ex=tick.TICKED_KEPT_S)
    assert client.get(tick.TICKED_KEY) == NOW.isoformat().encode()
    carry(as_user("dispatcher"), 1)
    check_dead_letters(as_user("dispatcher"), client, 1)
    DeadLetters(client, LIMITS.partitions).allow("events", 60)
    assert list(DeadLetters(client, LIMITS.partitions).scan()) == []
    assert Channel(as_user("dispatcher"), "events", 0, "a").breaker_overridden()


@pytest.mark.usefixtures("nothing_denied")
def test_kedas_user_reads_every_trigger(as_user):
    as_user(TESTER).xadd(STREAM, {"event": "1"})
    as_user(TESTER).zadd(RETRY, {"1-0": 1})
    for name in SUBSCRIPTIONS:
        readings = {trigger["name"]: triggers.value(as_user("keda"), trigger) for trigger in triggers.deployed(name)}
        # A signal's dispatcher wakes with the event's.
        expected = {"events": {"stream-0": 1, "retries-0": 1}, "signals": {"ahead-0": 1}, "notices": {}}[name]
        assert readings == dict.fromkeys(readings, 0) | expected


# --- and no more


class Sends(NamedTuple):
    """What a part sends: commands inside these scripts, and these itself."""

    scripts: Sequence[str] = ()
    commands: str = ""


_LETTERS = ("letters", "edit", "redrive", "purge")
_FRONT_DOOR = "INFO CONFIG|GET MGET GET HGET XLEN"
SENDS: Mapping[str, Sends] = {
    "ingest": Sends(["admit"], _FRONT_DOOR),
    "dispatcher": Sends(
        ["ensure", "read", "claim", "lease", "nack", "settle", "recent", "waiting"], "XREADGROUP XLEN ZCARD EXISTS"
    ),
    "api": Sends(["admit", *_LETTERS], f"{_FRONT_DOOR} ZREVRANGEBYLEX"),
    "operator": Sends(
        ["ensure", "publish", "caught_up", "level", *_LETTERS],
        "MGET HGET HMGET MSET SET GET DEL EXISTS INCRBY EXPIRE XLEN ZCARD",
    ),
    # Source: kedacore/keda v2.20.2, pkg/scalers/redis_scaler.go and redis_streams_scaler.go.
    "keda": Sends(commands="XLEN EVAL TYPE ZCARD LLEN"),
    "exporter": Sends(
        commands="INFO SLOWLOG|GET SLOWLOG|LEN LATENCY|LATEST LATENCY|HISTOGRAM TYPE XLEN ZCARD",
    ),
    "backup": Sends(commands="AUTH REPLCONF SYNC"),
}


def commands_in(script: str) -> set[str]:
    """The commands a script may run, a subcommand with its command."""
    found = re.findall(r"redis\.p?call\(('\w+'|ARGV\[1\])(?:, '([A-Z]+)'(?=,))?", SCRIPTS[script].text)
    containers = {"XGROUP", "XINFO"}
    names = {f"{name[1:-1]}|{sub}" if name[1:-1] in containers else name.strip("'") for name, sub in found}
    if "ARGV[1]" in names:  # letters.lua is told which way to read
        names = names - {"ARGV[1]"} | {"XRANGE", "XREVRANGE"}
    return names


def test_every_script_is_somebodys():
    assert SCRIPTS.keys() == {script for sends in SENDS.values() for script in sends.scripts}


@pytest.mark.parametrize("user", SENDS)
def test_a_user_may_send_what_its_part_sends_and_nothing_else(user, tmp_path):
    [rules] = [rules for rules in redis_server.user_rules(tmp_path) if rules[0] == user]
    allowed = {name.upper() for name in re.findall(r"\+([a-z][a-z|_]*)", " ".join(rules))}
    sends = SENDS[user]
    sent = {name for script in sends.scripts for name in commands_in(script)} | set(sends.commands.split())
    assert allowed == sent | ({"EVAL", "EVALSHA"} if sends.scripts else set())


#: Every kind of key there is: what makes its name -> some of that kind. Partition 12 is one of many.
KEYS: Mapping[str, tuple[str, Sequence[str]]] = {
    "events": ("stream_key", [keyspace.stream_key("events", 12, lane) for lane in keyspace.LANES]),
    "other streams": ("stream_key", [keyspace.stream_key(name, 12) for name in ("signals", "notices")]),
    "other slow streams": (
        "stream_key",
        [keyspace.stream_key(name, 12, keyspace.SLOW) for name in ("signals", "notices")],
    ),
    "retries": ("retry_key", [keyspace.retry_key("events", 12, lane) for lane in keyspace.LANES]),
    "parked": ("parked_key", [keyspace.parked_key("signals", 12, lane) for lane in keyspace.LANES]),
    "dead letters": ("dead_key", [keyspace.dead_key("notices", 12)]),
    "edited": ("edited_key", [keyspace.edited_key("events", 12)]),
    "buried": ("buried_key", [keyspace.buried_key("events", 12)]),
    "fair queue": ("fair_key", [keyspace.fair_key(name, 12) for name in ("events", "notices")]),
    "queued": ("queued_key", [keyspace.queued_key(name, 12) for name in ("events", "notices")]),
    "finish times": ("finishes_key", [keyspace.finishes_key(name, 12) for name in ("events", "notices")]),
    "behind": ("behind_key", [keyspace.behind_key(name, 12) for name in ("signals", "notices")]),
    "bytes": ("bytes_key", [keyspace.bytes_key(12)]),
    "allowed burials": ("bury_key", [keyspace.bury_key("events")]),
    "rates": ("rate_key", [admission.rate_key(who, 12) for who in ("tenant", "tenant:0123", "tenant:fair")]),
    "counts": ("count_key", [admission.count_key("tenant", 12, datetime(2026, 1, 1, tzinfo=NOW.tzinfo))]),
    "partitions": ("PARTITIONS_KEY", [partitions.PARTITIONS_KEY]),
    "ticked": ("TICKED_KEY", [tick.TICKED_KEY]),
    "identities": ("generations_key", [identities.generations_key(12), f"{identities.generations_key(12)}:1:63"]),
    "directory": ("key_of", [KEY, TERMS, directory.COMPLETE, directory.FILLED, directory.FOLLOW_UP]),
    "others'": ("", ["another:key", "sspp", "sspp:x", "sspp:{x}:events:x"]),
}
_SEE = "GET MGET HGET HMGET XRANGE XREVRANGE ZRANGE ZSCORE ZREVRANGEBYLEX"
_CHANGE = "SET MSET INCRBY EXPIRE DEL XADD XDEL HSET HDEL ZADD ZREM"
_QUEUE = ("fair queue", "queued", "finish times")
#: User -> what it may read the content of, and what it may change. Lengths do not count.
RIGHTS: Mapping[str, tuple[set[str], set[str]]] = {
    "ingest": (
        {"directory", "rates", "counts", "identities", "finish times", "bytes"},
        {"events", *_QUEUE, "rates", "counts", "identities", "bytes"},
    ),
    "dispatcher": (
        {
            *("events", "other streams", "other slow streams", "fair queue", "queued"),
            *("retries", "parked", "dead letters", "bytes", "behind"),
        },
        {
            *("events", "other streams", "other slow streams", *_QUEUE),
            *("retries", "parked", "dead letters", "buried", "bytes", "behind"),
        },
    ),
    "api": (
        {"directory", "rates", "counts", "identities", "dead letters", "edited", "buried", "finish times", "bytes"},
        {
            *("events", "other slow streams", *_QUEUE, "dead letters", "edited", "buried"),
            *("rates", "counts", "identities", "bytes"),
        },
    ),
    "operator": (
        # XRANGE is how it finds out that a restart of Redis has hidden events.
        {
            *("events", "other streams", "other slow streams", "dead letters", "edited"),
            *("counts", "partitions", "ticked", "directory", "finish times", "bytes", "behind"),
        },
        {
            *("events", "other streams", "other slow streams", *_QUEUE, "dead letters", "edited", "buried"),
            *("counts", "partitions", "ticked", "directory", "bytes", "behind", "allowed burials"),
        },
    ),
    "keda": (set(), set()),
    "exporter": (set(), set()),
    "backup": (set(), set()),
}
_ARGUMENTS = {
    "HGET": ["field"],
    "HMGET": ["field"],
    "XRANGE": ["-", "+"],
    "XREVRANGE": ["+", "-"],
    "ZRANGE": ["0", "-1"],
    "ZSCORE": ["member"],
    "ZREVRANGEBYLEX": ["+", "-"],
    "SET": ["1"],
    "MSET": ["1"],
    "INCRBY": ["1"],
    "EXPIRE": ["1"],
    "XADD": ["*", "field", "value"],
    "XDEL": ["1-1"],
    "HSET": ["field", "value"],
    "HDEL": ["field"],
    "ZADD": ["1", "member"],
    "ZREM": ["member"],
}


def test_every_key_there_is_has_a_decision():
    modules = (keyspace, admission, identities, partitions, tick)
    made = {name for module in modules for name in vars(module) if name.lower().endswith("_key")}
    assert made | {"key_of", ""} == {maker for maker, _ in KEYS.values()}


@pytest.mark.parametrize("user", RIGHTS)
def test_a_user_sees_and_changes_the_keys_of_its_part_and_no_others(as_user, user):
    tester = as_user(TESTER)

    def reached(commands: str) -> set[str]:
        tries = product(KEYS.items(), commands.split())
        return {
            kind
            for (kind, (_, names)), command in tries
            for name in names
            if tester.execute_command("ACL DRYRUN", user, command, name, *_ARGUMENTS.get(command, [])) == b"OK"
        }

    assert (reached(_SEE), reached(_CHANGE)) == RIGHTS[user]


ALLOWED: Mapping[str, Sequence[Sequence[Any]]] = {
    "ingest": [("PING",), ("INFO",), ("CONFIG", "GET", "appendfsync"), ("MGET", KEY, directory.COMPLETE)],
    "dispatcher": [("PING",), ("EXISTS", keyspace.bury_key("events"))],
    "api": [("PING",), ("INFO",), ("CONFIG", "GET", "appendfsync")],
    "operator": [("PING",), ("SET", KEY, "{}"), ("DEL", KEY)],
    "keda": [
        ("PING",),
        ("HELLO", 3),  # the connection is then of another kind: by itself
        ("CLIENT", "SETNAME", "keda"),
        ("XLEN", STREAM),
        ("EVAL", "return redis.call('ZCARD', KEYS[1])", 1, RETRY),
    ],
    "backup": [("REPLCONF", "rdb-only", 1)],
    "exporter": [("PING",), ("INFO",), ("XLEN", STREAM), ("ZCARD", RETRY), ("TYPE", STREAM), ("SLOWLOG", "GET")],
}
_LOOK = "return redis.call(ARGV[1], KEYS[1], '-', '+')"
_WRITE = "return redis.call('SET', KEYS[1], '{}')"
#: What nobody may.
_NEVER: Sequence[Sequence[Any]] = [
    ("FLUSHALL",),
    ("FLUSHDB",),
    ("KEYS", "*"),
    ("SCAN", 0),
    ("RANDOMKEY",),
    ("DBSIZE",),
    ("CONFIG", "SET", "appendonly", "no"),
    ("CONFIG", "REWRITE"),
    ("CONFIG", "RESETSTAT"),
    ("ACL", "LIST"),
    ("ACL", "SETUSER", "me"),
    ("SHUTDOWN", "NOSAVE"),
    ("REPLICAOF", "NO", "ONE"),
    ("MONITOR",),
    ("SAVE",),
    ("BGREWRITEAOF",),
    ("SWAPDB", 0, 1),
    ("CLIENT", "KILL", "ID", 1),
    ("CLIENT", "LIST"),
    ("SCRIPT", "FLUSH"),
    ("SCRIPT", "LOAD", "return 1"),
    ("FUNCTION", "FLUSH"),
    ("FUNCTION", "LOAD", "#!lua name=x"),
    ("FUNCTION", "DELETE", "x"),
    ("FCALL", "f", 0),
    ("DEBUG", "SLEEP", 0),
    ("CLIENT", "PAUSE", 1),
    ("CLIENT", "TRACKING", "ON", "BCAST"),
    ("LATENCY", "RESET"),
    ("CLUSTER", "RESET"),
    ("MODULE", "LIST"),
    ("PUBLISH", "channel", "x"),
    ("SORT", STREAM),
    ("DUMP", STREAM),
    ("COPY", STREAM, "sspp:{0}:copy"),
    ("RENAME", STREAM, "sspp:{0}:renamed"),
    ("MIGRATE", "127.0.0.1", 1, STREAM, 0, 1),
    ("GET", "another:key"),
    ("DEL", STREAM),
    ("SET", STREAM, 1),
    ("XTRIM", STREAM, "MAXLEN", 0),
    ("XGROUP", "DESTROY", STREAM, keyspace.GROUP),
]
#: What a replica or a backup says, and nobody else.
_COPYING: Sequence[Sequence[Any]] = [("SYNC",), ("PSYNC", "?", -1), ("REPLCONF", "rdb-only", 1)]
#: Writing oneself a key, a plan, or an end of suspension.
_DIRECTORY: Sequence[Sequence[Any]] = [
    ("SET", KEY, "{}"),
    ("SET", TERMS, "{}"),
    ("MSET", KEY, "{}", TERMS, "{}"),
    ("DEL", KEY),
    ("DEL", directory.COMPLETE),
    ("EXPIRE", KEY, 1),
    ("HSET", KEY, "field", "value"),
    ("EVAL", _WRITE, 1, KEY),
    ("EVAL", f"return redis.call('SET', '{KEY}', '{{}}')", 0),
    ("EVAL", f"return redis.call('MSET', '{KEY}', '{{}}')", 1, STREAM),
]
#: What only dispatchers do.
_DISPATCHING: Sequence[Sequence[Any]] = [
    ("XREADGROUP", "GROUP", keyspace.GROUP, "me", "STREAMS", STREAM, ">"),
    ("XACK", STREAM, keyspace.GROUP, "1-1"),
    ("XDEL", STREAM, "1-1"),
    ("ZADD", RETRY, 1, "x"),
    ("ZREM", RETRY, "x"),
    ("HGET", PARKED, "1-1"),
    ("HDEL", PARKED, "1-1"),
]
#: What those that only look may not.
_LOOKING: Sequence[Sequence[Any]] = [
    *_DIRECTORY,
    *_DISPATCHING,
    ("CONFIG", "GET", "*"),
    ("XRANGE", STREAM, "-", "+"),
    ("XADD", STREAM, "*", "event", "x"),
    ("ZRANGE", RETRY, 0, -1),
    ("HGETALL", PARKED),
    ("HGET", IDS, "generations"),
    ("GET", directory.COMPLETE),
    ("XLEN", PARKED),
    ("EVAL", _LOOK, 1, STREAM, "XRANGE"),
    ("EVAL", "return redis.call('XLEN', KEYS[1])", 1, PARKED),
]
REFUSED: Mapping[str, Sequence[Sequence[Any]]] = {
    "ingest": [
        *_NEVER,
        *_COPYING,
        *_DIRECTORY,
        *_DISPATCHING,
        ("XRANGE", STREAM, "-", "+"),
        ("XADD", keyspace.stream_key("signals", 0), "*", "event", "x"),
        ("XADD", DEAD, "*", "event", "x"),
        ("XRANGE", DEAD, "-", "+"),
        ("SET", USED, 0),
        ("SET", keyspace.bury_key("events"), 1),
        ("EVAL", "return redis.call('XRANGE', KEYS[1], '-', '+')", 1, STREAM),
        ("EVAL", "return redis.call('FLUSHALL')", 0),
    ],
    "dispatcher": [
        *_NEVER,
        *_COPYING,
        *_DIRECTORY,
        ("GET", KEY),
        ("MGET", KEY, directory.COMPLETE),
        ("EXISTS", KEY),
        ("GET", USED),
        ("HGET", IDS, "generations"),
        ("XDEL", DEAD, "1-1"),
        ("SET", keyspace.bury_key("events"), 1),
        ("INFO",),
        ("CONFIG", "GET", "*"),
    ],
    "api": [
        *_NEVER,
        *_COPYING,
        *_DIRECTORY,
        *_DISPATCHING,
        ("XRANGE", STREAM, "-", "+"),
        ("XADD", keyspace.stream_key("signals", 0), "*", "event", "x"),
        ("XADD", DEAD, "*", "event", "x"),
        ("SET", keyspace.bury_key("events"), 1),
    ],
    "operator": [
        *_NEVER,
        *_COPYING,
        *_DISPATCHING,
        ("XADD", DEAD, "*", "event", "x"),
        ("HSET", IDS, "generations", ""),
        ("SET", admission.rate_key("tenant", 0), 1),
        ("INFO",),
        ("CONFIG", "GET", "*"),
    ],
    "keda": [*_NEVER, *_LOOKING, *_COPYING, ("INFO",), ("XLEN", DEAD), ("EVAL", "return 1", 1, STREAM)],
    "exporter": [*_NEVER, *_LOOKING, *_COPYING, ("SLOWLOG", "RESET"), ("EVAL", "return 1", 0)],
    "backup": [*_NEVER, *_LOOKING, ("PING",), ("INFO",), ("PSYNC", "?", -1)],
}


def cases(table: Mapping[str, Sequence[Sequence[Any]]]) -> list[Any]:
    return [
        pytest.param(user, command, id=f"{user} {' '.join(map(str, command))[:70]}")
        for user, commands in table.items()
        for command in commands
    ]


@pytest.mark.parametrize(("user", "command"), cases(ALLOWED))
def test_a_user_may(users, user, command):
    with closing(channel.connect(users(user))) as client:
        client.execute_command(*command)


@pytest.mark.parametrize(("user", "command"), cases(REFUSED))
def test_a_user_may_not(as_user, user, command):
    with pytest.raises(redis.ResponseError) as refused:
        as_user(user).execute_command(*command)
    in_a_script = ("ACL failure in script", "The user executing the script can't")  # as Valkey and Redis 7.0 say it
    assert isinstance(refused.value, redis.exceptions.NoPermissionError) or str(refused.value).startswith(in_a_script)


@pytest.mark.parametrize("passwords", ["", ",", "new,", ",old", "new,,old"])
def test_no_password_is_the_empty_one(passwords, tmp_path):
    given = {name: name for name in redis_server.DEPLOYED_USERS} | {"keda": passwords}
    with pytest.raises(CalledProcessError):
        redis_server.users(redis_server.USERS.read_text("utf-8"), tmp_path, given)


@pytest.mark.parametrize("server", redis_server.SERVERS)
def test_while_a_password_is_replaced_both_work(server, tmp_path):
    given = {name: name for name in redis_server.DEPLOYED_USERS} | {"ingest": "the new one,the old one"}
    file = redis_server.users(redis_server.USERS.read_text("utf-8"), tmp_path, given)
    with redis_server.running(server, tmp_path, {"aclfile": str(file)}) as url:
        for password, works in {"the new one": True, "the old one": True, "the new one,the old one": False}.items():
            with redis.Redis.from_url(url, username="ingest", password=password) as client:
                assert _lets_in(client) == works


def _lets_in(client: Any) -> bool:
    try:
        return bool(client.ping())
    except redis.AuthenticationError:
        return False
