"""The bucket for backups and the key that opens it and nothing else."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi_linode as linode
from config import Stack

import pulumi


class Storage(pulumi.ComponentResource):
    """A bucket whose objects expire; ``secret`` is what the Secret ``sspp-backup`` holds."""

    def __init__(self, stack: Stack, opts: pulumi.ResourceOptions) -> None:
        super().__init__("sspp:infra:Storage", "storage", None, opts)
        # cors_enabled stays unset: newer endpoints refuse it even when it is false.
        bucket = linode.ObjectStorageBucket(
            "backups",
            label=stack.bucket,
            region=stack.region,
            acl="private",
            lifecycle_rules=[
                linode.ObjectStorageBucketLifecycleRuleArgs(
                    id="expire-backups",
                    enabled=True,
                    expiration=linode.ObjectStorageBucketLifecycleRuleExpirationArgs(days=stack.backup_days),
                    abort_incomplete_multipart_upload_days=1,
                )
            ],
            opts=pulumi.ResourceOptions(parent=self, protect=stack.protect),
        )
        key = linode.ObjectStorageKey(
            "backup-key",
            label=f"{stack.label}-backup",
            bucket_accesses=[
                linode.ObjectStorageKeyBucketAccessArgs(
                    bucket_name=bucket.label, region=stack.region, permissions="read_write"
                )
            ],
            opts=pulumi.ResourceOptions(parent=self, additional_secret_outputs=["access_key", "secret_key"]),
        )
        self.secret: Mapping[str, pulumi.Input[str]] = {
            "AWS_ACCESS_KEY_ID": key.access_key,
            "AWS_SECRET_ACCESS_KEY": key.secret_key,
            "AWS_ENDPOINT_URL": bucket.s3_endpoint.apply(_address),
            "BUCKET": bucket.label,
        }
        self.register_outputs({})


def _address(endpoint: str) -> str:
    return endpoint if endpoint.startswith("http") else f"https://{endpoint}"
