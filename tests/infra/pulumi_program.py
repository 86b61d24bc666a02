"""The Pulumi program, run whole under mocks: what it registers, and with which options.

Each run is a process of its own, as with the engine: the SDK keeps threads, event loops and its settings for as long
as its process lives. ``python -m tests.infra.pulumi_program`` loads the SDKs once and forks one for each run.
"""

from __future__ import annotations

import asyncio
import atexit
import base64
import importlib
import itertools
import json
import os
import runpy
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any, NoReturn

import grpc
import yaml
from pulumi.output import Unknown
from pulumi.runtime import mocks, rpc, settings
from typing_extensions import override

import pulumi
from tests.infra import pulumi_linode_api, pulumi_registry

PROGRAM = Path(__file__).parents[2] / "pulumi"
SECRETS = {
    "linode:token": pulumi_linode_api.TOKEN,
    "sspp:seed": "s" * 64,
    "sspp:smtpUrl": "smtps://user:smtp-password@mail.example.com:465",
    "sspp:dnsToken": "dns-token",
}
#: What whoever deploys must say beyond the committed files.
COMMON = {
    "sspp:bucket": "sspp-backups-of-the-tests",
    "sspp:image": "registry.example.com/sspp:0.1.0",
    "sspp:backupCertificate": (Path(__file__).parent / "pulumi_backup.crt").read_text("utf-8"),
}
DEPLOYER = {
    "staging": {"sspp:repository": "https://git.example.com/sspp.git"},
    "prod": {
        "sspp:repository": "https://git.example.com/sspp.git",
        "sspp:controlPlaneAcl": '["203.0.113.7/32", "2001:db8::/48"]',
        "sspp:domain": "sspp.example.com",
        "sspp:email": "ops@example.com",
        "sspp:lockedBucketAt": "us-ord-1.linodeobjects.com",
    },
}
#: What Linode's API sends as `ca_certificate`. Its Go client reads it into a []byte, which decodes base64, and the
#: provider returns that as text. Source: linodego, type PostgresDatabaseSSL; terraform-provider-linode, `ca_cert`.
CA_OF_THE_API = base64.b64encode(b"-----BEGIN CERTIFICATE-----\nZm9v??>>\n-----END CERTIFICATE-----\n")
CA = base64.b64decode(CA_OF_THE_API).decode("ascii")


@dataclass(frozen=True)
class Registered:
    """One resource as the program asked for it."""

    type: str
    name: str
    inputs: Mapping[str, Any]
    provider: str
    protect: bool
    retain: bool
    deleted_with: str
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
    refused: str = ""
    crashed: str = ""
    warnings: list[str] = field(default_factory=list)
    admitted: list[list[str]] = field(default_factory=list)

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


class Refusing(grpc.RpcError):  # type: ignore[misc] # it has no type information
    """What a provider's refusal is to the SDK."""

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNKNOWN

    def details(self) -> str:
        return str(self)


class Cloud(mocks.Mocks):
    """Answers as Linode and Kubernetes would; ``unknown`` leaves out what only they know."""

    def __init__(self, run: Run, scenario: Mapping[str, Any]) -> None:
        self.run, self.kubeconfig, self.offered = run, scenario["kubeconfig"], scenario["offered"]
        self.unknown, self.here, self.says = scenario["unknown"], scenario["here"], scenario["linode_says"]

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        known = {} if self.unknown else self._computed(args.typ.rpartition(":")[2])
        numbered = args.typ.startswith("linode:")
        identity = "" if self.unknown and numbered else "4711" if numbered else f"{args.name}-id"
        return identity, {**args.inputs, **known}

    def _computed(self, kind: str) -> dict[str, Any]:
        known: dict[str, dict[str, Any]] = {
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
        }
        return known.get(kind, {})

    def call(self, args: mocks.MockCallArgs) -> Any:
        self.run.calls.append((args.token, args.args))
        if self.says:
            raise Refusing(self.says)
        if args.token == "linode:index/getLkeVersions:getLkeVersions":
            return {"id": "versions", "versions": [{"id": version, "tier": "standard"} for version in self.offered]}
        if args.token == "linode:index/getLkeClusters:getLkeClusters":
            return {"id": "clusters", "lkeClusters": self.here}
        if args.token == "linode:index/getDomain:getDomain":
            return {"id": 815, "domain": args.args["domain"]}
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
            self.run.resources.append(
                Registered(
                    type=request.type,
                    name=request.name,
                    inputs=plain(rpc.deserialize_properties(request.object)),
                    provider=request.provider or next(iter(request.providers.values()), ""),
                    protect=request.protect,
                    retain=request.retainOnDelete,
                    deleted_with=request.deletedWith.rpartition("::")[2],
                    ignore_changes=tuple(request.ignoreChanges),
                    depends_on=tuple(urn.rpartition("::")[2] for urn in request.dependencies),
                    secret_outputs=tuple(request.additionalSecretOutputs),
                    custom=request.custom,
                )
            )
        return answer

    @override
    def RegisterResourceOutputs(self, request: Any) -> Any:
        if "pulumi:pulumi:Stack::" in request.urn:
            self.run.outputs = plain(rpc.deserialize_properties(request.outputs))
        return super().RegisterResourceOutputs(request)


