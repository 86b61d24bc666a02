"""What a stack may be told: everything wrong is refused at once, with what to change."""

from __future__ import annotations

import importlib
import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from tests.infra import pulumi_program
from tests.infra.pulumi_program import PROGRAM, SECRETS, configuration

STACKS = ("dev", "staging", "prod")


@pytest.fixture(scope="module")
def config() -> Iterator[ModuleType]:
    with pulumi_program.on_path():
        yield importlib.import_module("config")


@pytest.fixture(scope="module")
def versions(config: ModuleType) -> ModuleType:
    return importlib.import_module("versions")


def told(stack: str, **changes: str | None) -> dict[str, str]:
    """A stack's configuration under the names ``config.parse`` knows."""
    given = configuration(stack, **changes)
    return {"name": stack} | {key.partition(":")[2]: value for key, value in given.items()}


def refusal(config: ModuleType, stack: str, **changes: str | None) -> str:
    with pytest.raises(config.ConfigError) as caught:
        config.parse(told(stack, **changes))
    return str(caught.value)


def test_the_folder_of_the_program_does_not_hide_the_sdk() -> None:
    assert not (PROGRAM / "__init__.py").exists()
    spec = importlib.util.find_spec("pulumi")
    assert spec
    assert spec.origin
    assert "site-packages" in Path(spec.origin).parts


@pytest.mark.parametrize("stack", STACKS)
def test_the_committed_files_and_what_the_deployer_adds_are_enough(config: ModuleType, stack: str) -> None:
    parsed = config.parse(told(stack))
    assert parsed.label == f"sspp-{stack}"
    assert not any(secret in repr(parsed) for secret in SECRETS.values())


@pytest.mark.parametrize("stack", STACKS)
def test_nothing_lands_in_the_callers_own_cluster_or_account(stack: str) -> None:
    text = (PROGRAM / f"Pulumi.{stack}.yaml").read_text("utf-8")
    assert "pulumi:disable-default-providers: [kubernetes, linode]" in text


