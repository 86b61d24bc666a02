"""The TCP ports of the local run: those a person chose must be free, the others are found."""

from __future__ import annotations

import errno
import os
import random
import socket
from collections.abc import Collection, Mapping, Sequence

from events.errors import ConfigError

#: Below where Linux (32768) and macOS (49152) take ports for outgoing connections, so that a part that
#: is started again finds its port as it left it.
_OURS = range(20_000, 32_768)


#: Ports that this process was given before: somebody may be about to listen on one.
_given: set[int] = set()
#: Port -> the descriptor that claims it, the newest last. See :func:`_claim`.
_claims: dict[int, int] = {}
#: More than are waited for at a time, and well below the descriptors that a process may have.
_MOST_CLAIMS = 200


def free(count: int) -> list[int]:
    """Return ``count`` ports of the loopback address that nobody listens on, before all those never returned yet.

    No two processes get the same port, however long the caller takes to listen on it.
    """
    candidates = iter(sorted(random.sample(_OURS, len(_OURS)), key=_given.__contains__))
    found: list[int] = []
    while len(found) < count:
        port = next(candidates)
        if _claim(port) and _trouble("127.0.0.1", port) is None:
            found.append(port)
    _given.update(found)
    return found


def _claim(port: int) -> bool:
    """Bind the UDP port of the same number, which keeps other processes from choosing ``port``; it ends with us.

    Looking for a listener is not enough: two processes would both find none, and looking means listening for a moment,
    in which the server that the port belongs to cannot start.

    Returns:
        False when another process has it.
    """
    if port in _claims:
        return True
    claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        claim.bind(("127.0.0.1", port))
    except OSError:
        claim.close()
        return False
    _claims[port] = claim.detach()
    if len(_claims) > _MOST_CLAIMS:
        os.close(_claims.pop(next(iter(_claims))))
    return True


def assign(names: Sequence[str], before: Mapping[str, int], *, spoken_for: Collection[int] = ()) -> dict[str, int]:
    """Return a port for each name: the one it had ``before``, or a free one where somebody has that now.

    Args:
        spoken_for: ports that nobody may listen on yet, and that still belong to somebody else.
    """
    kept = {
        name: before[name]
        for name in names
        if name in before and before[name] not in spoken_for and _trouble("127.0.0.1", before[name]) is None
    }
    unwanted = {*kept.values(), *spoken_for}
    others = (port for port in free(len(names) + len(unwanted)) if port not in unwanted)
    return {name: kept[name] if name in kept else next(others) for name in names}


def refuse_busy(host: str, wanted: Mapping[str, int]) -> None:
    """Make sure that every port in ``wanted`` (setting -> port) can be listened on.

    Raises:
        ConfigError: naming each port that cannot, and the setting that moves it.
    """
    faults = []
    for name, port in wanted.items():
        trouble = _trouble(host, port)
        if trouble is not None:
            faults.append(f"port {port} {trouble}; set {name} to another one")
    if len(set(wanted.values())) < len(wanted):
        faults.append(" and ".join(wanted) + " must differ")
    if faults:
        raise ConfigError("; ".join(faults))


def _trouble(host: str, port: int) -> str | None:
    """Return why ``port`` cannot be listened on; None when it can."""
    if not 0 < port < 65_536:
        return "is not one (1-65535)"
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            # As the servers do, so that connections that still linger do not make a port look busy.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            probe.listen(1)
    except OSError as exc:
        if exc.errno == errno.EADDRINUSE:
            return "is in use"
        return f"cannot be used on {host} ({exc.strerror})"
    return None
