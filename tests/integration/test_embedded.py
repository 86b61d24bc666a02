from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from events.errors import ConfigError
from functions.local import unprivileged

ROOT = Path(__file__).resolve().parents[2]
NOBODY = 65534

#: Start, write, SIGKILL, start again, read, stop.
SURVIVE = {
    "postgres": """
import os, signal, subprocess, sys, time
from pathlib import Path
from functions.adapters.postgres.database import connect
from functions.local import postgres

home = Path(sys.argv[1])

def run(url, sql):
    connection = connect(url)
    try:
        return connection.run(sql)
    finally:
        connection.close()

with postgres.running(home) as url:
    run(url, "DROP TABLE IF EXISTS kept")
    run(url, "CREATE TABLE kept (word text)")
    run(url, "INSERT INTO kept VALUES ('written')")
    os.kill(int((home / "postgres/data/postmaster.pid").read_text().split()[0]), signal.SIGKILL)
# As in a container that was killed: its process id is somebody else's now.
somebody = subprocess.Popen(["sleep", "60"])
stale = (home / "postgres/data/postmaster.pid").read_text().split("\\n")
(home / "postgres/data/postmaster.pid").write_text("\\n".join([str(somebody.pid), *stale[1:]]))
with postgres.running(home) as url:
    assert run(url, "SELECT word FROM kept") == [["written"]]
    assert run(url, "SELECT lower('\\u00c4')") == [["\\u00e4"]]
    left_open = connect(url)
    stopped = time.monotonic()
assert time.monotonic() - stopped < 15  # did not wait for that connection to close
somebody.kill()
somebody.wait()
try:
    left_open.run("SELECT 1")
except Exception:
    print("survived")
left_open._usock.close()
""",
    "valkey": """
import os, signal, sys
from pathlib import Path
import redis
from functions.local import valkey

home = Path(sys.argv[1])
with valkey.running(home) as url, redis.Redis.from_url(url, decode_responses=True) as client:
    client.set("kept", "written")
    options = {"appendfsync": "always", "maxmemory-policy": "noeviction", "save": "", "bind": "127.0.0.1"}
    assert options.items() <= client.config_get("*").items()
    os.kill(client.info("server")["process_id"], signal.SIGKILL)
with valkey.running(home) as url, redis.Redis.from_url(url, decode_responses=True) as client:
    assert client.get("kept") == "written"
    anonymous = redis.Redis.from_url(url.replace(url.split("@")[0], "redis://"))
    try:
        anonymous.ping()
    except redis.AuthenticationError:
        print("survived")
    anonymous.close()
""",
}


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder that anybody could reach, with a space in its name."""
    with tempfile.TemporaryDirectory(prefix="sspp ", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder) / "home"


def script(code: str, home: Path, *prefix: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*prefix, sys.executable, "-Wdefault", "-c", code, str(home)],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": ""},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("server", SURVIVE)
def test_data_outlives_a_killed_server(server, home):
    done = script(SURVIVE[server], home)
    assert (done.returncode, done.stdout, done.stderr) == (0, "survived\n", ""), done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("server", SURVIVE)
def test_data_outlives_a_killed_server_of_a_normal_user(server, home):
    owner, prefix = normal_user(home)
    os.chown(home.parent, owner, owner)
    done = script(SURVIVE[server], home, *prefix)
    assert (done.returncode, done.stdout, done.stderr) == (0, "survived\n", ""), done.stderr
    assert home.stat().st_uid == owner


def normal_user(home: Path) -> tuple[int, list[str]]:
    """The owner of its files and the prefix of a command line that runs as somebody who is not root.

    Nobody, or root under the name of nobody where the interpreter is in a folder that only root may enter.
    """
    # env: setpriv itself may still open what the user may not.
    nobody = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "env"]
    for owner, prefix in ((NOBODY, nobody), (0, list(unprivileged._RENAMED))):
        if shutil.which(prefix[0]) and script("import redis, functions", home, *prefix).returncode == 0:
            return owner, prefix
    return pytest.skip("nobody cannot reach this interpreter and there are no user namespaces")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")
def test_root_runs_postgres_as_nobody_where_there_are_no_user_namespaces(home):
    without = "from functions.local import unprivileged\nunprivileged._can_rename = lambda: False\n"
    done = script(without + SURVIVE["postgres"], home)
    if "the user nobody cannot reach" in done.stderr:
        pytest.skip("nobody cannot reach this checkout")
    assert (done.returncode, done.stdout) == (0, "survived\n"), done.stderr
    assert (home / "postgres/data").stat().st_uid == NOBODY
    if unprivileged._can_rename():
        again = script(SURVIVE["postgres"], home)
        assert (again.returncode, again.stdout) == (0, "survived\n"), again.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")
def test_root_is_told_what_to_do_when_nobody_cannot_reach_the_folder(home, monkeypatch):
    monkeypatch.setattr(unprivileged, "_can_rename", lambda: False)
    hidden = home / "hidden" / "home"
    (hidden / "postgres").mkdir(parents=True)
    hidden.parent.chmod(0o700)
    with pytest.raises(ConfigError, match=r"set SSPP_HOME .* DATABASE_URL"):
        unprivileged.command(["/bin/true"], hidden / "postgres")


def test_a_normal_user_runs_servers_as_they_are(home, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert unprivileged.command(["postgres", "-D", "data"], home) == ["postgres", "-D", "data"]
