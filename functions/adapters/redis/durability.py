"""Whether a Redis keeps what it acknowledges: what it says of itself, compared with what SSPP_DURABILITY promises."""

from __future__ import annotations

from collections.abc import Mapping

import hiredis

from events import metrics
from events.errors import Unavailable
from events.keyspace import PASSING
from events.log import Log
from functions.adapters.redis.pipe import Ask, Reply

#: SSPP_DURABILITY -> the values of ``appendfsync`` that keep the promise.
FSYNC: Mapping[str, tuple[str, ...]] = {"always": ("always",), "everysec": ("everysec", "always")}
#: What only CONFIG GET says.
CONFIG = ("appendfsync", "no-appendfsync-on-rewrite", "hash-max-listpack-entries")
#: Entries that a hash must be able to hold in compact form, or an identity takes several times its bytes.
COMPACT_ENTRIES = 128

log = Log("durability")


def shortfall(info: Mapping[str, str], config: Mapping[str, str], promised: str) -> str:
    """Return which setting of Redis must be changed and why, one sentence; empty when the promise is kept.

    Args:
        info: the fields of ``INFO persistence memory``.
        config: the settings of :data:`CONFIG`; empty where the server does not show them.
        promised: a key of :data:`FSYNC`.
    """
    fsync = config.get("appendfsync")
    if info.get("aof_enabled") != "1":
        return "Redis has appendonly no and forgets accepted events when it stops: set appendonly yes"
    if info.get("aof_last_write_status") == "err":
        return "Redis cannot write its append-only file (aof_last_write_status err): free its disk, see its log"
    if fsync is not None and fsync not in FSYNC[promised]:
        allow = ", or allow it with SSPP_DURABILITY=everysec" if fsync == "everysec" else ""
        return f"Redis has appendfsync {fsync} and may forget events just accepted: set appendfsync {promised}{allow}"
    if config.get("no-appendfsync-on-rewrite") == "yes":
        return "Redis flushes nothing while it rewrites its append-only file: set no-appendfsync-on-rewrite no"
    policy = info.get("maxmemory_policy")
    if policy != "noeviction":
        return f"Redis has maxmemory-policy {policy} and throws events away when full: set maxmemory-policy noeviction"
    return ""


class Durability:
    """The inspection of every connection to Redis; logs each finding once, when it changes.

    Args:
        promised: SSPP_DURABILITY.
    """

    def __init__(self, promised: str) -> None:
        self._promised = promised
        self._found = ""
        self._unknown_logged = False
        self._large_logged = False

    async def inspect(self, ask: Ask) -> str:
        """See :data:`functions.adapters.redis.pipe.Inspect`."""
        found = await self._look(ask)
        if found and found != self._found:
            log.error("redis_not_durable", change=found)
        elif self._found and not found:
            log.info("redis_durable")
        self._found = found
        return found

    async def _look(self, ask: Ask) -> str:
        answer = await ask(("INFO", "persistence", "memory"))
        if isinstance(answer, hiredis.ReplyError):
            return _unreadable(answer)
        fields = (line.partition(":") for line in _text(answer).splitlines())
        info = {name: value for name, _, value in fields}
        for kind, name in (("used", "used_memory"), ("limit", "maxmemory")):
            metrics.REDIS_MEMORY.labels(kind).set(float(info.get(name, 0)))
        config = await self._config(ask)
        if not self._large_logged and int(config.get("hash-max-listpack-entries", COMPACT_ENTRIES)) < COMPACT_ENTRIES:
            self._large_logged = True
            log.warning("identities_large", change=f"set hash-max-listpack-entries to {COMPACT_ENTRIES} or more")
        return shortfall(info, config, self._promised)

    async def _config(self, ask: Ask) -> dict[str, str]:
        """Return the settings that INFO does not show; none where CONFIG is forbidden, as on managed servers."""
        answer = await ask(("CONFIG", "GET", *CONFIG))
        if not isinstance(answer, hiredis.ReplyError):
            words = [_text(word) for word in answer]
            return dict(zip(words[::2], words[1::2], strict=True))
        if not self._unknown_logged:
            self._unknown_logged = True
            log.warning("appendfsync_unknown", reason="the Redis user may not run CONFIG GET; allow +config|get")
        return {}


def _unreadable(answer: hiredis.ReplyError) -> str:
    """Why a server that does not answer INFO cannot be used: for now, or until its user may ask.

    Raises:
        Unavailable: for now.
    """
    if str(answer).startswith(PASSING):
        raise Unavailable("Redis") from answer
    return "whether Redis keeps accepted events is unknown, its user may not run INFO: allow +info"


def _text(reply: Reply) -> str:
    return reply.decode() if isinstance(reply, bytes) else str(reply)
