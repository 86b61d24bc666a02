"""The Secrets that the manifests name; every password is derived from one seed."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping

from stack import Stack

#: Redis inside the cluster, as knative/base calls it.
REDIS_HOST = "sspp-redis:6379"
#: The users of Redis that have a URL, and those that others log in as. Source: knative/base/redis/users.sh.
REDIS_USERS, REDIS_OTHERS = ("ingest", "dispatcher", "api", "operator"), ("keda", "exporter", "backup")
#: User -> the end of its URL of a Redis Cluster; the front door waits until a replica has an event (docs/scale.md).
CLUSTER = dict.fromkeys(REDIS_USERS, "?cluster=true") | dict.fromkeys(("ingest", "api"), "?cluster=true&replicas=1")
#: The parts that log in to PostgreSQL as themselves. Source: events/settings.py.
LOGINS = ("api", "process", "index", "notify", "tick")


def derived(seed: str, purpose: str) -> str:
    """Return a secret of 256 bits for one purpose; it depends on the seed and the purpose alone."""
    digest = hmac.digest(seed.encode(), f"sspp/{purpose}".encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(digest).decode("ascii").rstrip("=")


def from_seed(stack: Stack) -> dict[str, Mapping[str, str]]:
    """Return the Secrets that depend on the configuration alone: name -> key -> value."""
    seed = stack.seed.get_secret_value()
    redis = {user: derived(seed, f"redis/{user}") for user in (*REDIS_USERS, *REDIS_OTHERS)}
    options = CLUSTER if stack.redis == "cluster" else dict.fromkeys(REDIS_USERS, "")
    return {
        "sspp-redis": {
            **{user: f"redis://{user}:{redis[user]}@{REDIS_HOST}/0{options[user]}" for user in REDIS_USERS},
            **{f"{user}-password": password for user, password in redis.items()},
            "REDIS_BACKUP_URL": f"redis://backup:{redis['backup']}@{REDIS_HOST}/0",
        },
        "sspp-delivery": {"SSPP_DELIVERY_TOKEN": derived(seed, "delivery")},
        "sspp-operator": {"SSPP_OPERATOR_KEY": derived(seed, "operator")},
        "sspp-smtp": {"SSPP_SMTP_URL": stack.smtp_url.get_secret_value()},
    }


def database_in_cluster(seed: str) -> Mapping[str, str]:
    """Return the Secret of dev's own PostgreSQL."""
    password = derived(seed, "postgres")
    url = f"postgresql://sspp:{password}@sspp-postgres:5432/sspp?sslmode=disable"
    return {"DATABASE_URL": url, "password": password}


def logins(seed: str, owner_url: str) -> Mapping[str, str]:
    """Return the Secret of the parts' logins to the PostgreSQL of ``owner_url``: a URL each, and all passwords."""
    passwords = {part: derived(seed, f"postgres/{part}") for part in LOGINS}
    # A password is quoted, so the first @ ends the login.
    server = owner_url.partition("@")[2]
    urls = {part: f"postgresql://sspp_{part}:{password}@{server}" for part, password in passwords.items()}
    return {**urls, "logins": ",".join(f"{part}:{password}" for part, password in passwords.items())}
