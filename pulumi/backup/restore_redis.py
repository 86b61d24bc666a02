"""A snapshot becomes Redis' data: ``restore_redis.py FILE FOLDER``, while no server runs on FOLDER.

A server with ``appendonly yes`` reads its append-only files and no other snapshot, so the snapshot is made the
base of those. What was there is moved aside, not deleted.
"""

import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path

#: Redis' and Valkey's own names (appenddirname, appendfilename).
FOLDER = "appendonlydir"
BASE = "appendonly.aof.1.base.rdb"
MANIFEST = "appendonly.aof.manifest"


def restore(file: Path, data: Path, moment: str) -> str:
    """Make ``file`` the data of the server that will be started on ``data``; gives a sentence for the log."""
    fresh, current = data / f"{FOLDER}.fresh", data / FOLDER
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    shutil.copyfile(file, fresh / BASE)
    (fresh / MANIFEST).write_text(f"file {BASE} seq 1 type b\n", "utf-8")
    before = ""
    if current.exists():
        aside = data / f"{FOLDER}.before-{moment}"
        current.rename(aside)
        before = f"; what was there is in {aside}"
    fresh.rename(current)
    return f"{current} holds the snapshot{before}"


if __name__ == "__main__":
    try:
        print(restore(Path(sys.argv[1]), Path(sys.argv[2]), datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")))
    except OSError as exc:
        sys.exit(f"restore: {exc}")
