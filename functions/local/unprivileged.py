"""The user a server runs as. Some refuse to run as root, and containers often have nobody else."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from events.errors import ConfigError

#: Another user only in name: the server sees itself as nobody, its files stay root's, so it also works
#: below folders that only root may enter. It replaces itself, so the process id is the server's.
_RENAMED = ("unshare", "--user", "--map-user=65534", "--map-group=65534")


def command(argv: Sequence[str], folder: Path) -> list[str]:
    """Return the command line that runs ``argv`` as somebody who is not root.

    Args:
        folder: where the server keeps its data; handed over to that user as far as it is not yet.

    Raises:
        ConfigError: we are root, cannot pass for anyone else, and the user nobody cannot reach ``folder``
            or the program.
    """
    if os.geteuid() != 0:
        return list(argv)
    if _can_rename():
        _hand_over(folder, 0, 0)
        return [*_RENAMED, *argv]
    return _as_nobody(argv, folder)


def _as_nobody(argv: Sequence[str], folder: Path) -> list[str]:
    nobody = pwd.getpwnam("nobody")
    prefix = [
        shutil.which("setpriv") or "setpriv",
        f"--reuid={nobody.pw_uid}",
        f"--regid={nobody.pw_gid}",
        "--clear-groups",
    ]
    _hand_over(folder, nobody.pw_uid, nobody.pw_gid)
    folder.parent.chmod(folder.parent.stat().st_mode | 0o011)  # to pass through, not to look around
    if not _succeeds([*prefix, "test", "-w", str(folder), "-a", "-x", argv[0]]):
        raise ConfigError(
            f"{Path(argv[0]).name} refuses to run as root, and the user nobody cannot reach {folder} or "
            f"{argv[0]}; run as a normal user, set SSPP_HOME to a folder that others may enter, "
            "or set DATABASE_URL to a server of your own"
        )
    return [*prefix, *argv]


def _hand_over(folder: Path, uid: int, gid: int) -> None:
    for path in (folder, *folder.rglob("*")):
        if path.lstat().st_uid != uid:
            os.chown(path, uid, gid, follow_symlinks=False)


@cache
def _can_rename() -> bool:
    """Return whether this kernel, and the container around us, allow a user namespace."""
    return _succeeds([*_RENAMED, "true"])


def _succeeds(argv: Sequence[str]) -> bool:
    try:
        return subprocess.run(argv, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False
