"""Whether the cluster can pull the image: asked of its registry as a node would ask, without a password."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

import pulumi

TIMEOUT_S = 15
#: What a node takes. Source: the distribution specification of the OCI, and Docker's own media types.
TYPES = ", ".join(
    f"application/vnd.{kind}+json"
    for kind in (
        "oci.image.index.v1",
        "oci.image.manifest.v1",
        "docker.distribution.manifest.list.v2",
        "docker.distribution.manifest.v2",
    )
)
#: The host in an image's name -> the one that answers for it.
HOSTS = {"docker.io": "registry-1.docker.io"}
#: What no other time will change: it is not there, or not for everybody.
NEVER = {http.client.UNAUTHORIZED, http.client.FORBIDDEN, http.client.NOT_FOUND}


class Image(NamedTuple):
    """An image: the host of its registry, its name there, and its tag or digest."""

    host: str
    name: str
    reference: str


def parsed(image: str) -> Image:
    """Take an image's name apart as container runtimes do: without a host it is Docker Hub's."""
    name, at, digest = image.partition("@")
    tag = ""
    if ":" in name.rpartition("/")[2]:
        name, _, tag = name.rpartition(":")
    host, _, rest = name.partition("/")
    if not re.search(r"[.:]|^localhost$", host):
        host, rest = "docker.io", name
    return Image(HOSTS.get(host, host), rest, digest if at else tag)


def refuse_unpullable(image: str) -> None:
    """Refuse an image that its registry does not give to everybody; warn where the registry does not say.

    Raises:
        pulumi.RunError: it is not there, or wants a password.
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
    """The status with which the registry answers for the image's manifest."""
    # As runtimes do, too: a registry on this machine has no TLS.
    scheme = "http" if re.match(r"(localhost|127\.)", image.host) else "https"
    manifest = f"{scheme}://{image.host}/v2/{image.name}/manifests/{image.reference}"
    status, headers, _ = _request("HEAD", manifest, {"accept": TYPES})
    challenge = headers.get("www-authenticate", "")
    if status != http.client.UNAUTHORIZED or not challenge.lower().startswith("bearer "):
        return status
    told = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    where = f"{told.pop('realm')}?{urlencode(told)}"
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
