"""The versions of everything installed, and which of them fit together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple


class Chart(NamedTuple):
    """A Helm chart, pinned; an empty repository means that ``name`` is an address."""

    repository: str
    name: str
    version: str


#: The charts of Knative's operator and KEDA have the version that they install, a setting of the stack.
KNATIVE_OPERATOR = Chart("https://knative.github.io/operator", "knative-operator", "v{knative}")
KEDA = Chart("https://kedacore.github.io/charts", "keda", "{keda}")
CERT_MANAGER = Chart("https://charts.jetstack.io", "cert-manager", "v1.21.1")
ECK = Chart("https://helm.elastic.co", "eck-operator", "3.5.0")
ARGO_CD = Chart("https://argoproj.github.io/argo-helm", "argo-cd", "10.1.1")
#: Of Linode, with the token LKE keeps in kube-system: github.com/linode/cloud-firewall-controller.
NODE_FIREWALL_CRD = Chart("https://linode.github.io/cloud-firewall-controller", "cloud-firewall-crd", "0.2.0")
NODE_FIREWALL = Chart("https://linode.github.io/cloud-firewall-controller", "cloud-firewall-controller", "0.2.1")
LINODE_DNS = Chart(
    "",
    "https://github.com/slicen/cert-manager-webhook-linode/releases/download/v0.2.0/cert-manager-webhook-linode-v0.2.0.tgz",
    "",
)

#: Name, as in sspp:charts -> chart.
CHARTS = {
    "knative-operator": KNATIVE_OPERATOR,
    "keda": KEDA,
    "cert-manager": CERT_MANAGER,
    "eck-operator": ECK,
    "argo-cd": ARGO_CD,
    "cloud-firewall-crd": NODE_FIREWALL_CRD,
    "cloud-firewall-controller": NODE_FIREWALL,
    "cert-manager-webhook-linode": LINODE_DNS,
}

#: The community's chart is no longer released; Linode maintains this image of the same solver.
#: Source: github.com/linode/cert-manager-webhook-linode/releases/tag/v0.3.0.
LINODE_DNS_IMAGE = {"repository": "linode/cert-manager-webhook-linode", "tag": "v0.3.0"}

#: The 8.19 client works with 8.x and 9.x; 8.19 is tested.
ELASTICSEARCH = "8.19.21"

#: Run by our own objects, by digest (docker-library/repo-info, hub.docker.com/r/rclone/rclone): the clients of Redis
#: and PostgreSQL and rclone for backups, HAProxy for the way to the database. Redis' is the one that knative/ deploys.
REDIS_IMAGE = "redis:7.2.16-bookworm@sha256:0637954999d01b7c9ce9167db2da50656e2590d3b884f1c600c5f63bb6e6773c"
POSTGRES_IMAGE = "postgres:17.11-bookworm@sha256:639ab7ceb90e13123085b741fb31ef493fba25463002f6da665352e7b534b652"
RCLONE_IMAGE = "rclone/rclone:1.75.1@sha256:45401ad7410db1d67ffdb58e19059ad20b0d8e0285a60e38bbec55cc1019c7a5"
HAPROXY_IMAGE = "haproxy:3.2.24-alpine3.24@sha256:686211da34aba401814bb109c813db6a579491bc8753bfd81b78cce7d1e02f7c"

#: (component, minor) -> the oldest and the newest Kubernetes it works on. Knative refuses to start on an older one;
#: KEDA is tested on these. Kourier has Knative's version. Sources: knative.dev/pkg/version, keda-docs cluster.md.
NEEDS: dict[tuple[str, str], tuple[str, str | None]] = {
    ("Knative", "1.21"): ("1.33", None),
    ("Knative", "1.22"): ("1.34", None),
    ("Knative", "1.23"): ("1.34", None),
    ("KEDA", "2.20"): ("1.33", "1.35"),
}


def faults(kubernetes: str, knative: str, keda: str) -> list[str]:
    """Return a sentence for each version that does not fit, with the remedy."""
    found = []
    for component, version, setting in (("Knative", knative, "knativeVersion"), ("KEDA", keda, "kedaVersion")):
        window = NEEDS.get((component, _minor(version)))
        if window is None:
            known = ", ".join(known for name, known in NEEDS if name == component)
            found.append(f"{component} {version} is not known here: set sspp:{setting} to a release of {known}")
        elif not _within(kubernetes, *window):
            least, most = window
            found.append(
                f"{component} {version} needs Kubernetes {least} {f'to {most}' if most else 'or newer'}, not "
                f"{kubernetes}: set sspp:kubernetesVersion to {_newest(knative, keda)}, or sspp:{setting}"
            )
    return found


def mirrored(chart: Chart, mirrors: Mapping[str, str]) -> Chart:
    """Return ``chart`` from its mirror: a repository, or the chart's own address (``oci://...``, ``....tgz``)."""
    place = next((mirrors[name] for name, known in CHARTS.items() if known == chart and name in mirrors), None)
    if place is None:
        return chart
    if place.endswith(".tgz"):
        return Chart("", place, "")
    return Chart("", place, chart.version) if place.startswith("oci://") else chart._replace(repository=place)


def offer_fault(wanted: str, offered: Iterable[str], knative: str, keda: str) -> str | None:
    """Return the remedy if LKE does not offer Kubernetes ``wanted``, else None."""
    offered = sorted(set(offered), key=_key)
    if wanted in offered:
        return None
    fitting = [version for version in offered if not faults(version, knative, keda)]
    advice = f"set sspp:kubernetesVersion to {fitting[-1]}" if fitting else "none of them goes with the other versions"
    return f"LKE offers Kubernetes {', '.join(offered) or 'in no version'}, not {wanted}: {advice}"


def _newest(knative: str, keda: str) -> str:
    """Return the newest Kubernetes in the table that fits both."""
    windows = [NEEDS.get(("Knative", _minor(knative))), NEEDS.get(("KEDA", _minor(keda)))]
    named = {version for window in NEEDS.values() for version in window if version}
    fitting = [version for version in named if all(window and _within(version, *window) for window in windows)]
    return max(fitting, key=_key, default="one that goes with both")


def _within(version: str, least: str, most: str | None) -> bool:
    return _key(least) <= _key(version) and (most is None or _key(version) <= _key(most))


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def _key(version: str) -> tuple[int, ...]:
    return tuple(int(word) for word in version.split("."))
