"""``make demo`` against ``make run``: both as a person starts them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from functions.local import ports, process, report
from functions.local.parts import ROOT


def environment(home: Path) -> dict[str, str]:
    ingest, api = ports.free(2)
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    told = {"SSPP_HOME": str(home), "INGEST_PORT": str(ingest), "API_PORT": str(api)}
    return {**inherited, "PYTHONPATH": str(ROOT), **told}


def demo(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "functions.local.demo", *arguments]
    return subprocess.run(
        argv, cwd=ROOT, env=environment(home), capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where a ``make run`` keeps its state."""
    home = tmp_path_factory.mktemp("home")
    told = [f"{name}={value}" for name, value in environment(home).items()]
    argv = ["env", "-i", *told, sys.executable, "-m", "functions.local"]
    with process.running(argv, answers=(home / "ready.json").exists, log=home / "run.log"):
        yield home


def test_a_week_becomes_ranked_accounts_and_notices_and_a_second_one_changes_nothing(home: Path) -> None:
    first = demo(home)
    assert (first.returncode, first.stderr) == (0, "")
    lines = first.stdout.splitlines()
    ranked = [line for line in lines if "hot" in line]
    assert ranked[0].split()[:3] == ["1", "Northwind", "Freight"]
    assert "rising" in ranked[0]
    assert any("Granite Insurance" in line and " 0.0 cold" in line for line in lines)
    assert any("northwind-freight" in line and "sent: 250" in line for line in lines)
    assert any(line.strip().startswith("hot: ") for line in lines), "what is going on with an account"
    assert "duplicates" not in first.stdout
    assert max(map(len, (line.rstrip() for line in lines if "curl" not in line))) <= report.WIDTH

    second = demo(home)
    assert (second.returncode, second.stderr) == (0, "")
    assert "were duplicates" in second.stdout
    ready = json.loads((home / "ready.json").read_text())
    with closing(httpx.Client(headers={"x-api-key": ready["api_key"]})) as http:
        total = http.get(f"{ready['api_url']}/api/v1/signals?limit=1").json()["pagination"]["total"]
        assert {"ingest", "api", "process", "events"} <= ready["metrics_urls"].keys()
        assert all("python_info" in http.get(url).text for url in ready["metrics_urls"].values())
        mails = http.get(f"{ready['mailbox_url']}/messages").json()
    assert f"{total:,} of them were duplicates" in second.stdout
    assert f"Notices ({len(mails)})" in second.stdout


def test_without_a_run_it_says_so_in_one_line(tmp_path: Path) -> None:
    done = demo(tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert "start `make run`" in done.stderr


def test_a_run_that_is_gone_is_told_in_one_line(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{ports.free(1)[0]}"
    (tmp_path / "ready.json").write_text(json.dumps({"ingest_url": url, "api_url": url, "api_key": "none"}))
    done = demo(tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert "is `make run` still up?" in done.stderr
