"""``python -m tests.bench``: measure on this machine, print a table, write bench.json."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from functions.local.parts import ROOT
from tests.bench import coldstart, cores, delivery, fairness, frontdoor, processing, reads
from tests.bench.figure import Figure


def main() -> None:
    """Measure everything; goals that are missed are shown, not punished: another load on the machine does that."""
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("--rounds", type=int, default=5, help="how often each figure is measured (default: 5)")
    parser.add_argument("--seconds", type=float, default=2.0, help="how long a round loads a server (default: 2)")
    parser.add_argument("--backlog", type=int, default=delivery.BACKLOG, help="events two dispatchers work off")
    parser.add_argument("--signals", type=int, default=reads.SIGNALS, help="signals that reads are measured over")
    parser.add_argument("--only", nargs="+", choices=PARTS, metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--output", type=Path, default=ROOT / "bench.json")
    options = parser.parse_args()
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
    started = time.perf_counter()
    # Beside the working copy: /tmp may be memory, where a sync costs nothing.
    (ROOT / ".cache").mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=ROOT / ".cache", prefix="bench-"))
    try:
        figures = _measure(console, folder, options)
    except Exception:
        console.print(f"The logs of this run are in {folder}", style="red")
        raise
    shutil.rmtree(folder)
    about = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": _machine(),
        "rounds": options.rounds,
        "seconds": round(time.perf_counter() - started),
        "cores": _cores(),
    }
    console.print(_table(figures))
    console.print(
        f"{about['machine']}; medians of {options.rounds} interleaved rounds; {about['seconds']} s.", style="dim"
    )
    console.print(about["cores"], style="dim")
    document = {**about, "figures": [figure.as_json() for figure in figures]}
    options.output.write_text(json.dumps(document, indent=2) + "\n", "utf-8")
    console.print(f"Written to {options.output}", style="dim")


def _measure(console: Console, folder: Path, options: argparse.Namespace) -> list[Figure]:
    found: list[Figure] = []
    for name, measure in PARTS.items():
        if not options.only or name in options.only:
            (folder / name).mkdir()
            with console.status(f"measuring {name}"):
                found += measure(folder / name, options)
    return found


def _few(options: argparse.Namespace) -> int:
    return min(int(options.rounds), 3)


#: Name -> what measures it. Deliveries and fairness differ little from round to round, and take long.
PARTS: Mapping[str, Callable[[Path, argparse.Namespace], list[Figure]]] = {
    "ingest": lambda folder, options: frontdoor.measure(folder, rounds=options.rounds, seconds=options.seconds),
    "processing": lambda folder, options: processing.measure(folder, rounds=options.rounds),
    "delivery": lambda folder, options: delivery.measure(folder, rounds=_few(options), backlog=options.backlog),
    "fairness": lambda folder, options: fairness.measure(folder, rounds=_few(options), seconds=options.seconds),
    "start": lambda folder, options: coldstart.measure(folder, rounds=options.rounds),
    "reads": lambda folder, options: reads.measure(
        folder, rounds=options.rounds, seconds=options.seconds, signals=options.signals
    ),
}


def _table(figures: Sequence[Figure]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1))
    for title in ("figure", "value", "unit", "baseline", "", "ratio", "goal", "met"):
        table.add_column(title, justify="right" if title in {"value", "", "ratio"} else "left")
    for figure in figures:
        table.add_row(
            figure.name,
            _number(figure.value),
            figure.unit,
            figure.baseline,
            _number(figure.base),
            _number(figure.ratio),
            figure.goal,
            {True: "[green]yes[/green]", False: "[red]no[/red]", None: ""}[figure.met],
        )
    return table


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def _machine() -> str:
    load = os.getloadavg()[0]
    return f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, load {load:.1f} after"


def _cores() -> str:
    if not cores.pinnable():
        return "Nothing is pinned: servers and load share all cores."
    return (
        f"Servers under measurement run on core {cores.SERVER}; the load, Valkey and PostgreSQL on core {cores.LOAD}; "
        f"the loads of EVALSHA, COPY and insert on core {cores.SERVER}."
    )


if __name__ == "__main__":
    main()
