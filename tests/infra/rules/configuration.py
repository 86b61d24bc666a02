"""Settings and Secrets: each part gets what it needs, and of secret values nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator

from events.settings import FUNCTIONS, LOGINS, NAMES, PARTS
from events.subscription import SUBSCRIPTIONS
from tests.infra.manifests import (
    Object,
    environment,
    named,
    of_kind,
    ours,
    pods,
)
from tests.servers.redis_server import DEPLOYED_USERS

#: Settings no manifest names, and why.
LOCAL_ONLY = {
    "SSPP_HOME": "where `make run` keeps its state",
    "INGEST_PORT": "where `make run` puts the front door",
    "API_PORT": "where `make run` puts the API",
    "SSPP_FAILPOINTS": "tests kill processes with it",
    "PORT": "Knative sets it for functions; the dispatchers' default is what their probes ask",
}
#: Settings that only stacks with an Elasticsearch name.
SOME_STACKS = {"ELASTICSEARCH_URL"}
#: Component -> the user of Redis it is.
REDIS_USER_OF = {
    "ingest": "ingest",
    "api": "api",
    **{f"dispatcher-{channel}": "dispatcher" for channel in SUBSCRIPTIONS},
    "migrate": "operator",
    "tick": "operator",
}
#: Secret -> its keys, as docs/manifests.md promises them to whoever makes Secrets.
SECRETS = {
    "sspp-redis": {*REDIS_USER_OF.values(), *(f"{user}-password" for user in DEPLOYED_USERS)},
    "sspp-database": {"DATABASE_URL", "password"},
    "sspp-logins": {*LOGINS, "logins"},
    "sspp-elasticsearch": {"ELASTICSEARCH_URL"},
    "sspp-delivery": {"SSPP_DELIVERY_TOKEN"},
    "sspp-operator": {"SSPP_OPERATOR_KEY"},
    "sspp-smtp": {"SSPP_SMTP_URL"},
}


def settings_and_manifests_agree(found: list[Object]) -> Iterator[str]:
    """Every setting of ours is one that events/settings.py knows, and every one it knows is set somewhere."""
    named_here: set[str] = set()
    for pod, container in ours(found):
        settings = environment(found, container).keys()
        named_here |= settings
        for name in sorted(settings - NAMES.keys()):
            yield f"{named(pod.owner)}: events/settings.py knows no {name}"
    for name in sorted(NAMES.keys() - named_here - LOCAL_ONLY.keys() - SOME_STACKS):
        yield f"no manifest sets {name}"
    for name in sorted(named_here & LOCAL_ONLY.keys()):
        yield f"{name} is local only: {LOCAL_ONLY[name]}"


def parts_get_what_they_need(found: list[Object]) -> Iterator[str]:
    """Each part has its required settings, and of the secret ones nothing else."""
    for pod, container in ours(found):
        part = container["command"][-1] if pod.component in FUNCTIONS else pod.component.partition("-")[0]
        if part not in PARTS or "--schema" in container["command"]:
            continue
        settings = environment(found, container)
        for name in PARTS[part].required:
            if name not in settings:
                yield f"{named(pod.owner)}: {name} is required"
        secret = {name for name, field in NAMES.items() if not field.repr}
        for name in sorted(secret & settings.keys() - PARTS[part].names().keys()):
            yield f"{named(pod.owner)}: {name} is a secret that {part} does not use"


def secrets_are_known(found: list[Object]) -> Iterator[str]:
    """Values come from Secrets we promise, and no Secret is among the manifests."""
    if of_kind(found, ("v1", "Secret")):
        yield "a Secret is among the manifests"
    for pod in pods(found):
        for container in pod.containers:
            for entry in container.get("env", []):
                reference = entry.get("valueFrom", {}).get("secretKeyRef", {})
                if reference and reference["key"] not in SECRETS.get(reference["name"], ()):
                    yield f"{named(pod.owner)}: there is no {reference['key']} in a Secret {reference['name']}"
                if "value" in entry and re.search(
                    r"PASSWORD$|TOKEN|_KEY|://[^/]*@", f"{entry['name']}={entry['value']}"
                ):
                    yield f"{named(pod.owner)}: {entry['name']} is written down"
