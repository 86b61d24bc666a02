"""`make bench` runs and measures every figure; how good they are is no matter here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers.parts import ROOT


@pytest.mark.slow
def test_a_short_bench_measures_every_figure(tmp_path: Path) -> None:
    output = tmp_path / "bench.json"
    told = ["--rounds", "1", "--seconds", "0.2", "--backlog", "4000", "--signals", "2000", "--output", str(output)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench", *told],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    figures = json.loads(output.read_text("utf-8"))["figures"]
    assert len(figures) >= 55
    assert [figure["name"] for figure in figures if not figure["value"] > 0] == []
