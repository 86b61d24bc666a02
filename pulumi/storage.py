"""The bucket for backups, and an access key for that bucket alone.

Linode has no key that may only add. What it has is Object Lock, for a bucket that is made with it: a key that may read
and write cannot delete or overwrite a version before its retention is over (techdocs.akamai.com, Use Object Lock to
protect data). Neither Linode's API nor its provider can make such a bucket; S3 can, by the commands of docs/deploy.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import pulumi_linode as linode
from stack import Stack

import pulumi


class Place(NamedTuple):
    """The name of a bucket, and the host it is at."""

    bucket: pulumi.Output[str]
    endpoint: pulumi.Output[str]


class Storage(pulumi.ComponentResource):
    """A bucket whose objects expire; ``secret`` is the data of the Secret ``sspp-backup``."""

    def __init__(self, stack: Stack, opts: pulumi.ResourceOptions) -> None:
        super().__init__("sspp:infra:Storage", "storage", None, opts)
        bucket, endpoint = self._bucket(stack) if not stack.locked_bucket_at else _existing(stack)
        key = linode.ObjectStorageKey(
            "backup-key",
            label=f"{stack.label}-backup",
            bucket_accesses=[
                linode.ObjectStorageKeyBucketAccessArgs(
                    bucket_name=bucket, region=stack.region, permissions="read_write"
                )
            ],
            opts=pulumi.ResourceOptions(parent=self, additional_secret_outputs=["access_key", "secret_key"]),
        )
        self.secret: Mapping[str, pulumi.Input[str]] = {
            "AWS_ACCESS_KEY_ID": key.access_key,
            "AWS_SECRET_ACCESS_KEY": key.secret_key,
            "AWS_ENDPOINT_URL": endpoint.apply(_address),
            "BUCKET": bucket,
        }
        self.register_outputs({})

    def _bucket(self, stack: Stack) -> Place:
        """Register a bucket that keeps overwritten and deleted objects as long as others. Its key could undo that."""
        days = stack.backup_days
        # cors_enabled stays unset: newer endpoints refuse it even when it is false.
        bucket = linode.ObjectStorageBucket(
            "backups",
            label=stack.bucket,
            region=stack.region,
            acl="private",
            versioning=True,
            lifecycle_rules=[
                linode.ObjectStorageBucketLifecycleRuleArgs(
                    id="expire-backups",
                    enabled=True,
                    expiration=linode.ObjectStorageBucketLifecycleRuleExpirationArgs(days=days),
                    noncurrent_version_expiration=linode.ObjectStorageBucketLifecycleRuleNoncurrentVersionExpirationArgs(
                        days=days
                    ),
                    abort_incomplete_multipart_upload_days=1,
                )
            ],
            opts=pulumi.ResourceOptions(parent=self, protect=stack.protect),
        )
        return Place(bucket.label, bucket.s3_endpoint)


def _existing(stack: Stack) -> Place:
    return Place(pulumi.Output.from_input(stack.bucket), pulumi.Output.from_input(stack.locked_bucket_at or ""))


def _address(endpoint: str) -> str:
    return endpoint if endpoint.startswith("http") else f"https://{endpoint}"
