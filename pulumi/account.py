"""Linode's API over HTTP, for what its provider lacks: a token's scopes and the addresses of a cluster's nodes."""

from __future__ import annotations

import http.client
import json
import re
import threading
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from stack import Stack

import pulumi

API = "https://api.linode.com"
TIMEOUT_S = 30
#: How often the nodes are looked for while they are replaced. One takes minutes from its address to its first pod.
FOLLOW_S = 10.0
#: The largest page that Linode returns.
PAGE = "page_size=500"


class AccountError(Exception):
    """Linode could not be reached or refused; the message has its reason."""


class Answer(NamedTuple):
    """The body of an answer, and the scopes of the token that asked; no scopes where Linode does not say."""

    body: dict[str, Any]
    scopes: frozenset[str]


class Account:
    """A client of Linode's API with the stack's token."""

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
    """Return the scopes that the stack's resources need. The provider reads events to wait for them."""
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
        pulumi.RunError: names the missing scopes.
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
    """Admit each new node of a cluster to its PostgreSQL until ``done`` is set; an upgrade replaces all nodes.

    A node has its address minutes before anything runs on it. Addresses of removed nodes stay in the list until `up`
    ends, which sets it to the nodes that are there. A failed request is tried again.

    Args:
        label: of the pools whose nodes are admitted (``name=value``).
    """
    account = Account(stack)
    while True:
        try:
            _admit(account, stack.label, set(_addresses(account, cluster_id, label)))
        except AccountError as exc:
            pulumi.log.info(f"PostgreSQL's list of addresses was not updated: {exc}", ephemeral=True)
        if done.wait(FOLLOW_S):
            return


def _addresses(account: Account, cluster_id: int, label: str) -> Iterator[str]:
    """Yield the public IPv4 addresses of the nodes of the pools with ``label``, as networks."""
    name, _, value = label.partition("=")
    for pool in account.ask(f"/lke/clusters/{cluster_id}/pools?{PAGE}").body["data"]:
        if (pool.get("labels") or {}).get(name) != value:
            continue
        for instance in (node["instance_id"] for node in pool["nodes"] if node.get("instance_id")):
            found = account.ask(f"/linode/instances/{instance}").body["ipv4"]
            # Private addresses, which exist only inside a data centre, are in 192.168.128.0/17.
            yield from (f"{address}/32" for address in found if not address.startswith("192.168."))


def _admit(account: Account, label: str, addresses: set[str]) -> None:
    instances = "/databases/postgresql/instances"
    for database in account.ask(f"{instances}?{PAGE}").body["data"]:
        admitted = set(database["allow_list"])
        if database["label"] == label and not addresses <= admitted:
            account.ask(f"{instances}/{database['id']}", {"allow_list": sorted(admitted | addresses)})
