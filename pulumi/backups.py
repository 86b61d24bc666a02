"""Scheduled backups of PostgreSQL and Redis into the bucket, and Jobs that bring them back.

The scripts in backup/ are what runs, in a ConfigMap; tests rehearse the same files.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import egress
import objects
import versions
from config import Stack
from objects import CONFINED, Object

import pulumi

SCRIPTS = Path(__file__).parent / "backup"
FOLDER = "/backup"
#: What the steps are told, by Secret.
KEYS = {
    "sspp-redis": ("REDIS_BACKUP_URL",),
    "sspp-database": ("DATABASE_URL",),
    "sspp-backup": ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL", "BUCKET", "BACKUP_CERTIFICATE"),
    # Not made here: whoever restores brings it, and takes it away again.
    "sspp-backup-key": ("BACKUP_KEY",),
}
#: Neither PostgreSQL's nor Python's image needs a user of its own; Redis' data belongs to 999.
USER = 999
#: The volume of Redis' StatefulSet in knative/base.
REDIS_VOLUME = "data-sspp-redis-0"
#: UTC. Redis holds what came in during the last minutes, so it is saved more often than PostgreSQL, and moved less.
REDIS_AT, POSTGRES_AT = "17 */6 * * *", "47 2 * * *"


def scripts() -> dict[str, str]:
    """Name -> text of every script."""
    return {path.name: path.read_text("utf-8") for path in sorted(SCRIPTS.iterdir()) if path.suffix in {".py", ".sh"}}


def cron_jobs(stack: Stack) -> list[Object]:
    """Two that back up, and two that never run by themselves: ``kubectl create job --from=cronjob/restore-redis``."""
    redis = f"{FOLDER}/redis.rdb"
    postgres = f"{FOLDER}/postgres.dump"
    return [
        _cron_job(
            stack,
            "backup-redis",
            REDIS_AT,
            _python("dump", ["sspp-redis"], "dump_redis.py", redis),
            _put(redis, "redis"),
        ),
        _cron_job(stack, "backup-postgres", POSTGRES_AT, _postgres("dump", postgres), _put(postgres, "postgres")),
        _cron_job(stack, "restore-postgres", None, _get("postgres", postgres), _postgres("restore", postgres)),
        _cron_job(
            stack,
            "restore-redis",
            None,
            _get("redis", redis),
            _python("restore", [], "restore_redis.py", redis, "/data"),
            volume=REDIS_VOLUME,
        ),
    ]


def openings(stack: Stack) -> list[Object]:
    """What the Jobs may reach: both stores where they run in the cluster, the bucket, and the store lets them in."""
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


def _python(name: str, secrets: list[str], script: str, *words: str) -> Object:
    return _container(name, versions.PYTHON_IMAGE, secrets, ["python", "-I", f"/scripts/{script}", *words])


def _postgres(verb: str, file: str) -> Object:
    return _container(verb, versions.POSTGRES_IMAGE, ["sspp-database"], ["sh", "/scripts/postgres.sh", verb, file])


def _put(file: str, name: str) -> Object:
    return _python("put", ["sspp-backup"], "store.py", "put", file, name)


def _get(name: str, file: str) -> Object:
    return _python("get", ["sspp-backup", "sspp-backup-key"], "store.py", "get", name, file, "$(MOMENT)")


def _container(name: str, image: str, secrets: list[str], command: list[str]) -> Object:
    """One step of a Job; it is told what ``secrets`` hold for it and of no other."""
    env: list[Object] = [{"name": "TMPDIR", "value": FOLDER}, {"name": "MOMENT", "value": "latest"}]
    for secret in secrets:
        env += [{"name": key, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}} for key in KEYS[secret]]
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": command,
        "env": env,
        "securityContext": CONFINED,
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}},
        "volumeMounts": [
            {"name": "scripts", "mountPath": "/scripts", "readOnly": True},
            {"name": "backup", "mountPath": FOLDER},
        ],
    }


def _cron_job(
    stack: Stack, name: str, schedule: str | None, first: Object, then: Object, volume: str | None = None
) -> Object:
    volumes: list[Object] = [
        {"name": "scripts", "configMap": {"name": "sspp-backup-scripts"}},
        {"name": "backup", "emptyDir": {}},
    ]
    if volume:
        volumes.append({"name": "data", "persistentVolumeClaim": {"claimName": volume}})
        then = {**then, "volumeMounts": [*then["volumeMounts"], {"name": "data", "mountPath": "/data"}]}
    pod = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {"runAsUser": USER, "runAsGroup": USER, "fsGroup": USER, "runAsNonRoot": True},
        "initContainers": [first],
        "containers": [then],
        "volumes": volumes,
    }
    job = {
        # A restore is for a person to look at before it is tried again.
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
    """The CronJobs, their scripts and the Secret that opens the bucket."""

    def __init__(self, stack: Stack, bucket: Mapping[str, pulumi.Input[str]], opts: pulumi.ResourceOptions) -> None:
        super().__init__("sspp:platform:Backups", "backups", None, opts)
        child = pulumi.ResourceOptions(parent=self)
        objects.create("sspp-backup", objects.secret("sspp-backup", stack.label, bucket), child)
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
