"""The image without a container engine: the Dockerfile's own steps, run below a folder that stands for its root."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

#: What the Dockerfile may touch; each is moved below the stand-in root.
PLACES = ("/opt/sspp", "/build", "/usr/local/lib/python3.11")
_PLACE = re.compile("|".join(rf"(?<![\w.]){re.escape(place)}(?![\w.])" for place in PLACES))
#: Any other absolute path in a step would be this machine's own.
_FOREIGN = re.compile(r"(?<![\w./*-])/(?!opt/sspp|build|usr/local/lib/python3\.11)\w[^\s:]*")

#: Runs a program that may write nowhere but to memory, as a user that is nobody here; it may read what root may,
#: because this interpreter often lies in a home folder.
_CONFINED = (
    "mount -o remount,ro,bind / && exec setpriv --reuid {uid} --regid {gid} --clear-groups --no-new-privs "
    '--inh-caps=-all,+dac_read_search --ambient-caps=-all,+dac_read_search "$@"'
)


class StepFailed(Exception):
    """A step of the Dockerfile ended badly; the message is what it wrote."""


@dataclass(frozen=True)
class Step:
    """One instruction of a Dockerfile: ``RUN``, and the rest of its line."""

    name: str
    rest: str


@dataclass(frozen=True)
class Image:
    """A built tree.

    Args:
        root: stands for ``/``.
        env: what ``ENV`` gives every process, its paths moved below ``root``.
        user: ``uid:gid`` of ``USER``.
        workdir: of the last ``WORKDIR``.
    """

    root: Path
    env: Mapping[str, str]
    user: str
    workdir: Path

    def command(self, argv: Sequence[str]) -> list[str]:
        """The command line that runs ``argv`` as a container would: read-only, unprivileged.

        Where we may not do that it is this user, whose own tree :func:`build` has made read-only.
        """
        program = shutil.which(argv[0], path=self.env["PATH"])
        assert program, f"the image has no {argv[0]}"
        return confined([program, *argv[1:]], self.user)

    def size(self) -> int:
        """Bytes that the image adds to its base."""
        files = (path for place in ("opt/sspp", "usr") for path in (self.root / place).rglob("*"))
        added = sum(path.lstat().st_size for path in files if path.is_file() and not path.is_symlink())
        return added - sum(path.stat().st_size for path in _library_sources())


def confined(argv: Sequence[str], user: str) -> list[str]:
    """The command line that runs ``argv`` where it can write nothing, as ``user`` (``uid:gid``), if we may do that."""
    return [*_confinement(user), *argv] if can_confine() else list(argv)


@cache
def can_confine() -> bool:
    """Whether we are root, and not in a container that keeps us from mounting."""
    if os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("setpriv"):
        return False
    return subprocess.run([*_confinement("10001:10001"), "true"], capture_output=True, check=False).returncode == 0


def _confinement(user: str) -> list[str]:
    uid, gid = user.split(":")
    return ["unshare", "--mount", "sh", "-c", _CONFINED.format(uid=uid, gid=gid), "sh"]


def parse(text: str) -> list[Step]:
    """Read a Dockerfile."""
    lines = (line for line in text.replace("\\\n", " ").splitlines() if line.strip() and not line.startswith("#"))
    return [Step(*(line.split(maxsplit=1))) for line in lines]


def build(root: Path) -> Image:
    """Run the Dockerfile below ``root``.

    Raises:
        StepFailed: a step ended badly.
    """
    _base(root)
    image = Image(root=root, env={}, user="0:0", workdir=root)
    for step in parse((ROOT / "Dockerfile").read_text("utf-8")):
        image = _after(step.name, moved(step.rest, root), image)
    if not can_confine():
        _run("chmod -R a-w opt", replace(image, workdir=root))
    return image


def _after(name: str, rest: str, image: Image) -> Image:
    """Do one step."""
    match name:
        case "FROM":
            return replace(image, env={})
        case "ENV":
            return replace(image, env={**image.env, **dict(word.split("=", 1) for word in shlex.split(rest))})
        case "WORKDIR":
            Path(rest).mkdir(parents=True, exist_ok=True)
            return replace(image, workdir=Path(rest))
        case "USER":
            return replace(image, user=rest)
        case "COPY":
            _copy(rest.split(), image.workdir)
        case "RUN":
            _run(rest, image)
    return image


def moved(text: str, root: Path) -> str:
    """The same with the image's places below ``root``."""
    return _PLACE.sub(lambda place: f"{root}{place[0]}", text)


