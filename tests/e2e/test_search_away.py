"""A search that is away keeps nothing else from starting."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import httpx
import pytest

from functions.local import ports, process
from functions.local.parts import ROOT
from tests.e2e.conftest import event
from tests.servers.parts import until


@pytest.mark.slow
def test_without_its_elasticsearch_make_run_gets_ready_says_so_and_processes_events(tmp_path: Path) -> None:
    home = tmp_path / "home"
    ingest, api, nobody = ports.free(3)
    told = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "SSPP_HOME": str(home),
        "INGEST_PORT": str(ingest),
        "API_PORT": str(api),
        "ELASTICSEARCH_URL": f"http://127.0.0.1:{nobody}",
    }
    argv = ["env", "-i", *(f"{name}={value}" for name, value in told.items()), sys.executable, "-m", "functions.local"]
    log = tmp_path / "run.log"
    with process.running(argv, answers=(home / "ready.json").exists, log=log):
        ready = json.loads((home / "ready.json").read_text("utf-8"))
        with httpx.Client(headers={"x-api-key": ready["api_key"]}, timeout=10) as http:
            posted = http.post(
                ready["ingest_url"], json=event(), headers={"content-type": "application/cloudevents+json"}
            )
            assert posted.status_code == 202
            signal = f"{ready['api_url']}/api/v1/signals/{posted.json()['id']}"
            until(lambda: http.get(signal).status_code == 200, within_s=10, what="the event became a signal")
            assert http.get(f"{ready['api_url']}/ready").status_code == 503
        until(lambda: "search is away" in log.read_text("utf-8"), within_s=5, what="it is said")
    written = log.read_text("utf-8")
    assert "Traceback" not in written
    assert 1 <= written.count("elasticsearch_away") <= 2, "one line by each of the two that ask it"
    assert len(written.splitlines()) < 80, written