@pytest.mark.parametrize(
    ("stack", "changes", "says"),
    [
        ("dev", {"seed": None}, "sspp:seed is missing: pulumi config set --secret sspp:seed"),
        ("dev", {"seed": "short"}, "sspp:seed is shorter than 32 characters"),
        ("dev", {"smtpUrl": None}, "sspp:smtpUrl is missing: pulumi config set --secret sspp:smtpUrl"),
        ("dev", {"token": None, "linode__token": None}, "linode:token is missing"),
        ("dev", {"image": None}, "sspp:image is missing: pulumi config set sspp:image <registry/name:tag"),
        ("dev", {"bucket": None}, "sspp:bucket is missing: pulumi config set sspp:bucket"),
        ("dev", {"backupCertificate": None}, "sspp:backupCertificate is missing: openssl req -x509"),
        ("dev", {"backupCertificate": "-----BEGIN CERTIFICATE-----"}, "sspp:backupCertificate is wrong: it is no "
                                                                      "certificate in PEM"),
        ("dev", {"backupCertificate": "-----BEGIN PRIVATE KEY-----"}, "it holds a private key, which must not come"),
        ("dev", {"region": None}, "sspp:region is missing: pulumi config set sspp:region us-ord"),
        ("staging", {"repository": None}, "sspp:repository is missing"),
        ("staging", {"database": None}, "sspp:database is missing"),
        ("staging", {"search": None}, "sspp:search is missing"),
        ("prod", {"dnsToken": None}, "sspp:dnsToken is missing"),
        ("prod", {"email": None}, "sspp:email is missing"),
        ("dev", {"charts": '{"kedaa": "https://x.example"}'}, "sspp:charts.kedaa is no chart that is installed"),
        ("dev", {"charts": '{"keda": "x.example"}'}, "sspp:charts.keda is wrong"),
        ("dev", {"charts": '{"cert-manager-webhook-linode": "https://x.example"}'}, "must be the address of a .tgz"),
        # versions that do not go together
        ("dev", {"kubernetesVersion": "1.33"}, "Knative 1.23.0 needs Kubernetes 1.34 or newer, not 1.33"),
        ("dev", {"kubernetesVersion": "1.36"}, "KEDA 2.20.2 needs Kubernetes 1.33 to 1.35, not 1.36: set "
                                               "sspp:kubernetesVersion to 1.35"),
        ("dev", {"knativeVersion": "1.40.0"}, "Knative 1.40.0 is not known here: set sspp:knativeVersion"),
        ("dev", {"kedaVersion": "2.21.0"}, "KEDA 2.21.0 is not known here: set sspp:kedaVersion to a release of 2.20"),
        ("dev", {"tier": "enterprise"}, "set linode:apiVersion to v4beta"),
        # what prod may not do without
        ("prod", {"controlPlaneAcl": None}, "sspp:controlPlaneAcl is empty"),
        ("prod", {"controlPlaneAcl": '["203.0.113.7/32", "0.0.0.0/0"]'}, "sspp:controlPlaneAcl is open to the world"),
        ("prod", {"controlPlaneAcl": '["::/0"]'}, "sspp:controlPlaneAcl is open to the world"),
        ("prod", {"controlPlaneAcl": '["0.0.0.0/1", "128.0.0.0/1"]'}, "sspp:controlPlaneAcl is open to the world"),
        ("prod", {"highAvailability": "false"}, "sspp:highAvailability is false: set it to true"),
        ("prod", {"systemPool": '{"type": "g6-standard-2", "count": 1}'}, "sspp:systemPool has one node"),
        ("prod", {"workerPool": '{"type": "g6-standard-2", "min": 1, "max": 5}'}, "sspp:workerPool may have one node"),
        ("prod", {"database": '{"type": "g6-standard-1", "nodes": 1, "version": "17"}'}, "sspp:database has one node"),
        ("prod", {"search": '{"nodes": 1, "memory": 2, "storage": 20}'}, "sspp:search has too few nodes"),
        ("prod", {"domain": None}, "sspp:domain is missing: without it there is no TLS"),
        ("prod", {"lockedBucketAt": None}, "sspp:lockedBucketAt is missing: make a bucket that keeps what is put"),
        ("prod", {"protect": "false"}, "sspp:protect is false"),
        # a Redis Cluster
        ("dev", {"redis": "cluster"}, "sspp:redis is cluster, which dev has no overlay for: set it to single"),
        ("staging", {"redis": "cluster", "systemPool": '{"count": 1}'}, "its three primaries need three nodes: raise"),
        ("prod", {"redis": "both"}, "sspp:redis is wrong"),
        # what is not what it should be
        ("dev", {"workerPool": '{"type": "g6-standard-2", "min": 4, "max": 2}'}, "sspp:workerPool.min is above max"),
        ("dev", {"workerPool": '{"type": "large"}'}, "sspp:workerPool.type is wrong"),
        ("dev", {"workerPool": '{"kind": "g6-standard-2"}'}, "sspp:workerPool.kind is wrong"),
        ("dev", {"workerPool": "{"}, "sspp:workerPool is not valid JSON"),
        ("dev", {"controlPlaneAcl": '["203.0.113.7/24"]'}, "sspp:controlPlaneAcl.0 is wrong"),
        ("dev", {"protect": "maybe"}, "sspp:protect is wrong"),
        ("dev", {"image": "sspp"}, "sspp:image is wrong"),
        ("staging", {"database": '{"type": "g6-standard-1", "nodes": 1, "version": "18"}'}, "sspp:database.version"),
        ("staging", {"database": '{"type": "g6-standard-1", "nodes": 2, "version": "17"}'}, "need a dedicated"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_with_what_to_change(
    config: ModuleType, stack: str, changes: dict[str, str | None], says: str
) -> None:
    said = refusal(config, stack, **changes)
    assert says in said
    assert len(said.splitlines()) == 2, said  # this one fault and nothing else


def test_every_deployment_looks_at_what_is_there_first() -> None:
    project = yaml.safe_load((PROGRAM / "Pulumi.yaml").read_text("utf-8"))
    assert project["options"]["refresh"] == "always"


def test_a_version_may_be_a_number(config: ModuleType) -> None:
    given = told("staging", database='{"type": "g6-standard-1", "nodes": 1, "version": 16}')
    assert config.parse(given).database.version == "16"


def test_every_fault_is_named_at_once_and_no_secret_with_it(config: ModuleType) -> None:
    said = refusal(
        config, "prod", seed="hush", region=None, controlPlaneAcl=None, kubernetesVersion="1.33", workerPool="{}x"
    )
    for setting in ("sspp:seed", "sspp:region", "sspp:controlPlaneAcl", "sspp:kubernetesVersion", "sspp:workerPool"):
        assert setting in said
    assert "hush" not in said


def test_a_stack_of_another_name_is_refused(config: ModuleType) -> None:
    with pytest.raises(config.ConfigError, match="sspp:name is wrong: Input should be 'dev', 'staging' or 'prod'"):
        config.parse(told("dev") | {"name": "production"})


@pytest.mark.parametrize(
    ("offered", "says"),
    [
        (["1.33", "1.34"], "LKE offers Kubernetes 1.33, 1.34, not 1.35: set sspp:kubernetesVersion to 1.34"),
        (["1.33", "1.32"], "LKE offers Kubernetes 1.32, 1.33, not 1.35: none of them goes with the other versions"),
        ([], "LKE offers Kubernetes in no version, not 1.35"),
        (["1.35"], None),
    ],
)
def test_a_kubernetes_that_lke_does_not_offer_is_answered_with_the_newest_that_fits(
    versions: ModuleType, offered: list[str], says: str | None
) -> None:
    fault = versions.offer_fault("1.35", offered, "1.23.0", "2.20.2")
    assert (fault is None) if says is None else fault.startswith(says)


@pytest.mark.parametrize(
    ("kubernetes", "knative", "keda", "fits"),
    [
        ("1.34", "1.23.0", "2.20.2", True),
        ("1.35", "1.23.0", "2.20.2", True),
        ("1.35", "1.22.1", "2.20.0", True),
        ("1.33", "1.21.3", "2.20.2", True),
        ("1.33", "1.23.0", "2.20.2", False),
        ("1.36", "1.23.0", "2.20.2", False),
    ],
)
def test_the_table_of_versions(versions: ModuleType, kubernetes: str, knative: str, keda: str, fits: bool) -> None:
    assert (versions.faults(kubernetes, knative, keda) == []) is fits


@pytest.mark.parametrize(
    ("stack", "changes", "least", "most"),
    [
        # 24 + 24..48 + NodeBalancer 10 + bucket 5 + 20 GiB
        ("dev", {}, 65, 89),
        # 48 + 48..144 + 10 + 5 + 40 GiB + database 30
        ("staging", {}, 145, 241),
        # 108 + 96..384 + 10 + 5 + 170 GiB + control plane 60 + database 3 x 65
        ("prod", {}, 491, 779),
        ("dev", {"highAvailability": "true"}, 125, 149),
        ("dev", {"tier": "enterprise", "apiVersion": "v4beta"}, 365, 389),
    ],
)
def test_what_a_stack_costs_a_month(
    config: ModuleType, stack: str, changes: dict[str, str], least: float, most: float
) -> None:
    bill = importlib.import_module("cost").monthly(config.parse(told(stack) | changes))
    assert (bill["atLeast"], bill["atMost"]) == (least, most)
    json.dumps(bill)  # an output is JSON


def test_a_type_without_a_known_price_is_taken_and_its_cost_called_unknown(config: ModuleType) -> None:
    given = told("dev", workerPool='{"type": "premium-odd-2", "min": 1, "max": 2}')
    bill = importlib.import_module("cost").monthly(config.parse(given))
    line = "1 to 2 x premium-odd-2, worker nodes"
    assert (bill["atLeast"], bill["items"][line], bill["unknown"]) == (41, "unknown", [line])


def test_every_setting_is_explained_to_whoever_deploys(config: ModuleType) -> None:
    page = (PROGRAM.parent / "docs" / "deploy.md").read_text("utf-8")
    for name in set(config.names()) - {"name"}:
        assert f"`{config.PROVIDERS.get(name, name)}`" in page, name
