"""Scheduled backups of PostgreSQL and Redis into the bucket, and Jobs that bring them back.

The scripts beside this module are what runs, in a ConfigMap; tests rehearse the same files.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import egress
import objects
import versions
from objects import CONFINED, Object
from stack import Stack

import pulumi

SCRIPTS = Path(__file__).parent
#: The Jobs' own volume: the data as files, and the same encrypted.
PLAIN, SEALED = "/backup/plain", "/backup/sealed"
#: Secret -> the keys of it that a step reads.
KEYS = {
    "sspp-redis": ("REDIS_BACKUP_URL",),
    "sspp-database": ("DATABASE_URL",),
    "sspp-backup": ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL", "BUCKET"),
    "sspp-backup-certificate": ("BACKUP_CERTIFICATE",),
    # Not made here: the person who restores brings it, and takes it away again.
    "sspp-backup-key": ("BACKUP_KEY",),
}
#: The images need no user of their own; Redis' data belongs to 999.
USER = 999
#: Cron, UTC. Redis holds events of the last minutes and is small, so it is saved more often than PostgreSQL.
REDIS_AT, POSTGRES_AT = "17 */6 * * *", "47 2 * * *"


def scripts() -> dict[str, str]:
    """Return name -> text of every script."""
    return {path.name: path.read_text("utf-8") for path in sorted(SCRIPTS.glob("*.sh"))}


def cron_jobs(stack: Stack) -> list[Object]:
    """Return two that back up, and two that run on demand: ``kubectl create job --from=cronjob/restore-redis``."""
    dump, data = ("dump-cluster", 6) if stack.redis == "cluster" else ("dump", 1)
    volumes = {f"data-sspp-redis-{number}": f"/data-{number}" for number in range(data)}
    postgres = f"{PLAIN}/postgres.dump"
    return [
        _cron_job(stack, "backup-redis", REDIS_AT, [_redis("sspp-redis", dump, PLAIN), _seal(), _put("redis")]),
        _cron_job(stack, "backup-postgres", POSTGRES_AT, [_postgres("dump", postgres), _seal(), _put("postgres")]),
        _cron_job(stack, "restore-postgres", None, [_get("postgres"), _open(), _postgres("restore", postgres)]),
        _cron_job(
            stack,
            "restore-redis",
            None,
            [_get("redis"), _open(), _redis("", "restore", PLAIN, *volumes.values())],
            volumes,
        ),
    ]


def openings(stack: Stack) -> list[Object]:
    """Return the NetworkPolicies: the Jobs may reach both stores in the cluster and the bucket."""
    backup, stores = objects.pods("backup"), objects.pods("redis", "postgres")
    ports = [{"protocol": "TCP", "port": 6379}, {"protocol": "TCP", "port": 5432}]
    bucket = {"to": [egress.internet()], "ports": [{"protocol": "TCP", "port": 443}]}
    inside = {"to": [{"podSelector": stores}], "ports": ports}
    return [
        objects.policy(stack.label, "backup-to-stores", backup, {"egress": [inside, bucket]}),
        objects.policy(
            stack.label,
            "stores-from-backup",
            stores,
            {"ingress": [{"from": [{"podSelector": backup}], "ports": ports}]},
        ),
    ]


def _redis(secret: str, *words: str) -> Object:
    return _container("redis", versions.REDIS_IMAGE, secret, "redis.sh", *words)


def _postgres(*words: str) -> Object:
    return _container("postgres", versions.POSTGRES_IMAGE, "sspp-database", "postgres.sh", *words)


def _seal() -> Object:
    # PostgreSQL's image has openssl, which its package of certificates needs.
    return _container("seal", versions.POSTGRES_IMAGE, "sspp-backup-certificate", "seal.sh", "seal", PLAIN, SEALED)


def _open() -> Object:
    return _container("open", versions.POSTGRES_IMAGE, "sspp-backup-key", "seal.sh", "open", SEALED, PLAIN)


def _put(name: str) -> Object:
    return _container("put", versions.RCLONE_IMAGE, "sspp-backup", "store.sh", "put", SEALED, name)


def _get(name: str) -> Object:
    return _container("get", versions.RCLONE_IMAGE, "sspp-backup", "store.sh", "get", name, SEALED, "$(MOMENT)")


def _container(name: str, image: str, secret: str, script: str, *words: str) -> Object:
    """Return one step of a Job; it reads one Secret, so no step has both the data's password and the bucket's key."""
    env: list[Object] = [{"name": "TMPDIR", "value": "/backup"}, {"name": "MOMENT", "value": "latest"}]
    for key in KEYS.get(secret, ()):
        env.append({"name": key, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}})
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", f"/scripts/{script}", *words],
        "env": env,
        "securityContext": CONFINED,
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}},
        "volumeMounts": [
            {"name": "scripts", "mountPath": "/scripts", "readOnly": True},
            {"name": "backup", "mountPath": "/backup"},
        ],
    }


def _cron_job(
    stack: Stack, name: str, schedule: str | None, steps: list[Object], claims: Mapping[str, str] | None = None
) -> Object:
    """Return a CronJob that runs ``steps`` one after the other; without a ``schedule`` it runs on demand.

    Args:
        claims: PersistentVolumeClaim -> its path in the last step.
    """
    *before, last = steps
    volumes: list[Object] = [
        {"name": "scripts", "configMap": {"name": "sspp-backup-scripts"}},
        {"name": "backup", "emptyDir": {}},
    ]
    for claim, path in (claims or {}).items():
        volumes.append({"name": claim, "persistentVolumeClaim": {"claimName": claim}})
        last["volumeMounts"].append({"name": claim, "mountPath": path})
    pod = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {"runAsUser": USER, "runAsGroup": USER, "fsGroup": USER, "runAsNonRoot": True},
        "initContainers": before,
        "containers": [last],
        "volumes": volumes,
    }
    job = {
        # A person looks at a failed restore before it runs again.
        "backoffLimit": 2 if schedule else 0,
        "activeDeadlineSeconds": 6 * 3600,
        "template": {"metadata": {"labels": objects.labels("backup")}, "spec": pod},
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": name, "namespace": stack.label, "labels": objects.labels("backup")},
        "spec": {
            "schedule": schedule or "0 0 31 2 *",  # a day that never comes
            "suspend": schedule is None,
            "timeZone": "Etc/UTC",
            "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": 3600,
            "successfulJobsHistoryLimit": 1,
            "failedJobsHistoryLimit": 3,
            "jobTemplate": {"spec": job},
        },
    }


class Backups(pulumi.ComponentResource):
    """The CronJobs, their scripts, the Secret that opens the bucket and the certificate to encrypt for."""

    def __init__(self, stack: Stack, bucket: Mapping[str, pulumi.Input[str]], opts: pulumi.ResourceOptions) -> None:
        super().__init__("sspp:platform:Backups", "backups", None, opts)
        child = pulumi.ResourceOptions(parent=self)
        certificate = {"BACKUP_CERTIFICATE": stack.backup_certificate or ""}
        for name, data in (("sspp-backup", bucket), ("sspp-backup-certificate", certificate)):
            objects.create(name, objects.secret(name, stack.label, data), child)
        held: Object = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "sspp-backup-scripts", "namespace": stack.label},
            "data": scripts(),
        }
        objects.create("backup-scripts", held, child)
        for written in [*cron_jobs(stack), *openings(stack)]:
            objects.create(written["metadata"]["name"], written, child)
        self.register_outputs({})
