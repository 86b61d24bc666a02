"""The installation a command works on: where its stores and its front door are."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from events import channel
from events.deadletter import DeadLetters
from events.errors import ConfigError, Unavailable
from events.settings import CommandLineSettings
from functions.service import register
from functions.service.register import Register


class Installation:
    """What ``env`` names, or the ``make run`` whose ready.json is there.

    Args:
        env: the environment.
    """

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env

    @contextmanager
    def register(self) -> Iterator[Register]:
        """Connect to PostgreSQL and Redis for the length of the block.

        Raises:
            ConfigError: nothing says where they are.
            Unavailable: one of them cannot be reached, or does not let us work.
        """
        database_url, redis_url = self._stores()
        with register.opened(database_url, redis_url) as known:
            yield known

    @contextmanager
    def dead_letters(self) -> Iterator[DeadLetters]:
        """Connect to Redis for the length of the block.

        Raises:
            ConfigError: nothing says where it is.
        """
        _, redis_url = self._stores()
        with channel.connect(redis_url) as client:
            yield DeadLetters(client, CommandLineSettings.read(self._env).partitions)

    @property
    def max_body_bytes(self) -> int:
        """The largest event that the front door takes."""
        return CommandLineSettings.read(self._env).max_body_bytes

    def ready(self) -> Mapping[str, str]:
        """Give what ``make run`` says of itself.

        Raises:
            ConfigError: nothing runs here.
        """
        path = Path(CommandLineSettings.read(self._env).home).absolute() / "ready.json"
        try:
            found: dict[str, str] = json.loads(path.read_text("utf-8"))
        except FileNotFoundError as exc:
            raise ConfigError(f"nothing runs here ({path} is missing)") from exc
        except (OSError, ValueError) as exc:
            raise ConfigError(f"{path} cannot be read: {exc}") from exc
        return found

    def _stores(self) -> tuple[str, str]:
        """Where PostgreSQL and Redis are: never one of this installation and one of that."""
        settings = CommandLineSettings.read(self._env)
        if settings.database_url and settings.redis_url:
            return settings.database_url, settings.redis_url
        try:
            ready = self.ready()
        except ConfigError as exc:
            raise ConfigError(f"{exc}; start `make run`, or set DATABASE_URL and REDIS_URL") from exc
        return ready["database_url"], ready["redis_url"]


@contextmanager
def unless_away(says: str) -> Iterator[None]:
    """Say what it means for the caller when a backend goes away inside the block."""
    try:
        yield
    except Unavailable as exc:
        exc.add_note(says)
        raise
