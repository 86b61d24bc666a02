"""The backups in an S3 bucket: ``store.py put FILE NAME``, ``store.py get NAME FILE [MOMENT]``.

Python's own library and the openssl command only, which any Debian image of Python has. A backup is ``NAME/MOMENT/000,
001, ...`` with a ``manifest.json`` beside them; ``NAME/latest`` holds the moment of the last one that is complete.
Each part is a CMS message (RFC 5652, RFC 5083) for the holder of one private key: whoever backs up cannot read.
``store.py lock DAYS`` makes a bucket from which nobody can delete a backup for so many days.
Told by the environment: AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, BUCKET, AWS_REGION;
BACKUP_CERTIFICATE (PEM) to put, BACKUP_KEY (PEM) to get.
"""

import base64
import hashlib
import hmac
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, urlsplit

#: One request carries so much, in memory, as openssl's input and output too; S3 takes up to 5 GiB.
PART_BYTES = 32 * 1024 * 1024
ATTEMPTS = 5
TIMEOUT_S = 120

#: No one, an administrator included, deletes or shortens the retention of a version before it is over.
LOCK = """<ObjectLockConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">\
<ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention><Mode>COMPLIANCE</Mode><Days>{days}</Days>\
</DefaultRetention></Rule></ObjectLockConfiguration>"""
#: What is no longer retained goes: the object first, and a day later what it was.
LIFECYCLE = """<LifecycleConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Rule><ID>expire-backups</ID>\
<Filter><Prefix></Prefix></Filter><Status>Enabled</Status><Expiration><Days>{days}</Days></Expiration>\
<NoncurrentVersionExpiration><NoncurrentDays>{days}</NoncurrentDays></NoncurrentVersionExpiration>\
</Rule></LifecycleConfiguration>"""


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
        require(env, "AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "BUCKET")
        self._endpoint = urlsplit(env["AWS_ENDPOINT_URL"])
        self._key, self._secret, self._name = env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], env["BUCKET"]
        self._region = env.get("AWS_REGION") or "us-east-1"

    def put(self, key: str, body: bytes) -> None:
        """Store one object; it is whole or not there."""
        self._request("PUT", key, body)

    def get(self, key: str) -> bytes:
        """Read one object."""
        return self._request("GET", key)

    def lock(self, days: int) -> None:
        """Make the bucket, with Object Lock: it can be had only from the beginning."""
        self._request("PUT", headers={"x-amz-bucket-object-lock-enabled": "true"})
        self._request("PUT", query="object-lock=", body=LOCK.format(days=days).encode())
        self._request("PUT", query="lifecycle=", body=LIFECYCLE.format(days=days).encode())

    def _request(
        self,
        method: str,
        key: str = "",
        body: bytes = b"",
        *,
        query: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                status, answer = self._once(method, key, body, query, headers or {})
            except (OSError, http.client.HTTPException) as exc:
                status, answer = 0, str(exc).encode()
            if status == http.client.OK:
                return answer
            if 0 < status < http.client.INTERNAL_SERVER_ERROR or attempt == ATTEMPTS:
                raise StoreError(
                    f"{method} {key or query}: {status or 'no answer'} {answer[:300].decode('utf-8', 'replace')}"
                )
            time.sleep(2**attempt)
        raise AssertionError("the last attempt returns or raises")

    def _once(self, method: str, key: str, body: bytes, query: str, others: Mapping[str, str]) -> tuple[int, bytes]:
        path = quote(f"/{self._name}/{key}")
        headers = {
            "host": self._endpoint.netloc,
            "x-amz-content-sha256": hashlib.sha256(body).hexdigest(),
            "x-amz-date": datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ"),
            **others,
        }
        if body:  # S3 wants it of what a lock is to hold
            headers["content-md5"] = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
        names, signed = signature(method, path, headers, self._secret, self._region, query)
        scope = f"{headers['x-amz-date'][:8]}/{self._region}/s3/aws4_request"
        headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self._key}/{scope}, SignedHeaders={names}, Signature={signed}"
        )
        secure = self._endpoint.scheme == "https"
        connect = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = connect(self._endpoint.netloc, timeout=TIMEOUT_S)
        try:
            connection.request(method, f"{path}?{query}" if query else path, body or None, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


def require(env: Mapping[str, str], *names: str) -> None:
    """Raise :class:`StoreError` with those of ``names`` that the environment has not."""
    if missing := [name for name in names if not env.get(name)]:
        raise StoreError("missing: " + ", ".join(missing))


def sealed(part: bytes, certificate: str) -> bytes:
    """Return ``part`` encrypted (AES-256-GCM) for whoever has the private key of ``certificate``."""
    return _cms(part, certificate, "-encrypt", "-aes-256-gcm", "-outform", "DER", "-recip")


def opened(message: bytes, key: str) -> bytes:
    """Return what :func:`sealed` was given.

    Raises:
        StoreError: ``message`` is not what was sealed, or for another key.
    """
    return _cms(message, key, "-decrypt", "-inform", "DER", "-inkey")


def _cms(data: bytes, pem: str, *words: str) -> bytes:
    with tempfile.NamedTemporaryFile("w") as file:  # only its owner can read it
        file.write(pem)
        file.flush()
        argv = ["openssl", "cms", "-binary", *words, file.name]
        done = subprocess.run(  # noqa: S603 - the words are ours
            argv, input=data, capture_output=True, check=False, timeout=600
        )
    if done.returncode:
        raise StoreError(f"openssl {words[0]}: {done.stderr.decode('utf-8', 'replace').strip()[:300]}")
    return done.stdout


def put(bucket: Bucket, file: Path, name: str, moment: str, certificate: str) -> str:
    """Store ``file`` as the backup ``name`` of ``moment``; it becomes the latest only when all of it is there."""
    size = file.stat().st_size
    if not size:
        raise StoreError(f"{file} is empty: not stored")
    digest, parts = hashlib.sha256(), 0
    with file.open("rb") as source:
        while part := source.read(PART_BYTES):
            digest.update(part)
            bucket.put(f"{name}/{moment}/{parts:03}", sealed(part, certificate))
            parts += 1
    manifest = {"bytes": size, "sha256": digest.hexdigest(), "parts": parts}
    bucket.put(f"{name}/{moment}/manifest.json", json.dumps(manifest).encode())
    bucket.put(f"{name}/latest", moment.encode())
    return f"{name}/{moment}: {size} bytes in {parts} parts"


def get(bucket: Bucket, name: str, file: Path, key: str, moment: str = "latest") -> str:
    """Read the backup ``name`` of ``moment`` into ``file``, and make sure that it is what was stored.

    Raises:
        StoreError: a part was changed, or parts of two backups are mixed; there is no ``file`` then.
    """
    if moment == "latest":
        moment = bucket.get(f"{name}/latest").decode()
    manifest = json.loads(bucket.get(f"{name}/{moment}/manifest.json"))
    digest, unsure = hashlib.sha256(), file.with_name(f"{file.name}.unsure")
    with unsure.open("wb") as sink:
        for index in range(manifest["parts"]):
            part = opened(bucket.get(f"{name}/{moment}/{index:03}"), key)
            digest.update(part)
            sink.write(part)
    if digest.hexdigest() != manifest["sha256"]:
        raise StoreError(f"{name}/{moment} is not what was stored: its SHA-256 differs")
    unsure.rename(file)
    return f"{name}/{moment}: {manifest['bytes']} bytes"


def main(arguments: list[str], env: Mapping[str, str]) -> str:
    """Do what the command line says; gives a sentence for the log."""
    match arguments:
        case ["put", file, name]:
            require(env, "BACKUP_CERTIFICATE")
            moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
            return put(Bucket(env), Path(file), name, moment, env["BACKUP_CERTIFICATE"])
        case ["get", name, file, *moments] if len(moments) <= 1:
            require(env, "BACKUP_KEY")
            return get(Bucket(env), name, Path(file), env["BACKUP_KEY"], *moments)
        case ["lock", days] if days.isdecimal():
            Bucket(env).lock(int(days))
            return f"{env['BUCKET']}: what is put there stays for {days} days"
        case _:
            raise StoreError("usage: store.py put FILE NAME | store.py get NAME FILE [MOMENT] | store.py lock DAYS")


if __name__ == "__main__":
    try:
        print(main(sys.argv[1:], os.environ))
    except (StoreError, OSError) as exc:
        sys.exit(f"store: {exc}")
