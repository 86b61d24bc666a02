"""The one reader of the environment: a class of settings is read whole, and all mistakes are reported at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any, ClassVar, Self

from events import checks
from events.errors import ConfigError

_TYPES: Mapping[str, Callable[[str], Any]] = {"str": str, "int": int, "float": float}


def setting(name: str, default: Any = "", check: checks.Check = checks.anything, *, secret: bool = False) -> Any:
    """Return the dataclass field of the environment variable ``name``; a secret one stays out of ``repr``."""
    return field(default=default, repr=not secret, metadata={"name": name, "check": check})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What all classes of settings have in common."""

    #: The environment variables without which the part cannot work.
    required: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def read(cls, env: Mapping[str, str]) -> Self:
        """Return the settings that ``env`` holds; one that is empty has its default.

        Raises:
            ConfigError: naming everything that is missing or wrong, never a value that may be secret.
        """
        mistakes = [f"{name} is required" for name in cls.missing(env)]
        values: dict[str, Any] = {}
        for name, known in cls.names().items():
            try:
                if text := env.get(name):
                    values[known.name] = _TYPES[str(known.type)](text)
            except ValueError:
                mistakes.append(f"{name} must be a {'whole number' if known.type == 'int' else 'number'}")
        settings = cls(**values)
        mistakes += settings.mistakes()
        if mistakes:
            raise ConfigError("; ".join(mistakes))
        return settings

    @classmethod
    def names(cls) -> Mapping[str, Field[Any]]:
        """Return environment variable -> field."""
        return {known.metadata["name"]: known for known in fields(cls)}

    @classmethod
    def missing(cls, env: Mapping[str, str]) -> list[str]:
        """Return the required environment variables that ``env`` lacks."""
        return [name for name in cls.required if not env.get(name)]

    def mistakes(self) -> list[str]:
        """Return a sentence for each value that cannot be meant, alone or beside another."""
        alone = ((name, known.metadata["check"](getattr(self, known.name))) for name, known in self.names().items())
        return [f"{name} {mistake}" for name, mistake in alone if mistake] + list(self.contradictions())

    def contradictions(self) -> Iterator[str]:
        """Yield a sentence for each rule between two values that does not hold. Each piece adds its own."""
        yield from ()
