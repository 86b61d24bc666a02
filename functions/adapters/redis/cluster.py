"""A Redis Cluster for the front door: a pipe to each node, and on which one the keys of each hash tag are."""

from __future__ import annotations

from urllib.parse import SplitResult, parse_qsl, urlsplit, urlunsplit

import hiredis

from events.errors import Unavailable
from functions.adapters.redis.pipe import Inspect, RedisPipe, Reply

#: Nodes a command is sent on to. One knows where a key is, or a migration ends meanwhile; more is going in circles.
MOST_REDIRECTS = 4


class ClusterPipe:
    """A :class:`RedisPipe` for a cluster. Every command's keys share one hash tag.

    Where a tag lives is learned from ``MOVED``, so nothing is asked in advance and there is no table of slots.

    Args:
        url: see :class:`RedisPipe`; of any node, the others take the same user.
        inspect: see :class:`RedisPipe`; asked about each node that is used.
    """

    def __init__(self, url: str, inspect: Inspect | None = None) -> None:
        self._seed = urlsplit(url)
        self._inspect = inspect
        self._seed_pipe = RedisPipe(url, inspect)
        # The first is asked for what no other is known to have.
        self._nodes = {_address(self._seed.hostname or "127.0.0.1", self._seed.port or 6379): self._seed_pipe}
        self._homes: dict[str, RedisPipe] = {}
        self._looked_around = False

    async def execute(self, *command: str | bytes | int) -> Reply:
        """See :meth:`RedisPipe.execute`."""
        tag = _tag(command)
        pipe, asking = self._homes.get(tag) or next(iter(self._nodes.values())), False
        for _ in range(MOST_REDIRECTS):
            try:
                reply = await (pipe.execute_asking(*command) if asking else pipe.execute(*command))
            except Unavailable as exc:
                # In the middle of a slot's migration the node is well and will have more to say.
                if not str(exc.__cause__).startswith("TRYAGAIN"):
                    self._forget(pipe)
                raise
            except hiredis.ReplyError as exc:
                kind, _, where = str(exc).partition(" ")
                if kind not in {"MOVED", "ASK"}:
                    raise
                pipe, asking = self._node(where.partition(" ")[2]), kind == "ASK"
                if not asking and self._homes.get(tag) is not pipe:
                    self._homes[tag], self._looked_around = pipe, False
                continue
            if not self._looked_around:
                await self._look_around(pipe)
            return reply
        raise Unavailable("Redis")

    async def close(self) -> None:
        """See :meth:`RedisPipe.close`."""
        for pipe in self._nodes.values():
            await pipe.close()

    def _node(self, address: str) -> RedisPipe:
        """Return the one pipe to the node at ``host:port``; without a host at the seed's."""
        host, _, port = address.rpartition(":")
        address = _address(host or self._seed.hostname or "127.0.0.1", int(port))
        if address not in self._nodes:
            self._nodes[address] = RedisPipe(_beside(self._seed, address), self._inspect)
        return self._nodes[address]

    def _forget(self, pipe: RedisPipe) -> None:
        """Forget which tags a node has, and try it last: another node may have its slots by now."""
        self._homes = {tag: home for tag, home in self._homes.items() if home is not pipe}
        self._nodes = dict(sorted(self._nodes.items(), key=lambda node: node[1] is pipe))
        self._looked_around = False

    async def _look_around(self, pipe: RedisPipe) -> None:
        """Learn the other nodes from one that answers, once after each change, in case it stops answering."""
        self._looked_around = True
        try:
            slots = await pipe.execute("CLUSTER", "SLOTS")
        except (Unavailable, hiredis.ReplyError):
            return  # what was asked for is done; that is not undone by not knowing more
        there = {self._node(f"{(host or b'').decode()}:{port}") for _, _, *nodes in slots for host, port, *_ in nodes}
        there |= {self._seed_pipe, *self._homes.values()}
        gone = [known for known in self._nodes.values() if known not in there]
        self._nodes = {address: known for address, known in self._nodes.items() if known in there}
        for known in gone:
            await known.close()


Pipe = RedisPipe | ClusterPipe


def connect(url: str, inspect: Inspect | None = None) -> Pipe:
    """Return a pipe that connects when first used; with ``?cluster=true`` to the Redis Cluster that ``url`` is of.

    Args:
        inspect: see :class:`RedisPipe`.
    """
    clustered = dict(parse_qsl(urlsplit(url).query)).get("cluster") == "true"
    return ClusterPipe(url, inspect) if clustered else RedisPipe(url, inspect)


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _beside(seed: SplitResult, address: str) -> str:
    """Return the URL of the seed with another address: the same user, and the same trust."""
    user, at, _ = seed.netloc.rpartition("@")
    return urlunsplit(seed._replace(netloc=f"{user}{at}{address}"))


def _tag(command: tuple[str | bytes | int, ...]) -> str:
    """Return the hash tag of the first key, from brace to brace; empty for a command without keys."""
    key = str(next(iter(command[3:] if command[0] in {"EVAL", "EVALSHA"} else command[1:]), ""))
    return key[key.find("{") : key.find("}") + 1]
