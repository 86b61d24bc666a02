"""What a stack costs a month, from its node types."""

from __future__ import annotations

from typing import NamedTuple

import prices
from stack import Stack


class Item(NamedTuple):
    """One line of the bill: the price of an idle month and of one at the autoscaler's limit, None if unknown."""

    what: str
    least: float | None
    most: float | None


def items(stack: Stack) -> list[Item]:
    """Return every line of the bill."""
    system, workers = stack.system_pool, stack.worker_pool
    volumes = prices.OWN_VOLUMES_GIB + (stack.search.nodes * stack.search.storage if stack.search else 0)
    volumes += prices.CLUSTER_VOLUMES_GIB if stack.redis == "cluster" else 0
    lines = [
        _each(f"{system.count} x {system.type}, system nodes", prices.NODE.get(system.type), system.count),
        _each(
            f"{workers.min} to {workers.max} x {workers.type}, worker nodes",
            prices.NODE.get(workers.type),
            workers.min,
            workers.max,
        ),
        _each("NodeBalancer", prices.NODE_BALANCER),
        _each("object storage for backups", prices.OBJECT_STORAGE),
        _each(f"{volumes} GiB of block storage", prices.VOLUME_GIB, volumes),
    ]
    if stack.tier == "enterprise":
        lines.append(_each("LKE Enterprise control plane", prices.ENTERPRISE))
    elif stack.high_availability:
        lines.append(_each("highly available control plane", prices.HIGH_AVAILABILITY))
    if stack.database:
        price = prices.DATABASE_NODE.get(stack.database.type)
        lines.append(_each(f"{stack.database.nodes} x {stack.database.type}, PostgreSQL", price, stack.database.nodes))
    return lines


def monthly(stack: Stack) -> dict[str, object]:
    """Return the bill as a stack output, in US dollars; ``unknown`` lists lines that the sums lack."""
    lines = items(stack)
    bill: dict[str, object] = {
        "atLeast": round(sum(line.least or 0 for line in lines), 2),
        "atMost": round(sum(line.most or 0 for line in lines), 2),
        "items": {line.what: _range(line) for line in lines},
    }
    unknown = [line.what for line in lines if line.least is None]
    return bill | {"unknown": unknown} if unknown else bill


def _each(what: str, price: float | None, least: int = 1, most: int | None = None) -> Item:
    """Return the line for ``least`` to ``most`` (or just ``least``) of something with one price."""
    if price is None:
        return Item(what, None, None)
    return Item(what, price * least, price * (most or least))


def _range(line: Item) -> str:
    if line.least is None or line.most is None:
        return "unknown"
    return f"{line.least:g}" if line.least == line.most else f"{line.least:g} to {line.most:g}"
