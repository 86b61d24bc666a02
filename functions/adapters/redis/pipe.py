"""One Redis connection that many requests share: commands are written as they come, replies read in order.

Redis answers commands of one connection in the order they were sent, so a reply belongs to the oldest
command without one. Everything that is asked within one turn of the event loop leaves in one write.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import hiredis

from events.errors import Unavailable
from events.keyspace import PASSING

#: Above it the process is far behind Redis; refusing is kinder than queueing.
MAX_PENDING = 10_000
CONNECT_TIMEOUT_S = 3.0
REPLY_TIMEOUT_S = 5.0
#: After a failed connect, how long requests are refused without trying again.
RETRY_CONNECT_S = 0.25
#: How long a replica may take to say that it has what was written. The event may be stored where it takes longer.
COPIED_MS = 1_000
#: How often a server is inspected while it is fit for use, and while it is not.
INSPECT_S, INSPECT_UNFIT_S = 30.0, 1.0

#: The commands that may write.
WRITING = ("EVALSHA", "EVAL")

Reply = Any
#: Sends one command and returns its reply, which may be an error that is not raised.
Ask = Callable[[tuple[str | bytes | int, ...]], Awaitable[Reply]]
#: Returns why a server must not be used, a sentence; empty when it may be. Raises Unavailable when it does not answer.
Inspect = Callable[[Ask], Awaitable[str]]


class RedisPipe:
    """A multiplexed client. It connects when first used and again after the connection broke.

    Args:
        url: ``redis[s]://[user][:password]@host[:port][/database]``. With ``?replicas=N`` a script is answered for
            once N replicas have what it wrote.
        inspect: asked about each new connection before its first use, and again every :data:`INSPECT_S`.
    """

    def __init__(self, url: str, inspect: Inspect | None = None) -> None:
        self._inspect = inspect
        self._target = urlsplit(url)
        self._options = dict(parse_qsl(self._target.query))
        self._replicas = int(self._options.get("replicas", "0"))
        self._connection: _Connection | None = None
        self._connecting: asyncio.Task[_Connection] | None = None
        self._retry_at = 0.0

    async def execute(self, *command: str | bytes | int) -> Reply:
        """Send one command and wait for its reply.

        Raises:
            Unavailable: Redis is away, slow, full or unfit for use. The command may have run where ``sent`` says so.
            hiredis.ReplyError: Redis refused the command for another reason.
        """
        connection = self._connection
        if connection is None or not connection.fit:
            connection = await self._usable()
        return await self._answered(connection, command, await connection.send(command))

    async def execute_asking(self, *command: str | bytes | int) -> Reply:
        """The same for a node of a cluster that is only about to get the command's keys: one that ``ASK`` named.

        Raises:
            Unavailable, hiredis.ReplyError: see :meth:`execute`.
        """
        connection = await self._usable()
        # Nothing may come between the two: ASKING holds for the connection's next command, whosever it is.
        _, reply = await asyncio.gather(connection.send(("ASKING",)), connection.send(command))
        return await self._answered(connection, command, reply)

    async def _answered(self, connection: _Connection, command: tuple[str | bytes | int, ...], reply: Reply) -> Reply:
        """Return ``reply`` to ``command`` once enough replicas have what it wrote."""
        if isinstance(reply, hiredis.ReplyError):
            raise _refusal(reply)
        if self._replicas and command[0] in WRITING:
            # Shielded: others wait for the same answer.
            copies = await asyncio.shield(connection.copied(self._replicas))
            if isinstance(copies, hiredis.ReplyError):
                raise _refusal(copies)
            if copies < self._replicas:
                raise Unavailable(
                    "Redis", sent=True, reason=f"{copies} of {self._replicas} replicas have what was written"
                )
        return reply

    async def close(self) -> None:
        """Close the connection; what is pending fails as unavailable."""
        if self._connection is not None:
            self._connection.abort()

    async def _usable(self) -> _Connection:
        """Return a connection to a server that is fit for use; connect first when there is none."""
        connection = self._connection
        if connection is None or connection.closed:
            connection = await self._connected()
        if self._inspect is not None and asyncio.get_running_loop().time() >= connection.inspect_at:
            await self._inspected(connection, self._inspect)
        if connection.unfit:
            raise Unavailable("Redis", reason=connection.unfit)
        return connection

    async def _inspected(self, connection: _Connection, inspect: Inspect) -> None:
        """Find out whether the server is fit for use. Meanwhile other callers use the last finding."""
        now = asyncio.get_running_loop().time()
        connection.inspect_at = now + INSPECT_S
        connection.unfit = await inspect(connection.send)
        if connection.unfit:
            connection.inspect_at = now + INSPECT_UNFIT_S

    async def _connected(self) -> _Connection:
        """Connect; callers that come meanwhile share the attempt."""
        loop = asyncio.get_running_loop()
        if self._connecting is None:
            if loop.time() < self._retry_at:
                raise Unavailable("Redis")
            self._connecting = loop.create_task(self._connect())
        task = self._connecting
        try:
            self._connection = await asyncio.shield(task)
            return self._connection
        except (OSError, TimeoutError, hiredis.ReplyError) as exc:
            self._retry_at = loop.time() + RETRY_CONNECT_S
            raise Unavailable("Redis") from exc
        finally:
            if self._connecting is task and task.done():
                self._connecting = None

    async def _connect(self) -> _Connection:
        target = self._target
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            _, connection = await loop.create_connection(
                _Connection,
                target.hostname or "127.0.0.1",
                target.port or 6379,
                ssl=self._trust(),
            )
            try:
                await self._greet(connection)
                if self._inspect is not None:
                    await self._inspected(connection, self._inspect)
            except BaseException:  # also when its time is up
                connection.abort()
                raise
        return connection

    def _trust(self) -> ssl.SSLContext | None:
        """Return the trusted authorities: ``ssl_ca_certs`` of the URL, a file, else the machine's own authorities."""
        if self._target.scheme != "rediss":
            return None
        return ssl.create_default_context(cafile=self._options.get("ssl_ca_certs"))

    async def _greet(self, connection: _Connection) -> None:
        for command in self._greeting():
            reply = await connection.send(command)
            if isinstance(reply, hiredis.ReplyError):
                raise reply

    def _greeting(self) -> list[tuple[str, ...]]:
        commands: list[tuple[str, ...]] = []
        if self._target.password:
            user = (unquote(self._target.username),) if self._target.username else ()
            commands.append(("AUTH", *user, unquote(self._target.password)))
        database = self._target.path.strip("/")
        if database not in {"", "0"}:
            commands.append(("SELECT", database))
        return commands