def context() -> list[Path]:
    """The files that the build may see, relative: .dockerignore leaves everything out and names what comes back."""
    patterns = ignore_patterns()
    assert patterns[0] == "*"
    named = [ROOT / pattern[1:] for pattern in patterns if pattern.startswith("!")]
    found = (path for top in named for path in (top, *top.rglob("*")) if path.is_file())
    return sorted(path.relative_to(ROOT) for path in found if not ignored(path.relative_to(ROOT), patterns))


def ignore_patterns() -> list[str]:
    """The lines of .dockerignore that say something."""
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def ignored(path: Path, patterns: Sequence[str]) -> bool:
    """Whether .dockerignore leaves ``path`` out: the last pattern that names it or a folder above it decides."""
    names = [str(path), *(str(parent) for parent in path.parents if parent.name)]
    out = False
    for pattern in patterns:
        plain = pattern.removeprefix("!")
        suffix = plain.removeprefix("**/")
        if any(fnmatch(name, plain) or (plain != suffix and fnmatch(Path(name).name, suffix)) for name in names):
            out = not pattern.startswith("!")
    return out


#: What the official image, or the Dockerfile, removes of Python's library.
_REMOVED = {"site-packages", "dist-packages", "ensurepip", "idlelib", "lib2to3", "tkinter", "turtledemo"}
_REMOVED |= {"test", "tests", "idle_test"}


def _library_sources() -> list[Path]:
    """Python's own library as the image has it."""
    library = Path(sysconfig.get_path("stdlib"))
    return [path for path in library.rglob("*.py") if not _REMOVED & set(path.relative_to(library).parts)]


def _base(root: Path) -> None:
    """What the base image brings: Python, and its library without compiled files, as the official image has it."""
    library = Path(sysconfig.get_path("stdlib"))
    for path in _library_sources():
        target = root / "usr/local/lib/python3.11" / path.relative_to(library)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    (root / "bin").mkdir()
    python = root / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', "utf-8")
    python.chmod(0o755)


def _copy(words: Sequence[str], workdir: Path) -> None:
    if words[0].startswith("--from="):
        return  # both stages are one tree here
    *sources, target = words
    for relative in context():
        for source in sources:
            if relative.is_relative_to(source):
                place = workdir / target / (relative.relative_to(source) if relative != Path(source) else relative)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / relative, place)


def _run(command: str, image: Image) -> None:
    foreign = _FOREIGN.findall(command.replace(str(image.root), ""))
    assert not foreign, f"a step names {foreign}, which would be this machine's own"
    told = {"PATH": f"{image.root}/bin:/usr/bin:/bin", **_inherited(), **image.env}
    # Downloads are kept for the next run of the tests.
    for name in ("PIP_NO_CACHE_DIR", "UV_NO_CACHE"):
        told.pop(name, None)
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=image.workdir,
        env=told,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode:
        raise StepFailed(f"{command}\n{done.stdout}{done.stderr}")


def _inherited() -> dict[str, str]:
    """How this machine reaches its package registry."""
    wanted = re.compile(r"PIP_|UV_|SSL_|REQUESTS_|(HTTPS?|NO|ALL)_PROXY|HOME$", re.IGNORECASE)
    return {name: value for name, value in os.environ.items() if wanted.match(name)}
