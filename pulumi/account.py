"""The account at Linode, asked over HTTP, as no provider does: what its token may do, where a cluster's nodes are."""

from __future__ import annotations

import http.client
import json
import re
import threading
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from config import Stack

import pulumi

API = "https://api.linode.com"
TIMEOUT_S = 30
#: How often the nodes are looked for while they are replaced. One takes minutes from its address to its first pod.
FOLLOW_S = 10.0
#: Any page that holds everything; Linode's own limit.
PAGE = "page_size=500"


class AccountError(Exception):
    """Linode did not answer as asked; says what it said."""


class Answer(NamedTuple):
    """The body of an answer, and the scopes of the token that asked; no scopes where Linode does not say."""

    body: dict[str, Any]
    scopes: frozenset[str]


class Account:
    """Linode's API as ``stack`` reaches it."""

    def __init__(self, stack: Stack) -> None:
        self._target = urlsplit(re.sub(r"/v4(beta)?/?$", "", stack.api_url or API))
        self._root = f"{self._target.path.rstrip('/')}/{stack.api_version}"
        self._headers = {
            "authorization": f"Bearer {stack.token.get_secret_value()}",
            "content-type": "application/json",
        }

    def ask(self, path: str, body: Mapping[str, Any] | None = None) -> Answer:
        """Read what is at ``path``, or change it to ``body``.

        Raises:
            AccountError: it cannot be reached or refuses.
        """
        secure = self._target.scheme == "https"
        connect = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = connect(self._target.hostname or "", self._target.port, timeout=TIMEOUT_S)
        try:
            verb, sent = ("PUT", json.dumps(body)) if body is not None else ("GET", None)
            connection.request(verb, self._root + path, sent, self._headers)
            answer = connection.getresponse()
            text = answer.read().decode("utf-8", "replace")
        except (OSError, http.client.HTTPException) as exc:
            raise AccountError(f"no answer from {self._target.netloc}: {exc}") from exc
        finally:
            connection.close()
        if answer.status != http.client.OK:
            raise AccountError(f"[{answer.status}] {_reason(text)}")
        return Answer(json.loads(text), frozenset(re.findall(r"[\w*:]+", answer.headers.get("x-oauth-scopes", ""))))


def _reason(text: str) -> str:
    try:
        return "; ".join(str(error["reason"]) for error in json.loads(text)["errors"])
    except (ValueError, KeyError, TypeError):
        return text[:200]


def needed(stack: Stack) -> list[str]:
    """The scopes without which some resource of ``stack`` cannot be made. The provider waits by events."""
    scopes = ["events:read_only", "lke:read_write", "firewall:read_write", "object_storage:read_write"]
    if stack.database:
        scopes += ["databases:read_write", "linodes:read_only"]
    if stack.domain:
        scopes.append("domains:read_write")
    if stack.tier == "enterprise":
        scopes.append("vpc:read_write")
    return scopes


def refuse_narrow(stack: Stack) -> None:
    """Refuse a token that lacks a scope, before anything is created.

    Raises:
        pulumi.RunError: says which scopes are missing.
    """
    try:
        granted = Account(stack).ask("/account/events?page_size=25").scopes
    except AccountError as exc:
        raise pulumi.RunError(f"linode:token may not read Events, which `pulumi up` waits by: {exc}") from None
    missing = [scope for scope in needed(stack) if granted and not _grants(granted, scope)]
    if missing:
        raise pulumi.RunError(f"linode:token lacks {', '.join(missing)}: make one in the Cloud Manager that has them")


def _grants(granted: frozenset[str], scope: str) -> bool:
    return bool(granted & {"*", scope, f"{scope.partition(':')[0]}:read_write"})


def keep_admitted(stack: Stack, cluster_id: int, label: str, done: threading.Event) -> None:
    """Let every node of a cluster into its PostgreSQL as it comes, until ``done``: an upgrade replaces all of them.

    Linode gives a node its address minutes before anything runs on it. Those that go stay in the list until `up` ends
    and sets it to what is there. What cannot be asked or changed now is tried again.

    Args:
        label: what tells the nodes that may come in, by a label of their pool (``name=value``).
    """
    account = Account(stack)
    while True:
        try:
            _admit(account, stack.label, set(_addresses(account, cluster_id, label)))
        except AccountError as exc:
            pulumi.log.info(f"PostgreSQL's list of addresses is not looked after: {exc}", ephemeral=True)
        if done.wait(FOLLOW_S):
            return


def _addresses(account: Account, cluster_id: int, label: str) -> Iterator[str]:
    """The public IPv4 addresses of the nodes of the pools with ``label``, as networks."""
    name, _, value = label.partition("=")
    for pool in account.ask(f"/lke/clusters/{cluster_id}/pools?{PAGE}").body["data"]:
        if (pool.get("labels") or {}).get(name) != value:
            continue
        for instance in (node["instance_id"] for node in pool["nodes"] if node.get("instance_id")):
            found = account.ask(f"/linode/instances/{instance}").body["ipv4"]
            # Linode's private addresses, which no one outside of a data centre sees, are in 192.168.128.0/17.
            yield from (f"{address}/32" for address in found if not address.startswith("192.168."))


def _admit(account: Account, label: str, addresses: set[str]) -> None:
    instances = "/databases/postgresql/instances"
    for database in account.ask(f"{instances}?{PAGE}").body["data"]:
        admitted = set(database["allow_list"])
        if database["label"] == label and not addresses <= admitted:
            account.ask(f"{instances}/{database['id']}", {"allow_list": sorted(admitted | addresses)})
