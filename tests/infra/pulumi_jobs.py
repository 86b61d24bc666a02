"""The backups' Jobs on this machine: their scripts and what they read, without their images."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from functions.local import postgres
from tests.infra import pulumi_program

SCRIPTS = Path(__file__).parents[2] / "pulumi" / "backup"
POSTGRES_BIN = Path(postgres._program("pg_dump")).parent


class Pair(NamedTuple):
    """What backups are encrypted for, and what opens them; PEM."""

    certificate: str
    key: str


def made(folder: Path) -> Pair:
    """Make a key pair as docs/deploy.md says."""
    page = (SCRIPTS.parents[1] / "docs" / "deploy.md").read_text("utf-8")
    [command] = re.findall(r"^ +(openssl req -x509 .*backup\.crt)$", page, re.MULTILINE)
    subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    return Pair(*((folder / name).read_text("ascii") for name in ("backup.crt", "backup.key")))


def run(script: str, *arguments: object, env: dict[str, str], expect: int = 0) -> str:
    """Run a script as its container does, with nothing of our environment but the path; return what it printed."""
    for program in ("rclone", "redis-cli"):
        if not shutil.which(program):
            (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"{program} is not installed")
    path = f"{POSTGRES_BIN}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", SCRIPTS / script, *map(str, arguments)],
        env={"PATH": path, **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout + done.stderr


def jobs_of(stack: str, **changes: str) -> dict[str, Mapping[str, Any]]:
    """Return the pods of the CronJobs of a stack, by the CronJob's name.

    Args:
        changes: settings of the stack that differ from its committed file.
    """
    with pulumi_program.on_path():
        backups, config = importlib.import_module("backup.jobs"), importlib.import_module("config")
    settings = {key.partition(":")[2]: value for key, value in pulumi_program.configuration(stack, **changes).items()}
    written = backups.cron_jobs(config.parse({**settings, "name": stack}))
    return {job["metadata"]["name"]: job["spec"]["jobTemplate"]["spec"]["template"]["spec"] for job in written}


def perform(pod: Mapping[str, Any], volumes: Mapping[str, Path], env: Mapping[str, str]) -> None:
    """Run a pod's containers one after the other: their commands and environment, but not their images.

    Args:
        volumes: mount path -> the folder that stands for it.
        env: what all the Secrets hold; a container gets the keys it names.
    """
    for container in [*pod["initContainers"], *pod["containers"]]:
        mounts = [mount["mountPath"] for mount in container["volumeMounts"] if mount["mountPath"] != "/scripts"]
        _, script, *words = container["command"]
        for mount in mounts:
            words = [re.sub(rf"^{mount}(?=/|$)", str(volumes[mount]), word) for word in words]
        for name, value in ((entry["name"], entry.get("value")) for entry in container["env"]):
            words = [word.replace(f"$({name})", str(value)) for word in words]
        asked = {entry["name"] for entry in container["env"] if "valueFrom" in entry}
        run(Path(script).name, *words, env={key: value for key, value in env.items() if key in asked})
