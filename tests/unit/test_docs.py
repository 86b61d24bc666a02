"""The pages that repeat what the code says must say the same."""

from __future__ import annotations

import ast
import re
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from functions.domain.catalog import EVENT_TYPES
from functions.domain.model import DEFAULT, ScoringModel

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
#: Top-level module -> the installed packages that have it.
PACKAGES = packages_distributions()


def test_the_scoring_page_lists_every_event_type_as_it_is() -> None:
    page = (DOCS / "scoring.md").read_text("utf-8")
    for kind in set(EVENT_TYPES.values()):
        row = (
            f"| `{kind.name}` | `{kind.alias}` | {kind.signal} | {kind.hundredths / 100:.2f} | {kind.points} "
            f"| {kind.half_life_days} | {kind.side} |"
        )
        assert row in page
    for name, least in (*DEFAULT.bands.model_dump().items(), ("cold", 0)):
        assert re.search(rf"^\| {name} \| {least:.0f}\b", page, re.MULTILINE)


def test_the_model_that_the_page_shows_is_one_that_is_taken() -> None:
    page = (DOCS / "model.md").read_text("utf-8")
    shown = [ScoringModel.model_validate_json(block) for block in re.findall(r"```json\n(.*?)```", page, re.DOTALL)]
    assert [len(model.types) for model in shown] == [1]
    assert [name for name in ScoringModel.model_fields if f"| `{name}` |" not in page] == []


def test_every_direct_dependency_has_its_reason() -> None:
    page = (DOCS / "dependencies.md").read_text("utf-8")
    assert [name for name in requirements() if name not in page] == []


def test_every_direct_dependency_is_pinned_alike_in_the_lock() -> None:
    assert requirements().items() <= locked().items()


def test_everything_in_the_lock_has_hashes() -> None:
    text = (ROOT / "requirements.lock").read_text("utf-8")
    pins = re.split(r"\n(?=\S)", text.strip())
    assert len(pins) == len(locked()) > 50
    assert [pin for pin in pins if not re.search(r"--hash=sha256:[0-9a-f]{64}", pin)] == []


@pytest.mark.parametrize(
    ("modules", "sections"),
    [
        ("make run", ("runtime", "local")),
        ("the image", ("runtime",)),
    ],
)
def test_what_is_imported_is_among_what_is_installed(modules: str, sections: tuple[str, ...]) -> None:
    installed = with_what_they_require(*(name for section in sections for name in requirements(section)))
    sources = [path for top in ("events", "functions") for path in (ROOT / top).rglob("*.py")]
    if modules == "the image":
        sources = [path for path in sources if not path.is_relative_to(ROOT / "functions/local")]
    imported = set().union(*(distributions(path) for path in sources))
    assert {"redis", "pydantic", "flask"} <= imported
    assert imported <= installed


def requirements(section: str = "") -> dict[str, str]:
    """Name and version of the direct dependencies, or of those of one section."""
    parts = re.split(r"^# --- ", (ROOT / "requirements.txt").read_text("utf-8"), flags=re.MULTILINE)
    wanted = "".join(part for part in parts if part.startswith(section))
    return pinned(wanted)


def locked() -> dict[str, str]:
    return pinned((ROOT / "requirements.lock").read_text("utf-8"))


def pinned(text: str) -> dict[str, str]:
    found = re.findall(r"^([\w.-]+)==([\w.]+)", text, re.MULTILINE)
    return {name.lower().replace("_", "-"): version for name, version in found}


def with_what_they_require(*names: str) -> set[str]:
    """The packages that installing ``names`` installs."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        if (name := waiting.pop()) not in found:
            found.add(name)
            wanted = [Requirement(line) for line in requires(name) or ()]
            waiting += [each.name.lower() for each in wanted if not each.marker or each.marker.evaluate({"extra": ""})]
    return {name.replace("_", "-") for name in found}


def distributions(source: Path) -> set[str]:
    """The installed packages that a module imports."""
    nodes = list(ast.walk(ast.parse(source.read_text("utf-8"))))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
    found = (PACKAGES.get(name.partition(".")[0], []) for name in names)
    return {name.lower().replace("_", "-") for names in found for name in names}


def test_links_between_the_pages_lead_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *DOCS.glob("*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
