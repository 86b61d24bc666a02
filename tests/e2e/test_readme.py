"""What the README shows is run as it stands, but for the ports."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tests.e2e.conftest import Platform
from tests.servers.parts import until

README = Path(__file__).resolve().parents[2] / "README.md"
BLOCK = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_examples_of_the_readme_work_in_order(platform: Platform) -> None:
    blocks = BLOCK.findall(README.read_text("utf-8"))
    assert len(blocks) >= 3
    sends = [block for block in blocks if ":8080" in block]
    for block in sends:
        _run(platform, block)
    until(lambda: _total(platform) == 5, within_s=5, what="the five events of the README are signals")
    answers = [_run(platform, block) for block in blocks if block not in sends]
    assert any('"account_id":"acme"' in answer for answer in answers)
    assert any("<em>splendidly</em>" in answer for answer in answers)


def _run(platform: Platform, block: str) -> str:
    script = block.replace("http://127.0.0.1:8080", platform.parts["ingest"].url)
    script = script.replace("http://127.0.0.1:8081", platform.parts["api"].url)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        env={"KEY": platform.key, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{block}\n{done.stdout}{done.stderr}"
    return done.stdout


def _total(platform: Platform) -> int:
    return int(platform.api.get("/api/v1/signals").json()["pagination"]["total"])
