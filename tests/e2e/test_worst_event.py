"""The largest events that are let in, and the slowest rule that may be saved: what they cost others."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from events.size import MOST_VALUES
from tests.e2e.conftest import Installation, Platform, event
from tests.servers import tenant
from tests.servers.parts import until
from tests.servers.worst import HEAVY, MEGABYTE, SHARE, SLOWEST_RULE

#: Bytes a function's pod may have. Source: knative/base/patches/pod.yaml.
LIMIT = 256 * 1024 * 1024
PARTS = ("ingest", "process", "api")

#: Within a megabyte and the most values: what becomes most in memory. One character beyond the BMP makes a text four
#: bytes a character.
EMPTY = {"x": [[]] * (MOST_VALUES // 2 - 100), "text": "😀" + "a" * (MEGABYTE - 4 * MOST_VALUES)}
NAMES = {f"{n:03}{'n' * SHARE}😀": n for n in range(MOST_VALUES - 300)}
TEXTS = {"x": ["😀" + "a" * SHARE] * (MOST_VALUES - 300)}


def _workers(group: int) -> list[Path]:
    """The processes of a part, which began a process group of its own."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has just ended
        if int(fields[2]) == group:
            found.append(status.parent)
    return found


def _peak_bytes(process: Path) -> int:
    [line] = [line for line in (process / "status").read_text().splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


@pytest.mark.alone
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux tells a process's peak of memory")
@pytest.mark.parametrize("metadata", [EMPTY, NAMES, TEXTS], ids=["empty lists", "names", "texts"])
def test_every_part_stays_under_its_pods_memory_with_the_largest_events(
    platform: Platform, metadata: dict[str, Any]
) -> None:
    groups = {name: _workers(platform.parts[name].process.pid) for name in PARTS}  # type: ignore[union-attr]
    for process in (process for group in groups.values() for process in group):
        (process / "clear_refs").write_text("5")  # its peak is what it has now
    sent = [event(data={"accountId": f"account-{n}", "metadata": metadata}) for n in range(32)]
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(platform.post, sent))
    assert {answer.status_code for answer in answers} == {202}
    until(
        lambda: all(_signal(platform, answer.json()["id"]) for answer in answers),
        within_s=30,
        what="processed and searchable",
    )
    peaks = {name: max(map(_peak_bytes, group)) // 1024**2 for name, group in groups.items()}
    assert max(peaks.values()) < LIMIT // 1024**2, peaks


def _signal(platform: Platform, event_id: str) -> bool:
    answer = platform.api.get(f"/api/v1/events/{event_id}").json()
    return bool(answer["status"] == "processed" and answer["indexed"])


@pytest.mark.alone
def test_the_slowest_rule_that_may_be_saved_costs_another_tenants_events_little(
    platform: Platform, installation: Installation
) -> None:
    key = installation.tenant(f"slow-{uuid4().hex[:8]}", tenant.rule("slow", SLOWEST_RULE, "a@slow.example"))
    quiet = [_took_s(platform) for _ in range(10)]
    headers = {"x-api-key": key}
    for number in range(24):
        sent = event(data={"accountId": f"slow-{number}", "metadata": HEAVY})
        assert platform.ingest.post("/", json=sent, headers=headers | STRUCTURED).status_code == 202
    beside = [_took_s(platform) for _ in range(10)]
    assert max(beside) < max(5.0, 4 * max(quiet)), (quiet, beside)


STRUCTURED = {"content-type": "application/cloudevents+json"}


def _took_s(platform: Platform) -> float:
    """How long an event takes until it is processed, in seconds."""
    started = time.monotonic()
    id_ = platform.post(event()).json()["id"]
    until(
        lambda: platform.api.get(f"/api/v1/events/{id_}").json()["status"] == "processed",
        within_s=10,
        what="processed",
    )
    return time.monotonic() - started
