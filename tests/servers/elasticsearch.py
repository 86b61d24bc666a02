"""A real Elasticsearch 8.19 for tests: fetched once with Maven, started on free ports with a small heap.

It is the build that Elastic makes for integration tests; see ``elasticsearch-8.19/pom.xml``.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

from events.errors import ConfigError
from functions.local import ports, unprivileged
from functions.local.process import dies_with_us

VERSION = "8.19.21"
CACHE = Path(__file__).parents[2] / ".cache"
FILES = Path(__file__).with_name("elasticsearch-8.19")

FETCH_TIMEOUT_S = 200
START_TIMEOUT_S = 150
STOP_TIMEOUT_S = 30


@pytest.fixture(scope="session")
def elasticsearch_url() -> Iterator[str]:
    """The URL of a server of this test run. Skips where there is no Java or Maven, and fails there in CI."""
    for program in ("java", "mvn"):
        if shutil.which(program) is None:
            _give_up(f"Elasticsearch needs {program}, which is not installed")
    distribution = _distribution()
    with (
        tempfile.TemporaryDirectory(prefix="sspp-elasticsearch-") as home,
        running(distribution, Path(home)) as url,
    ):
        yield url


@contextmanager
def running(distribution: Path, home: Path) -> Iterator[str]:
    """Start a server that writes nowhere but in ``home``, give its URL, and stop it."""
    http_port, transport_port = ports.free(2)
    config = _configure(home, http_port=http_port, transport_port=transport_port)
    try:
        argv = unprivileged.command([str(distribution / "bin" / "elasticsearch")], home)
    except ConfigError as exc:
        _give_up(str(exc))
    with (home / "output").open("wb") as output:
        process = subprocess.Popen(
            [*dies_with_us(signal.SIGTERM), *argv],
            env=os.environ
            | {"ES_PATH_CONF": str(config), "ES_JAVA_HOME": _java_home(), "ES_TMPDIR": str(home / "tmp")},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        url = f"http://127.0.0.1:{http_port}"
        _wait_until_healthy(process, url, home / "output")
        yield url
    finally:
        _stop(process)


def _configure(home: Path, *, http_port: int, transport_port: int) -> Path:
    """Write the configuration below ``home`` and give its folder."""
    config = home / "config"
    for folder in (config, home / "tmp"):
        folder.mkdir()
    for name in ("jvm.options", "log4j2.properties"):
        shutil.copy(FILES / name, config)
    settings = (FILES / "elasticsearch.yml").read_text("utf-8")
    (config / "elasticsearch.yml").write_text(
        settings.format(http_port=http_port, transport_port=transport_port, home=home), "utf-8"
    )
    return config


def _distribution() -> Path:
    """The unpacked server, fetched when it is not there. Renamed into place, so it is whole or missing."""
    target = CACHE / f"elasticsearch-{VERSION}"
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "elasticsearch.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            _fetch(target)
    return target


def _fetch(target: Path) -> None:
    half = target.with_suffix(".half")
    shutil.rmtree(half, ignore_errors=True)
    fetched = subprocess.run(
        [
            "mvn",
            "--quiet",
            "--batch-mode",
            "--file",
            FILES / "pom.xml",
            f"-Delasticsearch.version={VERSION}",
            f"-Dunpack.to={half}",
            "initialize",
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=FETCH_TIMEOUT_S,
        check=False,
    )
    if fetched.returncode != 0:
        _give_up(f"Maven could not fetch Elasticsearch:\n{fetched.stdout[-2000:]}{fetched.stderr[-2000:]}")
    (half / target.name).rename(target)
    shutil.rmtree(half)


def _give_up(reason: str) -> NoReturn:
    """Skip, except where every test must run."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def _java_home() -> str:
    """The JDK to run on: as told, else that of the ``java`` on the path."""
    told = os.environ.get("ES_JAVA_HOME") or os.environ.get("JAVA_HOME")
    return told or str(Path(shutil.which("java") or "java").resolve().parents[1])


def _wait_until_healthy(process: subprocess.Popen[bytes], url: str, output: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/_cluster/health", timeout=5):
                return
        except urllib.error.HTTPError as exc:  # up, not ready
            exc.close()
        except OSError:
            pass
        time.sleep(0.3)
    pytest.fail(f"Elasticsearch did not start:\n{output.read_text('utf-8', 'replace')[-4000:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Stop the launcher, which stops its server; a server whose launcher was killed stops itself."""
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
