"""Readiness of a cluster: its API answers, its nodes are Ready, its gateway has an address.

An LKE cluster counts as created before any node is Ready, and nobody who runs ``pulumi up`` needs kubectl. So the
kubeconfig is handed on only once the nodes are Ready: whatever uses it waits. A preview looks, and does not wait.
"""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
import ssl
import tempfile
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

import yaml
from pulumi.output import UNKNOWN

import pulumi

POLL_S = 5.0
REQUEST_TIMEOUT_S = 10.0
#: A NodeBalancer takes half a minute once its Service is there.
ADDRESS_TIMEOUT_S = 600.0
#: How long an optional thing is waited for.
PATIENCE_S = 120.0

T = TypeVar("T")


class NotYet(Exception):
    """A condition is not met yet; the message has the present state."""


class Kubernetes:
    """A read-only client of the API of a kubeconfig's cluster, with Python's own library.

    Raises:
        pulumi.RunError: the kubeconfig is incomplete; the message names the missing part.
    """

    def __init__(self, kubeconfig: str) -> None:
        parsed = yaml.safe_load(kubeconfig) or {}
        context = _named(parsed, "context", parsed.get("current-context"))
        cluster = _named(parsed, "cluster", context.get("cluster"))
        # An API that is open to everyone needs no user.
        user = _named(parsed, "user", context["user"]) if context.get("user") else {}
        self.server = str(cluster.get("server") or "")
        self._target = urlsplit(self.server)
        if self._target.scheme not in {"http", "https"} or not self._target.hostname:
            raise pulumi.RunError(f"the kubeconfig has no server with http:// or https:// but {self.server!r}")
        self._headers = {"authorization": f"Bearer {user['token']}"} if user.get("token") else {}
        self._tls = _tls(cluster, user) if self._target.scheme == "https" else None

    def get(self, path: str) -> dict[str, Any]:
        """Read one object or list.

        Raises:
            NotYet: the API does not answer, or not with 200.
        """
        try:
            connection = self._connection()
            try:
                connection.request("GET", self._target.path.rstrip("/") + path, headers=self._headers)
                answer = connection.getresponse()
                body = answer.read()
            finally:
                connection.close()
        except (OSError, http.client.HTTPException) as exc:
            raise NotYet(
                f"{self.server} does not answer ({exc}); is this machine in sspp:controlPlaneAcl, "
                "and does the cluster still exist?"
            ) from exc
        if answer.status != http.client.OK:
            raise NotYet(f"{self.server} answers {path} with {answer.status}")
        found: dict[str, Any] = json.loads(body)
        return found

    def _connection(self) -> http.client.HTTPConnection:
        host, port = self._target.hostname or "", self._target.port
        if self._tls is None:
            return http.client.HTTPConnection(host, port, timeout=REQUEST_TIMEOUT_S)
        return http.client.HTTPSConnection(host, port, timeout=REQUEST_TIMEOUT_S, context=self._tls)


def nodes_ready(kubernetes: Kubernetes, wanted: int) -> None:
    """Raise :class:`NotYet` unless ``wanted`` nodes are Ready."""
    nodes = kubernetes.get("/api/v1/nodes")["items"]
    ready = [node for node in nodes if _condition(node).get("status") == "True"]
    if len(ready) >= wanted:
        return
    waiting = "; ".join(
        f"{node['metadata']['name']}: {_condition(node).get('message', 'has not reported yet')}"
        for node in nodes
        if node not in ready
    )
    raise NotYet(f"{len(ready)} of {wanted} nodes are Ready" + (f" ({waiting})" if waiting else ""))


def addresses(kubernetes: Kubernetes, selector: str) -> list[str]:
    """Return the public IPv4 addresses of the nodes with the label ``selector`` (``name=value``), as networks."""
    nodes = kubernetes.get(f"/api/v1/nodes?labelSelector={selector.replace('=', '%3D').replace('/', '%2F')}")["items"]
    found = [
        f"{address['address']}/32"
        for node in nodes
        for address in node.get("status", {}).get("addresses", [])
        if address["type"] == "ExternalIP" and ":" not in address["address"]
    ]
    if not found:
        raise NotYet(f"no node with {selector} has a public address")
    return sorted(found)


