"""The settings of one stack, typed and validated one by one. docs/deploy.md has a line for each."""

from __future__ import annotations

import ssl
from ipaddress import ip_network
from typing import Annotated, Any, Literal

import versions
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr
from pydantic.alias_generators import to_camel
from versions import Chart


def _network(text: object) -> str:
    return str(ip_network(str(text)))


def _certificate(text: object) -> str:
    """Refuse a certificate that openssl could not use; the first backup would fail on it."""
    pem = str(text)
    if "PRIVATE KEY" in pem:
        raise ValueError("it holds a private key, which must not come here: set it to the certificate alone")
    try:
        ssl.create_default_context(cadata=pem)
    except ssl.SSLError:
        raise ValueError("it is no certificate in PEM") from None
    return pem


#: The name of a Linode plan. Its price need not be known here; Linode refuses an unknown plan.
NodeType = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)+$")]
Network = Annotated[str, BeforeValidator(_network)]
Certificate = Annotated[str, BeforeValidator(_certificate)]
Count = Annotated[int, Field(ge=1, le=100)]


class Section(BaseModel):
    """A part of the configuration: names are camelCase there, unknown ones are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel)


class SystemPool(Section):
    """The nodes that stay, with their addresses."""

    type: NodeType = "g6-standard-2"
    count: Count = 1


class WorkerPool(Section):
    """The autoscaled nodes."""

    type: NodeType = "g6-standard-2"
    min: Count = 1
    max: Count = 3


class Database(Section):
    """A managed PostgreSQL: ``nodes`` of ``type``, of which one writes."""

    type: NodeType
    nodes: Literal[1, 2, 3]
    # The versions that the backup's pg_dump reads; `config set --path` stores a number.
    version: Annotated[Literal["15", "16", "17"], BeforeValidator(str)]


class Search(Section):
    """An Elasticsearch in the cluster; memory and storage of each node in GiB."""

    nodes: Count
    memory: Count
    storage: Annotated[int, Field(ge=10)]


class Stack(Section):
    """One stack. docs/deploy.md has a line for each setting; secrets stay out of ``repr``."""

    name: Literal["dev", "staging", "prod"]
    region: str
    charts: dict[str, Annotated[str, Field(pattern=r"^(https?|oci)://\S+$")]] = {}
    kubernetes_version: Annotated[str, Field(pattern=r"^1\.\d\d$")] = "1.35"
    knative_version: Annotated[str, Field(pattern=r"^1\.\d+\.\d+$")] = "1.23.0"
    keda_version: Annotated[str, Field(pattern=r"^2\.\d+\.\d+$")] = "2.20.2"
    tier: Literal["standard", "enterprise"] = "standard"
    api_version: Literal["v4", "v4beta"] = "v4"
    api_url: str | None = None
    token: SecretStr
    high_availability: bool = False
    control_plane_acl: tuple[Network, ...] = ()
    system_pool: SystemPool = SystemPool()
    worker_pool: WorkerPool = WorkerPool()
    ready_timeout_minutes: Count = 20
    protect: bool = True
    database: Database | None = None
    search: Search | None = None
    redis: Literal["single", "cluster"] = "single"
    domain: str | None = None
    zone: Literal["new", "existing"] = "new"
    email: str | None = None
    dns_solver: dict[str, Any] | None = None
    dns_token: SecretStr | None = None
    delivery: Literal["argocd", "direct"] = "argocd"
    repository: str | None = None
    revision: str = "main"
    image: Annotated[str, Field(pattern=r"^\S+/\S+(:[\w.-]+|@sha256:[0-9a-f]{64})$")]
    repository_token: SecretStr | None = None
    bucket: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$")]
    backup_days: Count = 30
    locked_bucket_at: Annotated[str, Field(pattern=r"^[a-z0-9.-]+$")] | None = None
    backup_certificate: Certificate | None = None
    seed: Annotated[SecretStr, Field(min_length=32)]
    smtp_url: SecretStr

    @property
    def label(self) -> str:
        """Return the name of the stack's objects at Linode and of its namespace."""
        return f"sspp-{self.name}"

    @property
    def replicas(self) -> int:
        """Return how many replicas each part of the platform has: two outside of dev, so that a node may fail."""
        return 1 if self.name == "dev" else 2

    def source(self, chart: Chart) -> Chart:
        """Return ``chart`` from the mirror that the stack names, else as it is."""
        return versions.mirrored(chart, self.charts)
