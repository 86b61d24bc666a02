"""The Pulumi program, run under mocks in a process of the tests' own: what it registers, and with which options.

The cluster's Kubernetes API is a real HTTPS server, so that the readiness gate does here what it does there.
"""

from __future__ import annotations

import asyncio
import base64
import json
import runpy
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pulumi.runtime import mocks, settings
from typing_extensions import override

import pulumi

PROGRAM = Path(__file__).parents[2] / "pulumi"
SECRETS = {
    "linode:token": "linode-token",
    "sspp:seed": "s" * 64,
    "sspp:smtpUrl": "smtps://user:smtp-password@mail.example.com:465",
    "sspp:dnsToken": "dns-token",
}
#: What whoever deploys must say beyond the committed files.
DEPLOYER = {
    "staging": {"sspp:repository": "https://git.example.com/sspp.git"},
    "prod": {
        "sspp:repository": "https://git.example.com/sspp.git",
        "sspp:controlPlaneAcl": '["203.0.113.7/32", "2001:db8::/48"]',
        "sspp:domain": "sspp.example.com",
        "sspp:email": "ops@example.com",
    },
}
CA = base64.b64encode(b"-----BEGIN CERTIFICATE-----\nZm9v??>>\n-----END CERTIFICATE-----\n").decode("ascii")


@dataclass(frozen=True)
class Registered:
    """One resource as the program asked for it."""

    type: str
    name: str
    inputs: Mapping[str, Any]
    provider: str
    parent: str
    protect: bool
    ignore_changes: tuple[str, ...]
    depends_on: tuple[str, ...]
    secret_outputs: tuple[str, ...]
    custom: bool

    @property
    def spec(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.inputs["spec"]
        return found


@dataclass
class Run:
    """What came of one run."""

    resources: list[Registered] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)
    calls: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    error: BaseException | None = None

    def of(self, kind: str) -> list[Registered]:
        """Every resource whose type ends with ``kind``."""
        return [one for one in self.resources if one.type.endswith(kind)]

    def one(self, kind: str, name: str | None = None) -> Registered:
        """The only one, or the only one called ``name`` in the program or in the cluster."""
        found = [
            one for one in self.of(kind) if name in {None, one.name, (one.inputs.get("metadata") or {}).get("name")}
        ]
        assert len(found) == 1, [one.name for one in found]
        return found[0]


class Cloud(mocks.Mocks):
    """Answers as Linode and Kubernetes would; ``unknown`` leaves out what only they know."""

    def __init__(self, run: Run, kubeconfig: str, offered: list[str], unknown: bool) -> None:
        self.run, self.kubeconfig, self.offered, self.unknown = run, kubeconfig, offered, unknown

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        known = {} if self.unknown else self._computed(args.typ.rpartition(":")[2])
        numbered = args.typ.startswith("linode:")
        identity = "" if self.unknown and numbered else "4711" if numbered else f"{args.name}-id"
        return identity, {**args.inputs, **known}

    def _computed(self, kind: str) -> dict[str, Any]:
        return {
            "LkeCluster": {"kubeconfig": base64.b64encode(self.kubeconfig.encode()).decode("ascii")},
            "ObjectStorageBucket": {"s3Endpoint": "us-ord-1.linodeobjects.com"},
            "ObjectStorageKey": {"accessKey": "access", "secretKey": "secret"},
            "DatabasePostgresqlV2": {
                "hostPrimary": "db.example.net",
                "port": 12345,
                "rootUsername": "akmadmin",
                "rootPassword": "p/w@d",
                "caCert": CA,
            },
        }.get(kind, {})

    def call(self, args: mocks.MockCallArgs) -> dict[str, Any]:
        self.run.calls.append((args.token, args.args))
        if args.token == "linode:index/getLkeVersions:getLkeVersions":
            return {"id": "versions", "versions": [{"id": version, "tier": "standard"} for version in self.offered]}
        return {}


class Monitor(mocks.MockMonitor):
    """Writes down what the mocks are not told of: the options."""

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.run = cloud.run

    @override
    def RegisterResource(self, request: Any) -> Any:
        answer = super().RegisterResource(request)
        if request.type != "pulumi:pulumi:Stack":
            inputs = pulumi.runtime.rpc.deserialize_properties(request.object)
            self.run.resources.append(
                Registered(
                    type=request.type,
                    name=request.name,
                    inputs=inputs,
                    provider=request.provider or next(iter(request.providers.values()), ""),
                    parent=request.parent,
                    protect=request.protect,
                    ignore_changes=tuple(request.ignoreChanges),
                    depends_on=tuple(urn.rpartition("::")[2] for urn in request.dependencies),
                    secret_outputs=tuple(request.additionalSecretOutputs),
                    custom=request.custom,
                )
            )
        return answer

    @override
    def RegisterResourceOutputs(self, request: Any) -> Any:
        if request.urn.endswith("pulumi:pulumi:Stack::sspp-" + pulumi.get_stack()):
            self.run.outputs = pulumi.runtime.rpc.deserialize_properties(request.outputs)
        return super().RegisterResourceOutputs(request)


def configuration(stack: str, **changes: str | None) -> dict[str, str]:
    """The committed file of a stack, what its deployer adds, and ``changes`` (None removes)."""
    committed = yaml.safe_load((PROGRAM / f"Pulumi.{stack}.yaml").read_text("utf-8"))["config"]
    told = {
        key: value if isinstance(value, str) else json.dumps(value)
        for key, value in committed.items()
        if not key.startswith("pulumi:")
    }
    told |= SECRETS | DEPLOYER.get(stack, {})
    for name, value in changes.items():
        key = name.replace("__", ":") if "__" in name else f"sspp:{name}"
        told[key] = value or ""
    return {key: value for key, value in told.items() if value}


@contextmanager
def on_path() -> Iterator[None]:
    """The program's folder first on the path, as the engine has it."""
    sys.path.insert(0, str(PROGRAM))
    try:
        yield
    finally:
        sys.path.remove(str(PROGRAM))


def run(
    stack: str,
    told: Mapping[str, str],
    kubeconfig: str = "",
    *,
    preview: bool = False,
    unknown: bool = False,
    offered: tuple[str, ...] = ("1.33", "1.34", "1.35"),
) -> Run:
    """Run the whole program as ``pulumi up`` (or ``preview``) does, against mocks."""
    done = Run()
    cloud = Cloud(done, kubeconfig, list(offered), unknown)

    def program() -> None:
        runpy.run_path(str(PROGRAM / "__main__.py"), run_name="__main__")

    def engine() -> None:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        pulumi.runtime.set_all_config(dict(told))
        settings.ROOT.set(None)
        mocks.set_mocks(cloud, project="sspp", stack=stack, preview=preview, monitor=Monitor(cloud))
        settings.ROOT.set(None)  # the program's own stack takes the place of the mocks'
        try:
            with on_path():
                loop.run_until_complete(pulumi.runtime.run_in_stack(program))
        except Exception as exc:  # noqa: BLE001 - what the program is refused with is what tests look at
            done.error = exc
        finally:
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()
            asyncio.set_event_loop(None)

    copy_context().run(engine)
    return done
