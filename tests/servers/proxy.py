"""TCP proxies with weather: between two parts, bytes are late, connections are reset or nobody answers."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from functions.local import ports

CHUNK = 65_536

#: Pieces under way in one direction, each with the time it arrives; an empty one is the end.
Pipe = asyncio.Queue[tuple[float, bytes]]


@dataclass
class Weather:
    """What happens to the bytes on their way, from now on.

    Args:
        delay_s: how long each piece is under way, in each direction.
        resets: the share of pieces that are lost together with their connection.
        hangs: nothing comes through, and nothing is refused either.
        refuses: every connection is closed.
    """

    delay_s: float = 0.0
    resets: float = 0.0
    hangs: bool = False
    refuses: bool = False
    chance: random.Random = field(default_factory=random.Random)
    lost: int = 0


class Proxies:
    """Proxies that run in one thread; each has a weather of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxies", daemon=True)
        self._thread.start()
        self._servers: list[asyncio.Server] = []
        self._writers: set[asyncio.StreamWriter] = set()

    def to(self, port: int, weather: Weather) -> int:
        """Give the port of a new proxy for ``port`` on loopback."""
        own = ports.free(1)[0]

        async def serve() -> None:
            async def joined(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                await self._join(reader, writer, port, weather)

            self._servers.append(await asyncio.start_server(joined, "127.0.0.1", own, limit=CHUNK))

        self._do(serve())
        return own

    def close(self) -> None:
        """Stop listening, cut every connection and end the thread."""
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        for writer in list(self._writers):
            writer.transport.abort()

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _join(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int, weather: Weather
    ) -> None:
        """Carry bytes both ways until one side ends or the weather ends it."""
        writers, tasks = [writer], list[asyncio.Task[None]]()
        end: Callable[[asyncio.StreamWriter], None] = _reset
        self._writers.add(writer)
        try:
            if weather.refuses:
                return
            there, back = await asyncio.open_connection("127.0.0.1", port, limit=CHUNK)
            writers.append(back)
            self._writers.add(back)
            pipes: list[Pipe] = [asyncio.Queue(), asyncio.Queue()]
            arriving = [
                asyncio.create_task(_arrive(pipe, to, weather)) for pipe, to in zip(pipes, (back, writer), strict=True)
            ]
            tasks = [*arriving, *(map(asyncio.create_task, map(_leave, (reader, there), pipes, (weather, weather))))]
            done, _ = await asyncio.wait(arriving, return_when=asyncio.FIRST_COMPLETED)
            if not any(task.exception() for task in done):
                end = asyncio.StreamWriter.close
        except OSError:
            pass  # nobody there: the caller is told by the reset below
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for each in writers:
                end(each)
                self._writers.discard(each)


async def _leave(reader: asyncio.StreamReader, pipe: Pipe, weather: Weather) -> None:
    """Put every piece under way with the time it arrives; they do not wait for each other."""
    piece = b"first"
    while piece:
        try:
            piece = await reader.read(CHUNK)
        except OSError:
            piece = b""
        pipe.put_nowait((asyncio.get_running_loop().time() + weather.delay_s, piece))


async def _arrive(pipe: Pipe, writer: asyncio.StreamWriter, weather: Weather) -> None:
    """Let pieces arrive when it is time, until there are no more or one is lost."""
    while True:
        due, piece = await pipe.get()
        await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
        while weather.hangs:
            await asyncio.sleep(0.05)
        if not piece:
            return
        if weather.refuses or weather.chance.random() < weather.resets:
            weather.lost += 1
            raise ConnectionResetError
        writer.write(piece)
        await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close so that the other side sees a reset and not an end."""
    peer = writer.get_extra_info("socket")
    if peer is not None and peer.fileno() >= 0:
        with suppress(OSError):
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@contextmanager
def running() -> Iterator[Proxies]:
    """Have proxies for the length of the block."""
    proxies = Proxies()
    try:
        yield proxies
    finally:
        proxies.close()
