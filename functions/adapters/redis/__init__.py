"""Redis, but for the channel: the key directory."""

from __future__ import annotations

from pathlib import Path

#: The scripts of what is kept in Redis beside the channels; those of the channels are in events/lua.
LUA = Path(__file__).parent / "lua"
