"""The pages that repeat what the code says must say the same."""

from __future__ import annotations

import re
from pathlib import Path

from functions.domain.catalog import EVENT_TYPES
from functions.domain.score import BANDS

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


def test_the_scoring_page_lists_every_event_type_as_it_is() -> None:
    page = (DOCS / "scoring.md").read_text("utf-8")
    for kind in set(EVENT_TYPES.values()):
        row = (
            f"| `{kind.name}` | `{kind.alias}` | {kind.signal} | {kind.hundredths / 100:.2f} | {kind.points} "
            f"| {kind.half_life_days} | {kind.side} |"
        )
        assert row in page
    for name, least in BANDS:
        assert re.search(rf"^\| {name} \| {least:.0f}\b", page, re.MULTILINE)


def test_every_direct_dependency_has_its_reason() -> None:
    page = (DOCS / "dependencies.md").read_text("utf-8")
    for line in (ROOT / "requirements.txt").read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            assert line.partition("==")[0] in page


def test_every_direct_dependency_is_pinned_alike_in_the_lock() -> None:
    lock = (ROOT / "requirements.lock").read_text("utf-8").lower().replace("_", "-").splitlines()
    for line in (ROOT / "requirements.txt").read_text("utf-8").lower().replace("_", "-").splitlines():
        if line and not line.startswith("#"):
            assert line in lock


def test_links_between_the_pages_lead_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *DOCS.glob("*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
