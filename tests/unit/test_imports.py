"""Start-up rules: importing a part opens nothing, reads no environment and loads no more than it needs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from events.settings import NAMES

ROOT = Path(__file__).parents[2]
MAINS = sorted(".".join(path.relative_to(ROOT).with_suffix("").parts) for path in ROOT.glob("functions/*/main.py"))

#: Imports a module in a fresh interpreter and tells what it loaded, whom it called and what of the environment our
#: own code read; libraries may look for their own variables.
PROBE = """
import importlib, json, os, sys

called, asked = [], []
ours = tuple(os.path.join(os.getcwd(), folder, "") for folder in ("events", "functions"))

class Watched(type(os.environ)):
    def __getitem__(self, name):
        reader = sys._getframe(1)
        while reader.f_code.co_filename.startswith("<frozen"):
            reader = reader.f_back
        if reader.f_code.co_filename.startswith(ours):
            asked.append(name)
        return super().__getitem__(name)

def hook(event, arguments):
    if event in {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "subprocess.Popen"}:
        called.append(event)

os.environ.__class__ = Watched
sys.addaudithook(hook)
importlib.import_module(sys.argv[1])
print(json.dumps({"loaded": sorted(sys.modules), "called": called, "asked": asked}))
"""


def imported(module: str) -> dict[str, list[str]]:
    environment = {**os.environ, **dict.fromkeys(NAMES, "nonsense")}
    done = subprocess.run(
        [sys.executable, "-c", PROBE, module],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


def test_every_function_is_looked_at():
    assert {"functions.api.main", "functions.ingest.main", "functions.process.main"} <= set(MAINS)


@pytest.mark.parametrize(
    "module", [*MAINS, "events.__main__", "events.service", "functions.server", "functions.migrate", "functions.tick"]
)
def test_importing_a_part_connects_to_nothing_and_reads_no_environment(module):
    found = imported(module)
    assert (found["called"], found["asked"]) == ([], [])


#: What makes the OpenAPI documents, which most processes are never asked for.
UNREAD = {
    "functions.web.openapi",
    "functions.web.described",
    "functions.ingest.description",
    "functions.ingest.bodies",
}


@pytest.mark.parametrize(
    ("module", "forbidden"),
    [
        (
            "functions.ingest.main",
            {*UNREAD, "pg8000", "elasticsearch", "sqlalchemy", "alembic", "flask", "cel_expr_python"},
        ),
        ("functions.process.main", {"elasticsearch", "sqlalchemy", "alembic", "urllib3"}),
        ("functions.notify.main", {"elasticsearch", "sqlalchemy", "alembic", "urllib3", "cel_expr_python"}),
        ("functions.index.main", {"elasticsearch", "sqlalchemy", "alembic", "urllib3", "cel_expr_python"}),
        (
            "functions.api.main",
            {*UNREAD, "flask_swagger_ui", "elasticsearch", "sqlalchemy", "alembic", "urllib3", "cel_expr_python"},
        ),
        ("events.service", {"pg8000", "elasticsearch", "sqlalchemy", "flask", "functions"}),
        # The function wakes while a dispatcher's rest is imported: nothing heavy may come before.
        ("events.__main__", {"redis", "pydantic", "urllib3", "prometheus_client", "asyncio", "functions"}),
    ],
)
def test_importing_a_part_loads_no_more_than_it_needs(module, forbidden):
    assert set(imported(module)["loaded"]) & forbidden == set()
