"""Whom each part may call and who lets it in, in every stack: as rendered, and as the Pulumi program applies it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from tests.infra import manifests, network, pulumi_program
from tests.infra.manifests import Object, objects, pods
from tests.infra.pulumi_kubernetes_api import Api
from tests.infra.pulumi_program import PROGRAM, Run, configuration, opened, whole

DISPATCHERS = ("dispatcher-events", "dispatcher-signals", "dispatcher-notices")
#: Any address, but none where clouds keep what a node may know.
ANYWHERE = "0.0.0.0/0 not 169.254.0.0/16"
#: No address of a cluster's or an office's own.
INTERNET = "0.0.0.0/0 not 10.0.0.0/8 not 100.64.0.0/10 not 169.254.0.0/16 not 172.16.0.0/12 not 192.168.0.0/16"
NAMES, REDIS, GATEWAY = "names", "redis 6379", "gateway 8081"


def table(postgres: str, mail: set[str], search: set[str]) -> Mapping[str, set[str]]:
    """Part -> whom it may call, and nobody else."""
    return {
        "ingest": {NAMES, REDIS, GATEWAY},
        **{dispatcher: {NAMES, REDIS, GATEWAY} for dispatcher in DISPATCHERS},
        "process": {NAMES, postgres},
        "index": {NAMES, postgres, *search},
        "notify": {NAMES, postgres, *mail},
        "api": {NAMES, postgres, REDIS, GATEWAY, *search},
        "migrate": {NAMES, postgres, REDIS},
        "tick": {NAMES, postgres, REDIS},
        "redis": set(),
    }


_DEV = table("postgres 5432", {f"{ANYWHERE} 25,465,587,2525", "mailbox 1025"}, set())
DEV: Mapping[str, set[str]] = {
    **{part: calls for part, calls in _DEV.items() if part not in {"index", "dispatcher-signals"}},
    "postgres": set(),
    "mailbox": set(),
    # The API server's address and port are the cluster's own.
    "passwords": {NAMES, "0.0.0.0/0"},
}
OUTSIDE = table(
    f"{ANYWHERE} 5432",
    {f"{ANYWHERE} 25,465,587,2525"},
    {"elasticsearch 9200", f"{ANYWHERE} 9200,9243,443"},
)
RENDERED = {"dev": DEV, "staging": OUTSIDE, "prod": OUTSIDE}

#: The mail server's port is that of smtpUrl. Redis and PostgreSQL are backed up, what is theirs is in the bucket.
MAIL, BUCKET = f"{INTERNET} 465", f"{INTERNET} 443"
MANAGED: Mapping[str, set[str]] = {
    **table("database 5432", {MAIL}, {"elasticsearch 9200"}),
    "backup": {NAMES, REDIS, "database 5432", "postgres 6379,5432", "redis 6379,5432", BUCKET},
    "database": {NAMES, f"{INTERNET} 12345"},
    "elasticsearch": {NAMES, "elasticsearch 9300"},
}
PULUMI: Mapping[str, Mapping[str, set[str]]] = {
    "dev": {
        **DEV,
        "notify": {NAMES, "postgres 5432", MAIL, "mailbox 1025"},
        "backup": {NAMES, REDIS, "postgres 6379,5432", "redis 6379,5432", BUCKET},
    },
    "staging": MANAGED,
    "prod": MANAGED,
}


def directly(stack: str, cluster: Api, **told: str) -> tuple[Run, Path]:
    """A run that delivers the overlay itself, and the folder of what it applies."""
    given = configuration(stack, delivery="direct", repository=None)
    run = pulumi_program.run(stack, given | told, cluster.kubeconfig)
    assert (run.refused, run.crashed) == ("", "")
    return run, (PROGRAM.parent / run.one("kustomize/v2:Directory").inputs["directory"]).resolve()


def applied(stack: str, cluster: Api, **told: str) -> list[Object]:
    """What the program applies: the overlay as it narrows it, and objects of its own."""
    run, folder = directly(stack, cluster, **told)
    return [*yaml.safe_load_all(manifests.kustomized(folder)), *own(run)]


@pytest.fixture(scope="module")
def stacks(cluster: Api) -> Mapping[str, list[Object]]:
    return {stack: applied(stack, cluster) for stack in PULUMI}


def own(run: Run) -> list[Object]:
    """The program's own NetworkPolicies and what has pods."""
    kinds = ("NetworkPolicy", "Deployment", "CronJob")
    return [whole(opened(one.inputs)) for kind in kinds for one in run.of(f":{kind}") if "apiVersion" in one.inputs]


def everybody(found: list[Object]) -> set[str]:
    return {pod.component for pod in pods(found)}


@pytest.mark.parametrize("stack", RENDERED)
def test_each_part_may_call_whom_it_needs_and_nobody_else(stack):
    found = objects(stack)
    assert {part: network.calls(found, part) for part in everybody(found)} == RENDERED[stack]


@pytest.mark.parametrize("stack", PULUMI)
def test_what_pulumi_knows_the_address_of_is_the_only_one_that_is_called(stack, stacks):
    found = stacks[stack]
    there = {part: network.calls(found, part) for part in everybody(found) | PULUMI[stack].keys()}
    assert there == PULUMI[stack]


@pytest.mark.parametrize("stack", PULUMI)
def test_whoever_is_called_lets_in_who_may_call(stack, stacks):
    found = stacks[stack]
    calls = [
        (caller, *called.split(" "))
        for caller, callees in PULUMI[stack].items()
        for called in callees - {NAMES, GATEWAY}
        if "/" not in called and not called.startswith("postgres 6379") and not called.startswith("redis 6379,")
    ]
    assert len(calls) > 10
    assert [call for call in calls if not network.lets_in(found, call[1], call[0], int(call[2]))] == []


@pytest.mark.parametrize(
    ("url", "mail"),
    [
        ("smtp://mail.example.com", f"{INTERNET} 25"),
        ("smtps://user:password@mail.example.com", f"{INTERNET} 465"),
        ("smtp://10.1.2.3:2525", "10.1.2.3/32 2525"),
        ("smtp://[2001:db8::25]:587", "2001:db8::25/128 587"),
    ],
)
def test_mail_goes_to_the_port_and_where_it_is_one_to_the_address_of_the_url(url, mail, cluster):
    assert network.calls(applied("prod", cluster, **{"sspp:smtpUrl": url}), "notify") == {NAMES, "database 5432", mail}


def test_a_database_in_the_vpc_is_looked_for_nowhere_else(cluster):
    told = {"sspp:tier": "enterprise", "linode:apiVersion": "v4beta"}
    assert network.calls(applied("prod", cluster, **told), "database") == {NAMES, "10.40.0.0/16 12345"}


def test_argo_cd_narrows_the_overlay_as_the_program_does(cluster):
    run = pulumi_program.run("prod", configuration("prod"), cluster.kubeconfig)
    source = opened(run.one("Application").spec)["source"]
    narrowed = {each["target"]["name"] for each in source["kustomize"]["patches"]}
    assert narrowed == {"mail", "to-postgres", "to-elasticsearch"}
    _, folder = directly("prod", cluster)
    patches = yaml.safe_load((folder / "kustomization.yaml").read_text("utf-8"))["patches"]
    same = [each for each in patches if each.get("target", {}).get("name") in narrowed]
    assert same == source["kustomize"]["patches"]