def _refusal(reply: hiredis.ReplyError) -> Exception:
    """Return the exception for a reply that is an error."""
    if not str(reply).startswith(PASSING):
        return reply
    passing = Unavailable("Redis")
    passing.__cause__ = reply
    return passing


class _Connection(asyncio.Protocol):
    """The wire: bytes out, replies in, a future for each command between the two."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader()
        self._pending: deque[asyncio.Future[Reply]] = deque()
        self._outgoing: list[bytes] = []
        self._unsent_wait: asyncio.Future[Reply] | None = None
        self._transport: asyncio.Transport | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._waiting_since = 0.0
        self.closed = False
        self.inspect_at = 0.0
        self.unfit = ""

    @property
    def fit(self) -> bool:
        """Return whether a command may be sent without another inspection of the server."""
        return not (self.closed or self.unfit) and self._loop.time() < self.inspect_at

    def send(self, command: tuple[str | bytes | int, ...]) -> asyncio.Future[Reply]:
        """Queue ``command`` for the next write and give the future of its reply."""
        if self.closed or len(self._pending) >= MAX_PENDING:
            raise Unavailable("Redis")
        if not self._pending:
            self._waiting_since = self._loop.time()
        future = self._loop.create_future()
        self._pending.append(future)
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        self._outgoing.append(hiredis.pack_command(command))  # type: ignore[arg-type] # its stub knows one-tuples
        if self._watch is None:
            self._watch = self._loop.call_later(REPLY_TIMEOUT_S, self._check)
        return future

    def copied(self, replicas: int) -> asyncio.Future[Reply]:
        """Return how many replicas have all that was written on this connection; calls of one loop turn share a WAIT.

        Redis answers when ``replicas`` have it, or after :data:`COPIED_MS`.
        """
        if self._unsent_wait is None:
            self._unsent_wait = self.send(("WAIT", replicas, COPIED_MS))
        return self._unsent_wait

    def abort(self) -> None:
        """Close the connection, and fail the pending commands."""
        if self._transport is not None:
            self._transport.abort()
        self.connection_lost(None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = transport  # type: ignore[assignment] # a stream connection's transport writes

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self._waiting_since = self._loop.time()
        self._reader.feed(data)
        while (reply := self._reader.gets()) is not False:
            future = self._pending.popleft()
            if not future.done():  # its request was cancelled meanwhile
                future.set_result(reply)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio passes it
        """See asyncio.Protocol."""
        self.closed = True
        if self._watch is not None:
            self._watch.cancel()
        while self._pending:
            future = self._pending.popleft()
            if not future.done():
                future.set_exception(Unavailable("Redis", sent=True))

    def _flush(self) -> None:
        if self._transport is not None and not self.closed:
            self._transport.write(b"".join(self._outgoing))
        self._outgoing.clear()
        self._unsent_wait = None

    def _check(self) -> None:
        """Abort if commands wait and none was answered for :data:`REPLY_TIMEOUT_S`."""
        self._watch = None
        if not self._pending:
            return
        left_s = self._waiting_since + REPLY_TIMEOUT_S - self._loop.time()
        if left_s <= 0:
            self.abort()
        else:
            self._watch = self._loop.call_later(left_s, self._check)
