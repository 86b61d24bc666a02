"""``python -m tests.mutants``: break the SQL's conditions, one at a time; a line for each that no test notices."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from functions.local.parts import ROOT
from tests.mutants.sql import mutants

SQL = Path("functions/adapters/postgres/sql")
#: File -> the tests that know what its statements promise. The quickest first: one that fails ends the run.
TESTS = {
    "process.sql": (
        "tests/integration/test_signal_store.py",
        "tests/integration/test_notice_store.py",
        "tests/integration/test_forgotten_notices.py",
        "tests/integration/test_catch_up.py",
        "tests/integration/test_index.py",
    ),
    "tenants.sql": (
        "tests/integration/test_logins.py",
        "tests/integration/test_set_up.py",
        "tests/integration/test_tick.py",
        "tests/integration/test_cli.py",
    ),
    "notify.sql": ("tests/integration/test_notice_store.py", "tests/integration/test_forgotten_notices.py"),
    "quota.sql": ("tests/integration/test_tick.py",),
}
#: Several times what all tests of a file take; what waits for ever is noticed, too.
TIMEOUT_S = 600


def main() -> None:
    """Print what survives. The exit code is 0 all the same: some mutants mean the same as the original."""
    parser = argparse.ArgumentParser(prog="make mutants-sql")
    parser.add_argument("--only", nargs="+", default=list(TESTS), choices=TESTS, metavar="FILE")
    parser.add_argument("--statement", default="", help="only this statement, by its name")
    options = parser.parse_args()
    with _copy() as tree:
        for file in options.only:
            _try_file(tree, file, options.statement)


def _try_file(tree: Path, file: str, statement: str) -> None:
    path = tree / SQL / file
    text = path.read_text("utf-8")
    if not _passes(tree, file):
        sys.exit(f"the tests of {file} fail without a mutant")
    tried = survived = 0
    for mutant in mutants(text):
        if statement in ("", mutant.statement):
            path.write_text(mutant.text, "utf-8")
            tried += 1
            if _passes(tree, file):
                survived += 1
                print(f"{file}:{mutant.line} {mutant.statement}: {mutant.what}", flush=True)
    path.write_text(text, "utf-8")
    print(f"{file}: {survived} of {tried} mutants survived", flush=True)


def _passes(tree: Path, file: str) -> bool:
    argv = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-p",
        "no:cacheprovider",
        "-m",
        "not alone and not long",
        *TESTS[file],
    ]
    try:
        return subprocess.run(argv, cwd=tree, capture_output=True, check=False, timeout=TIMEOUT_S).returncode == 0
    except subprocess.TimeoutExpired:
        return False


@contextmanager
def _copy() -> Iterator[Path]:
    """A copy of the working tree, which may be broken."""
    (ROOT / ".cache").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=ROOT / ".cache", prefix="mutants-") as folder:
        tree = Path(folder) / "tree"
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".*", "__pycache__"))
        yield tree


if __name__ == "__main__":
    main()