def plain(value: Any) -> Any:
    """``value`` as JSON: what is not known as ``{"$unknown": true}``, secrets as ``{"$secret": ...}``."""
    if isinstance(value, Unknown):
        return {"$unknown": True}
    if isinstance(value, dict):
        if rpc._special_sig_key in value:
            return {"$secret": plain(value["value"])}
        return {key: plain(inner) for key, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list) else value


def opened(value: Any) -> Any:
    """``value`` with its secrets laid open."""
    if isinstance(value, dict):
        if "$secret" in value:
            return opened(value["$secret"])
        return {key: opened(inner) for key, inner in value.items()}
    return [opened(inner) for inner in value] if isinstance(value, list) else value


def whole(value: Any) -> Any:
    """Whole numbers as such: on their way through the engine all numbers become floating."""
    if isinstance(value, dict):
        return {key: whole(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [whole(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def configuration(stack: str, **changes: str | None) -> dict[str, str]:
    """The committed file of a stack, what its deployer adds, and ``changes`` (None removes)."""
    committed = yaml.safe_load((PROGRAM / f"Pulumi.{stack}.yaml").read_text("utf-8"))["config"]
    told = {
        key: value if isinstance(value, str) else json.dumps(value)
        for key, value in committed.items()
        if not key.startswith("pulumi:")
    }
    told |= SECRETS | COMMON | DEPLOYER.get(stack, {})
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
    here: Sequence[Mapping[str, Any]] = (),
    linode_says: str = "",
    scopes: str | None = "*",
) -> Run:
    """Run the whole program as ``pulumi up`` (or ``preview``) does, against mocks.

    Args:
        kubeconfig: of the cluster Linode is taken to have made.
        unknown: the cloud has made nothing yet, so what only it knows is not known.
        offered: the versions of Kubernetes LKE has.
        here: the clusters of the stack that Linode lists.
        linode_says: what every question to Linode ends with; empty where it answers.
        scopes: what Linode says the token may; None where it does not say.
    """
    scenario = {
        "stack": stack,
        "told": dict(told),
        "kubeconfig": kubeconfig,
        "preview": preview,
        "unknown": unknown,
        "offered": offered,
        "here": list(here),
        "linode_says": linode_says,
        "scopes": scopes,
    }
    stdin, stdout = _engine()
    stdin.write(json.dumps(scenario) + "\n")
    stdin.flush()
    found = json.loads(stdout.readline())
    resources: list[dict[str, Any]] = [
        {key: tuple(value) if isinstance(value, list) else value for key, value in one.items()}
        for one in found.pop("resources")
    ]
    return Run(resources=[Registered(**one) for one in resources], **found)


@cache
def _engine() -> tuple[IO[str], IO[str]]:
    """The process that has the SDKs loaded and forks one for each run."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PULUMI_", "LINODE_"))}
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "tests.infra.pulumi_program"],
        cwd=PROGRAM.parent,
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    assert process.stdout
    atexit.register(process.communicate)  # it ends with its input
    return process.stdin, process.stdout


def serve() -> None:
    """Run each scenario of the standard input, a line, in a process of its own; it answers with a line."""
    with on_path():
        importlib.import_module("program")
    for line in sys.stdin:
        child = os.fork()
        if not child:
            perform(json.loads(line))
        _, status = os.waitpid(child, 0)
        if status:
            answer(Run(crashed=f"the process ended with {status}"))


def perform(scenario: Mapping[str, Any]) -> NoReturn:
    """Run one scenario; what it waits for looks every 0.1 s, and a minute passes with each look."""
    done, serving = Run(), ExitStack()
    cloud = Cloud(done, scenario)
    pulumi.log.warn = lambda text, *_, **__: done.warnings.append(text)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    linode = serving.enter_context(pulumi_linode_api.running(pulumi_linode_api.Api(scopes=scenario["scopes"])))
    # The registry that the tests name is nobody's.
    sys.modules["registry"].HOSTS["registry.example.com"] = serving.enter_context(pulumi_registry.running())
    pulumi.runtime.set_all_config({"linode:url": linode.url, **scenario["told"]})
    mocks.set_mocks(
        cloud, project="sspp", stack=scenario["stack"], preview=scenario["preview"], monitor=Monitor(cloud)
    )
    settings.ROOT.set(None)  # the program's own stack takes the place of the mocks'
    readiness: Any = sys.modules["readiness"]
    ticks = itertools.count(step=60)
    # A clock of its own: on Python's, every thread that waits for anything would make it a minute later, too.
    readiness.POLL_S, readiness.time = 0.1, SimpleNamespace(monotonic=lambda: float(next(ticks)))
    try:
        with on_path():
            loop.run_until_complete(pulumi.runtime.run_in_stack(program))
    except pulumi.RunError as exc:
        done.refused = str(exc)
    except Exception as exc:  # noqa: BLE001 - tests look at it
        done.crashed = repr(exc)
    serving.close()
    done.admitted = linode.puts
    answer(done)
    os._exit(0)  # the SDK's threads have nothing more to say


def answer(done: Run) -> None:
    """Tell the test what came of it."""
    sys.stdout.write(json.dumps(asdict(done)) + "\n")
    sys.stdout.flush()


def program() -> None:
    """What the engine runs."""
    runpy.run_path(str(PROGRAM / "__main__.py"), run_name="__main__")


if __name__ == "__main__":
    serve()
