"""As much of a Kubernetes API as the readiness gate reads: nodes and the gateway's Service, with real TLS or none."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

from tests.servers import tls
from tests.servers.loopback import served

TOKEN = "kube-token"


def node(name: str, *, pool: str = "system", ready: bool = True, says: str = "", address: str = "") -> dict[str, Any]:
    """A node as the API shows it."""
    addresses = [{"type": "InternalIP", "address": "192.168.128.5"}]
    if address:
        addresses.append({"type": "ExternalIP", "address": address})
    return {
        "metadata": {"name": name, "labels": {"sspp.io/pool": pool}},
        "status": {
            "conditions": [
                {"type": "MemoryPressure", "status": "False"},
                {"type": "Ready", "status": str(ready), "message": says},
            ],
            "addresses": addresses,
        },
    }


@dataclass
class Api:
    """What is in the cluster: ``nodes`` a list for each time they are asked for, the last one for good;
    ``statefulsets`` path -> spec.
    """

    certificate: tls.Certificate | None
    nodes: list[list[dict[str, Any]]] = field(default_factory=list)
    ingress: list[dict[str, str]] = field(default_factory=lambda: [{"ip": "198.51.100.7"}])
    statefulsets: dict[str, dict[str, Any]] = field(default_factory=dict)
    port: int = 0
    asked: list[str] = field(default_factory=list)

    @property
    def kubeconfig(self) -> str:
        """As LKE hands it out: a token and the authority."""
        cluster = {"server": f"http://localhost:{self.port}"}
        if self.certificate:
            authority = base64.b64encode(self.certificate.pem.read_bytes()).decode("ascii")
            cluster = {"server": f"https://localhost:{self.port}", "certificate-authority-data": authority}
        text: str = yaml.safe_dump(
            {
                "current-context": "lke-ctx",
                "contexts": [{"name": "lke-ctx", "context": {"cluster": "lke", "user": "lke-admin"}}],
                "clusters": [{"name": "lke", "cluster": cluster}],
                "users": [{"name": "lke-admin", "user": {"token": TOKEN}}],
            }
        )
        return text

    def answer(self, path: str, authorization: str) -> tuple[int, dict[str, Any]]:
        """What one GET is answered with."""
        self.asked.append(path)
        if authorization != f"Bearer {TOKEN}":
            return 401, {}
        target = urlsplit(path)
        if target.path == "/api/v1/nodes":
            return 200, {"items": self._nodes(parse_qs(target.query).get("labelSelector", [""])[0])}
        if target.path == "/api/v1/namespaces/knative-serving/services/kourier":
            return 200, {"status": {"loadBalancer": {"ingress": self.ingress}}}
        if target.path in self.statefulsets:
            return 200, {"spec": self.statefulsets[target.path]}
        return 404, {}

    def _nodes(self, selector: str) -> list[dict[str, Any]]:
        now = self.nodes.pop(0) if len(self.nodes) > 1 else self.nodes[0]
        name, _, value = selector.partition("=")
        return [one for one in now if not name or one["metadata"]["labels"].get(name) == value]


class Handler(BaseHTTPRequestHandler):
    """One request to ``api``."""

    api: Api

    def do_GET(self) -> None:
        status, body = self.api.answer(self.path, self.headers.get("authorization", ""))
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    """Says nothing about clients that do not like its certificate."""

    def handle_error(self, *_: object) -> None:
        pass


@contextmanager
def running(api: Api) -> Iterator[Api]:
    """Serve ``api`` on the loopback address for the length of the block."""
    server = Server(("127.0.0.1", 0), type("OfThis", (Handler,), {"api": api}))
    if api.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(api.certificate.pem, api.certificate.key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    with served(server) as api.port:
        yield api
