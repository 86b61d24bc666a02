"""What one stack is told: parsed once, every fault listed at once, before anything is created."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from ipaddress import ip_network
from typing import Annotated, Any, Literal

import versions
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError
from pydantic.alias_generators import to_camel
from versions import Chart


class ConfigError(Exception):
    """The configuration cannot be used; the message has a line for each fault and what to change."""


def _network(text: object) -> str:
    return str(ip_network(str(text)))


def _certificate(text: object) -> str:
    """Refuse what openssl would only refuse at night, when the first backup is made."""
    pem = str(text)
    if "PRIVATE KEY" in pem:
        raise ValueError("it holds a private key, which must not come here: set it to the certificate alone")
    try:
        ssl.create_default_context(cadata=pem)
    except ssl.SSLError:
        raise ValueError("it is no certificate in PEM") from None
    return pem


#: A plan of Linode's, whether or not its price is known; Linode refuses one that it does not have.
NodeType = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)+$")]
Network = Annotated[str, BeforeValidator(_network)]
Certificate = Annotated[str, BeforeValidator(_certificate)]
Count = Annotated[int, Field(ge=1, le=100)]


class Told(BaseModel):
    """Something in the configuration: its names are camelCase there, and nothing else may be there."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel)


class SystemPool(Told):
    """The nodes that are always there and whose addresses stay."""

    type: NodeType = "g6-standard-2"
    count: Count = 1


class WorkerPool(Told):
    """The nodes that come and go with the load."""

    type: NodeType = "g6-standard-2"
    min: Count = 1
    max: Count = 3


class Database(Told):
    """A managed PostgreSQL: ``nodes`` of ``type``, of which one writes."""

    type: NodeType
    nodes: Literal[1, 2, 3]
    # What the client that backs it up reads; `config set --path` makes a number of it.
    version: Annotated[Literal["15", "16", "17"], BeforeValidator(str)]


class Search(Told):
    """An Elasticsearch in the cluster; memory and storage of each node in GiB."""

    nodes: Count
    memory: Count
    storage: Annotated[int, Field(ge=10)]


class Stack(Told):
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
        """What the cloud's objects of this stack are called, and the application's namespace."""
        return f"sspp-{self.name}"

    @property
    def replicas(self) -> int:
        """How many of each part of the platform run: more than one where a node may be lost unseen."""
        return 1 if self.name == "dev" else 2

    def source(self, chart: Chart) -> Chart:
        """Return ``chart`` from where this stack takes it."""
        return versions.mirrored(chart, self.charts)


#: How to give what has no default, and what stands for it while the other rules are looked at.
GIVEN = {
    "name": ("use a stack called dev, staging or prod", "dev"),
    "region": ("pulumi config set sspp:region us-ord", "us-ord"),
    "image": ("pulumi config set sspp:image <registry/name:tag that the cluster can pull>", "registry/sspp:0"),
    "bucket": ("pulumi config set sspp:bucket <a name nobody in the region has>", "sspp-backups"),
    "token": ("pulumi config set --secret linode:token <a token>, or LINODE_TOKEN", "-"),
    "seed": ('pulumi config set --secret sspp:seed "$(openssl rand -hex 32)"', "-" * 32),
    "smtpUrl": ("pulumi config set --secret sspp:smtpUrl smtps://user:password@host:465", "-"),
}
#: Settings of Linode's own provider; all others are ours.
PROVIDERS = {"token": "linode:token", "apiUrl": "linode:url", "apiVersion": "linode:apiVersion"}


def parse(told: Mapping[str, str]) -> Stack:
    """Parse what a stack is told.

    Args:
        told: setting -> text, maps and lists as JSON, as the engine hands them over.

    Raises:
        ConfigError: naming everything that is missing or wrong, never a secret's value.
    """
    values, faults = {}, {}
    for name, text in told.items():
        try:
            values[name] = json.loads(text) if text[:1] in "[{" else text
        except ValueError:
            faults[name] = "is not valid JSON"
    try:
        stack = Stack.model_validate(values)
    except ValidationError as exc:
        for error in exc.errors(include_url=False, include_input=False):
            where = ".".join(str(word) for word in error["loc"])
            faults.setdefault(where, _put(where, error["type"], error["msg"]))
        wrong = {where.partition(".")[0] for where in faults}
        stand_ins = {name: value for name, (_, value) in GIVEN.items() if name in wrong}
        stack = Stack.model_validate({k: v for k, v in values.items() if k not in wrong} | stand_ins)
    wrong = {where.partition(".")[0] for where in faults}
    lines = [f"{_full(where)} {fault}" for where, fault in faults.items()]
    lines += [text for setting, text in _contradictions(stack) if setting not in wrong]
    if lines:
        raise ConfigError(f"stack {told.get('name')} cannot be used:\n  " + "\n  ".join(lines))
    return stack


def refuse_unknown(keys: Iterable[str]) -> None:
    """Raise :class:`ConfigError` for every ``sspp:`` key that is no setting, with the one it resembles.

    Args:
        keys: all keys of the configuration, with their namespaces.
    """
    ours = set(names()) - {"name", *PROVIDERS}
    unknown = sorted({key.removeprefix("sspp:") for key in keys if key.startswith("sspp:")} - ours)
    alike = {name.lower(): name for name in ours}
    lines = []
    for name in unknown:
        near = get_close_matches(name.lower(), alike, n=1)
        lines.append(f"sspp:{name} is no setting" + (f"; is it sspp:{alike[near[0]]}?" if near else ""))
    if lines:
        raise ConfigError("the configuration cannot be used:\n  " + "\n  ".join(lines))


