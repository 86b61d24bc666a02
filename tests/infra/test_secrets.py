"""`make secrets`: every Secret the dev overlay names, with every key, and passwords that agree."""

from __future__ import annotations

import itertools
from importlib.util import module_from_spec, spec_from_file_location
from urllib.parse import urlsplit

import pytest
import yaml

from tests.infra import rules, schemas
from tests.infra.manifests import ROOT, Object, objects, pods

_spec = spec_from_file_location("dev_secrets", ROOT / "knative" / "dev_secrets.py")
assert _spec is not None
assert _spec.loader is not None
dev_secrets = module_from_spec(_spec)
_spec.loader.exec_module(dev_secrets)


def drawn(prefix: str = "p") -> object:
    numbers = itertools.count()
    return lambda: f"{prefix}{next(numbers)}"


def referenced(found: list[Object]) -> set[tuple[str, str]]:
    """Every (Secret, key) that pods and KEDA read."""
    keys = set()
    for pod in pods(found):
        entries = [entry for container in pod.containers for entry in container.get("env", [])]
        references = [entry["valueFrom"]["secretKeyRef"] for entry in entries if "valueFrom" in entry]
        keys |= {(each["name"], each["key"]) for each in references}
        for volume in pod.spec.get("volumes", []):
            if "secret" in volume:
                keys |= {(volume["secret"]["secretName"], item["key"]) for item in volume["secret"]["items"]}
    for each in found:
        if each["kind"] == "TriggerAuthentication":
            keys |= {(target["name"], target["key"]) for target in each["spec"]["secretTargetRef"]}
    return keys


def test_every_secret_the_dev_overlay_names_is_made():
    made = dev_secrets.fresh(drawn())
    assert referenced(objects("dev")) == {(name, key) for name, data in made.items() for key in data}


@pytest.mark.parametrize("stack", ["staging", "prod"])
def test_other_stacks_name_nothing_that_is_not_promised(stack):
    promised = {(name, key) for name, keys in rules.SECRETS.items() for key in keys}
    assert referenced(objects(stack)) <= promised


def test_urls_carry_the_passwords_their_servers_get():
    made = dev_secrets.fresh(drawn())
    redis, database = urlsplit(made["sspp-redis"]["REDIS_URL"]), urlsplit(made["sspp-database"]["DATABASE_URL"])
    assert (redis.username, redis.password) == ("app", made["sspp-redis"]["app-password"])
    assert database.password == made["sspp-database"]["password"]
    services = {each["metadata"]["name"] for each in objects("dev") if each["kind"] == "Service"}
    assert {redis.hostname, database.hostname, urlsplit(made["sspp-smtp"]["SSPP_SMTP_URL"]).hostname} <= services


def test_passwords_are_kept_when_the_file_is_written_again():
    first = dev_secrets.fresh(drawn("first"))
    again = dev_secrets.kept(dev_secrets.document(first), dev_secrets.fresh(drawn("second")))
    assert again == first


def test_a_password_that_is_new_is_added_to_an_old_file():
    old = {name: dict(data) for name, data in dev_secrets.fresh(drawn("first")).items()}
    del old["sspp-redis"]["backup-password"]
    again = dev_secrets.kept(dev_secrets.document(old), dev_secrets.fresh(drawn("second")))
    assert again["sspp-redis"].pop("backup-password").startswith("second")
    assert again == old


def test_the_file_is_private_and_ignored_and_what_kubectl_takes(tmp_path, monkeypatch):
    monkeypatch.setattr(dev_secrets, "TARGET", tmp_path / "secrets.yaml")
    monkeypatch.chdir(tmp_path)
    dev_secrets.main()
    assert (tmp_path / "secrets.yaml").stat().st_mode & 0o777 == 0o600
    found = list(yaml.safe_load_all((tmp_path / "secrets.yaml").read_text("utf-8")))
    assert [schemas.fault(each) for each in found] == [""] * len(found)
    assert len({value for each in found[1:] for value in each["stringData"].values()}) >= 8
    assert "knative/overlays/*/secrets.yaml" in (ROOT / ".gitignore").read_text("utf-8").splitlines()
