"""The backups in an S3 bucket: ``store.py put FILE NAME`` and ``store.py get NAME FILE [MOMENT]``.

Python's own library only, so that any Python image runs it. A backup is ``NAME/MOMENT/000, 001, ...`` with a
``manifest.json`` beside them; ``NAME/latest`` holds the moment of the last one that is complete.
Told by the environment: AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, BUCKET, AWS_REGION.
"""

import hashlib
import hmac
import http.client
import json
import os
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, urlsplit

#: One request carries so much, in memory; S3 takes up to 5 GiB.
PART_BYTES = 64 * 1024 * 1024
ATTEMPTS = 5
TIMEOUT_S = 120


class StoreError(Exception):
    """The bucket did not take or give what it should."""


def signature(
    method: str, path: str, headers: Mapping[str, str], secret: str, region: str, query: str = ""
) -> tuple[str, str]:
    """Sign a request as AWS Signature Version 4 wants it.

    Args:
        headers: lower-case name -> value, with ``host``, ``x-amz-date`` and ``x-amz-content-sha256``; all are signed.

    Returns:
        The names that were signed, as the header lists them, and the signature.
    """
    moment, payload = headers["x-amz-date"], headers["x-amz-content-sha256"]
    names = ";".join(sorted(headers))
    lines = [f"{name}:{headers[name]}" for name in sorted(headers)]
    request = "\n".join([method, path, query, *lines, "", names, payload])
    scope = f"{moment[:8]}/{region}/s3/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", moment, scope, hashlib.sha256(request.encode()).hexdigest()])
    key = f"AWS4{secret}".encode()
    for word in scope.split("/"):
        key = hmac.digest(key, word.encode(), "sha256")
    return names, hmac.digest(key, text.encode(), "sha256").hex()


class Bucket:
    """One bucket, addressed by path (https://endpoint/bucket/key)."""

    def __init__(self, env: Mapping[str, str]) -> None:
        missing = [
            name
            for name in ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "BUCKET")
            if not env.get(name)
        ]
        if missing:
            raise StoreError("missing: " + ", ".join(missing))
        self._endpoint = urlsplit(env["AWS_ENDPOINT_URL"])
        self._key, self._secret, self._name = env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], env["BUCKET"]
        self._region = env.get("AWS_REGION") or "us-east-1"

    def put(self, key: str, body: bytes) -> None:
        """Store one object; it is whole or not there."""
        self._request("PUT", key, body)

    def get(self, key: str) -> bytes:
        """Read one object."""
        return self._request("GET", key)

    def _request(self, method: str, key: str, body: bytes = b"") -> bytes:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                status, answer = self._once(method, key, body)
            except (OSError, http.client.HTTPException) as exc:
                status, answer = 0, str(exc).encode()
            if status == http.client.OK:
                return answer
            if 0 < status < http.client.INTERNAL_SERVER_ERROR or attempt == ATTEMPTS:
                raise StoreError(f"{method} {key}: {status or 'no answer'} {answer[:300].decode('utf-8', 'replace')}")
            time.sleep(2**attempt)
        raise AssertionError("the last attempt returns or raises")

    def _once(self, method: str, key: str, body: bytes) -> tuple[int, bytes]:
        path = quote(f"/{self._name}/{key}")
        headers = {
            "host": self._endpoint.netloc,
            "x-amz-content-sha256": hashlib.sha256(body).hexdigest(),
            "x-amz-date": datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ"),
        }
        names, signed = signature(method, path, headers, self._secret, self._region)
        scope = f"{headers['x-amz-date'][:8]}/{self._region}/s3/aws4_request"
        headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self._key}/{scope}, SignedHeaders={names}, Signature={signed}"
        )
        secure = self._endpoint.scheme == "https"
        connect = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = connect(self._endpoint.netloc, timeout=TIMEOUT_S)
        try:
            connection.request(method, path, body or None, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


def put(bucket: Bucket, file: Path, name: str, moment: str) -> str:
    """Store ``file`` as the backup ``name`` of ``moment``; it becomes the latest only when all of it is there."""
    size = file.stat().st_size
    if not size:
        raise StoreError(f"{file} is empty: not stored")
    digest, parts = hashlib.sha256(), 0
    with file.open("rb") as source:
        while part := source.read(PART_BYTES):
            digest.update(part)
            bucket.put(f"{name}/{moment}/{parts:03}", part)
            parts += 1
    manifest = {"bytes": size, "sha256": digest.hexdigest(), "parts": parts}
    bucket.put(f"{name}/{moment}/manifest.json", json.dumps(manifest).encode())
    bucket.put(f"{name}/latest", moment.encode())
    return f"{name}/{moment}: {size} bytes in {parts} parts"


def get(bucket: Bucket, name: str, file: Path, moment: str = "latest") -> str:
    """Read the backup ``name`` of ``moment`` into ``file``, and make sure that it is what was stored."""
    if moment == "latest":
        moment = bucket.get(f"{name}/latest").decode()
    manifest = json.loads(bucket.get(f"{name}/{moment}/manifest.json"))
    digest = hashlib.sha256()
    with file.open("wb") as sink:
        for index in range(manifest["parts"]):
            part = bucket.get(f"{name}/{moment}/{index:03}")
            digest.update(part)
            sink.write(part)
    if digest.hexdigest() != manifest["sha256"]:
        file.unlink()
        raise StoreError(f"{name}/{moment} is not what was stored: its SHA-256 differs")
    return f"{name}/{moment}: {manifest['bytes']} bytes"


def main(arguments: list[str], env: Mapping[str, str]) -> str:
    """Do what the command line says; gives a sentence for the log."""
    match arguments:
        case ["put", file, name]:
            return put(Bucket(env), Path(file), name, datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ"))
        case ["get", name, file, *moment] if len(moment) <= 1:
            return get(Bucket(env), name, Path(file), *moment)
        case _:
            raise StoreError("usage: store.py put FILE NAME | store.py get NAME FILE [MOMENT]")


if __name__ == "__main__":
    try:
        print(main(sys.argv[1:], os.environ))
    except (StoreError, OSError) as exc:
        sys.exit(f"store: {exc}")