def gateway_address(kubernetes: Kubernetes, namespace: str, service: str) -> str:
    """Return the public address of a Service of type LoadBalancer."""
    found = kubernetes.get(f"/api/v1/namespaces/{namespace}/services/{service}")
    for entry in found.get("status", {}).get("loadBalancer", {}).get("ingress", []):
        if entry.get("ip"):
            return str(entry["ip"])
    raise NotYet(f"the Service {namespace}/{service} has no public address")


def refuse_another_redis(kubernetes: Kubernetes, namespace: str, wanted: str) -> None:
    """Refuse to change a single Redis into a cluster, or back, while it exists.

    Its volumes hold other partitions than the dispatchers would read, so waiting events would never be delivered.

    Args:
        wanted: ``single`` or ``cluster``.

    Raises:
        pulumi.RunError: a Redis of the other kind exists.
    """
    try:
        there = kubernetes.get(f"/apis/apps/v1/namespaces/{namespace}/statefulsets/sspp-redis")["spec"]
    except NotYet:
        return
    found = "cluster" if there.get("podManagementPolicy") == "Parallel" else "single"
    if found != wanted:
        raise pulumi.RunError(
            f"sspp:redis is {wanted}, and {namespace} has a Redis that is {found}: set it back, or let the streams "
            "drain and delete the StatefulSet and its volumes, as docs/scale.md says"
        )


async def until(look: Callable[[], T], timeout_s: float, advice: str) -> T:
    """Poll until ``look`` does not raise :class:`NotYet`; return its result.

    Raises:
        pulumi.RunError: after ``timeout_s``; the message has the last state and ``advice``.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            return await asyncio.to_thread(look)
        except NotYet as exc:
            if time.monotonic() >= deadline:
                raise pulumi.RunError(f"gave up after {timeout_s / 60:g} min: {exc}. {advice}") from None
            pulumi.log.info(f"waiting: {exc}", ephemeral=True)
        await asyncio.sleep(POLL_S)


async def once(look: Callable[[], T]) -> T:
    """Look once, as a preview does; a condition that is not met makes the result unknown."""
    try:
        return await asyncio.to_thread(look)
    except NotYet as exc:
        pulumi.log.warn(f"not looked any further: {exc}")
        return UNKNOWN  # type: ignore[return-value] # an Output that holds it is itself not known


def _condition(node: Mapping[str, Any]) -> Mapping[str, Any]:
    conditions = node.get("status", {}).get("conditions", [])
    return next((condition for condition in conditions if condition["type"] == "Ready"), {})


def _named(parsed: Mapping[str, Any], kind: str, name: str | None) -> dict[str, Any]:
    for entry in parsed.get(f"{kind}s") or []:
        if entry.get("name") == name and entry.get(kind):
            found: dict[str, Any] = entry[kind]
            return found
    missing = f"{kind} called {name}" if name else "current-context" if kind == "context" else f"{kind} in its context"
    raise pulumi.RunError(f"the kubeconfig has no {missing}")


def _tls(cluster: Mapping[str, Any], user: Mapping[str, Any]) -> ssl.SSLContext:
    authority = cluster.get("certificate-authority-data")
    context = ssl.create_default_context(cadata=base64.b64decode(authority).decode("ascii") if authority else None)
    if cluster.get("insecure-skip-tls-verify"):  # as kubectl and Pulumi's own provider understand it
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if "client-certificate-data" in user:
        with tempfile.NamedTemporaryFile() as file:  # only its owner can read it, and only for a moment
            for part in ("client-certificate-data", "client-key-data"):
                file.write(base64.b64decode(user[part]) + b"\n")
            file.flush()
            context.load_cert_chain(file.name)
    return context
