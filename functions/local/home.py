"""The folder of local state, SSPP_HOME: its lock, its secrets and the note that everything is ready."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from events.errors import ConfigError
from functions.local import ports

#: Seconds the parts of a run that was killed get to end by themselves before a new run gives up.
LEFTOVERS_S = 40.0
_POLL_S = 0.1


class Home:
    """The folder at ``path``, made if need be, for its owner only.

    Raises:
        ConfigError: the folder cannot be made or used.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.chmod(0o700)
        except OSError as exc:
            raise ConfigError(f"SSPP_HOME {self.path} cannot be used: {exc.strerror}") from exc

    @contextmanager
    def locked(self) -> Iterator[int]:
        """Have this folder to ourselves for the length of the block.

        Yields:
            the lock's descriptor. Children that inherit it keep the folder taken until the last of them
            has ended, so that no two servers ever open the same data, not even after a SIGKILL.
        Raises:
            ConfigError: someone else has it.
        """
        lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            self._take(lock)
            self.withdraw()
            os.ftruncate(lock, 0)
            os.pwrite(lock, str(os.getpid()).encode(), 0)
            yield lock
        finally:
            os.close(lock)

    def secret(self, name: str, make: Callable[[], str] = lambda: secrets.token_urlsafe(32)) -> str:
        """Return the secret ``name`` of this folder, made at its first use and the same ever after."""
        known = self._read("secrets.json")
        if name not in known:
            known[name] = make()
            _write(self.path / "secrets.json", known)
        return str(known[name])

    def ports(self, names: Sequence[str], *, spoken_for: Collection[int] = ()) -> dict[str, int]:
        """Return a free port for each name, none of those ``spoken_for``; the same at every start while it is free."""
        known = self._read("ports.json")
        assigned = ports.assign(names, known, spoken_for=spoken_for)
        _write(self.path / "ports.json", {**known, **assigned})
        return assigned

    def announce(self, addresses: Mapping[str, object]) -> None:
        """Write ``ready.json``: everything is up, at these addresses and with these keys."""
        _write(self.path / "ready.json", addresses)

    def withdraw(self) -> None:
        """Remove ``ready.json``: something is not up, or soon will not be."""
        (self.path / "ready.json").unlink(missing_ok=True)

    def _read(self, name: str) -> dict[str, Any]:
        path = self.path / name
        try:
            return dict(json.loads(path.read_text("utf-8"))) if path.exists() else {}
        except (OSError, ValueError, TypeError) as exc:
            raise ConfigError(f"{path} cannot be read; mend it or start with an empty SSPP_HOME") from exc

    def _take(self, lock: int) -> None:
        deadline = time.monotonic() + LEFTOVERS_S
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError as exc:
                self._complain(os.pread(lock, 20, 0).decode(), time.monotonic() > deadline, exc)
            time.sleep(_POLL_S)

    def _complain(self, pid: str, late: bool, cause: BaseException) -> None:
        if _alive(pid):
            raise ConfigError(
                f"another `make run` (process {pid}) uses {self.path}; "
                "stop it, or give this one its own SSPP_HOME, INGEST_PORT and API_PORT"
            ) from cause
        self.withdraw()  # the run that wrote it was killed
        if late:
            raise ConfigError(
                f"parts of a run that was killed still use {self.path}; "
                f"`lsof {self.path / 'lock'}` lists them, stop them first"
            ) from cause


def _alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True


def _write(path: Path, content: Mapping[str, object]) -> None:
    """Replace ``path`` in one step; nobody but the owner reads it, and it outlives a power cut."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=2)
            file.flush()
            os.fsync(descriptor)
        Path(name).replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(name).unlink()
        raise
