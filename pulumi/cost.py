"""What a stack costs a month, from its node types."""

from __future__ import annotations

from typing import NamedTuple

import prices
from config import Stack


class Item(NamedTuple):
    """One line of the bill, between an idle month and one at every autoscaler's limit."""

    what: str
    least: float
    most: float


def items(stack: Stack) -> list[Item]:
    """Every line of the bill."""
    system, workers = stack.system_pool, stack.worker_pool
    volumes = prices.OWN_VOLUMES_GIB + (stack.search.nodes * stack.search.storage if stack.search else 0)
    lines = [
        _fixed(f"{system.count} x {system.type}, system nodes", prices.NODE[system.type] * system.count),
        Item(
            f"{workers.min} to {workers.max} x {workers.type}, worker nodes",
            prices.NODE[workers.type] * workers.min,
            prices.NODE[workers.type] * workers.max,
        ),
        _fixed("NodeBalancer", prices.NODE_BALANCER),
        _fixed("object storage for backups", prices.OBJECT_STORAGE),
        _fixed(f"{volumes} GiB of block storage", volumes * prices.VOLUME_GIB),
    ]
    if stack.tier == "enterprise":
        lines.append(_fixed("LKE Enterprise control plane", prices.ENTERPRISE))
    elif stack.high_availability:
        lines.append(_fixed("highly available control plane", prices.HIGH_AVAILABILITY))
    if stack.database:
        price = prices.DATABASE_NODE[stack.database.type] * stack.database.nodes
        lines.append(_fixed(f"{stack.database.nodes} x {stack.database.type}, PostgreSQL", price))
    return lines


def monthly(stack: Stack) -> dict[str, object]:
    """The bill as a stack output, in US dollars."""
    lines = items(stack)
    return {
        "atLeast": round(sum(line.least for line in lines), 2),
        "atMost": round(sum(line.most for line in lines), 2),
        "items": {line.what: _range(line) for line in lines},
    }


def _fixed(what: str, price: float) -> Item:
    return Item(what, price, price)


def _range(line: Item) -> str:
    return f"{line.least:g}" if line.least == line.most else f"{line.least:g} to {line.most:g}"
