"""Lua scripts for Redis. Needs no client, so that the front door starts fast."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from hashlib import sha1
from pathlib import Path

#: The channels' own scripts, and in ``shared`` the pieces that any script may include.
LUA = Path(__file__).parent / "lua"
_INCLUDE = re.compile(r"^--include (\w+)\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Script:
    """One Lua script, addressed by its SHA-1 as EVALSHA wants it."""

    text: str
    sha: str


@cache
def script(name: str, folder: Path = LUA) -> Script:
    """Return ``<folder>/<name>.lua``, read once, with ``shared/<part>.lua`` for each line ``--include <part>``."""
    text = (folder / f"{name}.lua").read_text("utf-8")
    text = _INCLUDE.sub(lambda found: (LUA / "shared" / f"{found[1]}.lua").read_text("utf-8"), text)
    return Script(text, sha1(text.encode(), usedforsecurity=False).hexdigest())