def names() -> list[str]:
    """Every setting, as the configuration calls it."""
    return [field.alias or name for name, field in Stack.model_fields.items()]


def _put(where: str, kind: str, message: str) -> str:
    if kind == "missing" and where in GIVEN:
        return f"is missing: {GIVEN[where][0]}"
    if where == "seed":
        return f"is shorter than 32 characters: {GIVEN['seed'][0]}"
    return f"is wrong: {message.removeprefix('Value error, ')}"


def _full(where: str) -> str:
    return PROVIDERS.get(where, f"sspp:{where}")


#: Makes what backups are encrypted for, and the key that opens them.
KEY_PAIR = (
    "openssl req -x509 -newkey rsa:3072 -nodes -days 36500 -subj /CN=sspp -keyout backup.key -out backup.crt "
    "&& pulumi config set sspp:backupCertificate < backup.crt"
)


def _contradictions(stack: Stack) -> Iterator[tuple[str, str]]:
    """What is wrong with settings that are well formed, as (setting, what to change)."""
    for fault in versions.faults(stack.kubernetes_version, stack.knative_version, stack.keda_version):
        yield "kubernetesVersion", fault
    yield from _mirrors(stack)
    if stack.worker_pool.min > stack.worker_pool.max:
        yield "workerPool", "sspp:workerPool.min is above max: lower it"
    if stack.tier == "enterprise" and stack.api_version != "v4beta":
        yield "tier", "LKE Enterprise is only in the v4beta API: set linode:apiVersion to v4beta"
    if not stack.backup_certificate:
        yield "backupCertificate", f"sspp:backupCertificate is missing: {KEY_PAIR}"
    if stack.delivery == "argocd" and not stack.repository:
        yield "repository", "sspp:repository is missing: set it to the address Argo CD clones this repository from"
    yield from _tls(stack)
    yield from _cluster(stack)
    if stack.name != "dev":
        yield from _managed(stack)
    if stack.name == "prod":
        yield from _production(stack)


def _mirrors(stack: Stack) -> Iterator[tuple[str, str]]:
    for name, place in sorted(stack.charts.items()):
        if name not in versions.CHARTS:
            yield "charts", f"sspp:charts.{name} is no chart that is installed: one of {', '.join(versions.CHARTS)}"
        elif versions.CHARTS[name] == versions.LINODE_DNS and not place.endswith(".tgz"):
            yield "charts", f"sspp:charts.{name} must be the address of a .tgz: its maker has no repository"


def _tls(stack: Stack) -> Iterator[tuple[str, str]]:
    if not stack.domain:
        return
    if not stack.email:
        yield "email", "sspp:email is missing: the certificate authority and the zone want an address"
    if not stack.dns_solver and not stack.dns_token:
        yield (
            "dnsToken",
            "sspp:dnsToken is missing: pulumi config set --secret sspp:dnsToken <a token that may write domains>, "
            "or set sspp:dnsSolver to a DNS-01 solver of cert-manager",
        )


def _cluster(stack: Stack) -> Iterator[tuple[str, str]]:
    """Faults of a Redis Cluster: two of its three primaries must survive the loss of a node."""
    if stack.redis == "single":
        return
    if stack.name == "dev":
        yield "redis", "sspp:redis is cluster, which dev has no overlay for: set it to single"
    elif stack.system_pool.count + stack.worker_pool.min < 3:
        yield (
            "redis",
            "sspp:redis is cluster, and its three primaries need three nodes: raise sspp:systemPool.count or "
            "sspp:workerPool.min, or set it to single",
        )


def _managed(stack: Stack) -> Iterator[tuple[str, str]]:
    if not stack.database:
        yield "database", "sspp:database is missing: set its type, nodes and version"
    if stack.database and stack.database.nodes == 2 and stack.database.type.startswith("g6-standard"):
        yield "database", "sspp:database: two nodes need a dedicated type, g6-dedicated-2 for one"
    if not stack.search:
        yield "search", "sspp:search is missing: set its nodes, memory and storage"


def _production(stack: Stack) -> Iterator[tuple[str, str]]:
    """What prod may not do without: nothing here may hang on one machine, be open to everyone or be deleted."""
    acl, database, search = stack.control_plane_acl, stack.database, stack.search
    refused = (
        (
            not acl,
            "controlPlaneAcl",
            "is empty, so the control plane is open to everyone: list the networks that deploy, "
            "pulumi config set --path 'sspp:controlPlaneAcl[0]' 203.0.113.7/32",
        ),
        (
            any(ip_network(network).prefixlen < 8 for network in acl),
            "controlPlaneAcl",
            "is open to the world: list only the networks that deploy",
        ),
        (
            stack.tier == "standard" and not stack.high_availability,
            "highAvailability",
            "is false: set it to true, a control plane may fail",
        ),
        (stack.system_pool.count < 2, "systemPool", "has one node: set count to at least 2, a node may fail"),
        (stack.worker_pool.min < 2, "workerPool", "may have one node: set min to at least 2, a node may fail"),
        (bool(database and database.nodes < 2), "database", "has one node: set nodes to 3, a node may fail"),
        (bool(search and search.nodes < 3), "search", "has too few nodes: set nodes to 3, a node may fail"),
        (not stack.domain, "domain", "is missing: without it there is no TLS, and keys would travel in the clear"),
        (
            not stack.locked_bucket_at,
            "lockedBucketAt",
            "is missing: make a bucket that keeps what is put there, as docs/deploy.md says, and set it to its host",
        ),
        (not stack.protect, "protect", "is false: set it to true, prod holds data"),
    )
    return ((setting, f"sspp:{setting} {fault}") for is_so, setting, fault in refused if is_so)
