"""Check that nodes can pull the image: ask its registry as a node does, without a password."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

import pulumi

TIMEOUT_S = 15
#: The media types that a node accepts. Source: the OCI's distribution specification, and Docker's media types.
TYPES = ", ".join(
    f"application/vnd.{kind}+json"
    for kind in (
        "oci.image.index.v1",
        "oci.image.manifest.v1",
        "docker.distribution.manifest.list.v2",
        "docker.distribution.manifest.v2",
    )
)
#: Host in an image's name -> the host that serves it.
HOSTS = {"docker.io": "registry-1.docker.io"}
#: Statuses that a later request will not change: the image is missing or not public.
NEVER = {http.client.UNAUTHORIZED, http.client.FORBIDDEN, http.client.NOT_FOUND}


class Image(NamedTuple):
    """An image: the host of its registry, its name there, and its tag or digest."""

    host: str
    name: str
    reference: str


def parsed(image: str) -> Image:
    """Parse an image's name as container runtimes do: without a host it is Docker Hub's."""
    name, at, digest = image.partition("@")
    tag = ""
    if ":" in name.rpartition("/")[2]:
        name, _, tag = name.rpartition(":")
    host, _, rest = name.partition("/")
    if not re.search(r"[.:]|^localhost$", host):
        host, rest = "docker.io", name
    return Image(HOSTS.get(host, host), rest, digest if at else tag)


def refuse_unpullable(image: str) -> None:
    """Refuse an image that is missing or not public; warn if the registry cannot be asked.

    Raises:
        pulumi.RunError: it is missing, or needs a password.
    """
    wanted = parsed(image)
    try:
        status = _asked(wanted)
    except (OSError, http.client.HTTPException, ValueError, KeyError) as exc:
        pulumi.log.warn(f"{wanted.host} does not say whether it has sspp:image {image}: {exc}")
        return
    if status in NEVER:
        raise pulumi.RunError(
            f"sspp:image {image} cannot be pulled without a password: {wanted.host} answers {status}. Push it, or let "
            "everybody read it there"
        )
    if status != http.client.OK:
        pulumi.log.warn(f"{wanted.host} does not say whether it has sspp:image {image}: it answers {status}")


def _asked(image: Image) -> int:
    """Return the registry's status for the image's manifest."""
    # Like container runtimes: a registry on this machine has no TLS.
    scheme = "http" if re.match(r"(localhost|127\.)", image.host) else "https"
    manifest = f"{scheme}://{image.host}/v2/{image.name}/manifests/{image.reference}"
    status, headers, _ = _request("HEAD", manifest, {"accept": TYPES})
    challenge = headers.get("www-authenticate", "")
    if status != http.client.UNAUTHORIZED or not challenge.lower().startswith("bearer "):
        return status
    wanted = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    where = f"{wanted.pop('realm')}?{urlencode(wanted)}"
    status, _, body = _request("GET", where, {})
    if status != http.client.OK:
        return status
    granted = json.loads(body)
    token = granted.get("token") or granted["access_token"]
    return _request("HEAD", manifest, {"accept": TYPES, "authorization": f"Bearer {token}"})[0]


def _request(method: str, url: str, headers: Mapping[str, str]) -> tuple[int, Mapping[str, str], bytes]:
    target = urlsplit(url)
    connect = http.client.HTTPSConnection if target.scheme == "https" else http.client.HTTPConnection
    connection = connect(target.hostname or "", target.port, timeout=TIMEOUT_S)
    try:
        connection.request(method, f"{target.path}?{target.query}" if target.query else target.path, headers=headers)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()
