"""The Kubernetes API that the Pulumi program asks, in the tests that run it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from tests.infra import pulumi_kubernetes_api
from tests.infra.pulumi_kubernetes_api import Api, node
from tests.servers import tls


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tls.Certificate:
    if not shutil.which("openssl"):
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("openssl is needed to make certificates")
    return tls.certificate(tmp_path_factory.mktemp("kubernetes"), "localhost")


def five_nodes() -> list[dict[str, Any]]:
    system = [node(f"system-{number}", address=f"198.51.100.{number}") for number in range(3)]
    return [*system, *(node(f"worker-{number}", pool="workers", address="203.0.113.1") for number in range(2))]


@pytest.fixture(scope="module")
def cluster(certificate: tls.Certificate) -> Iterator[Api]:
    with pulumi_kubernetes_api.running(Api(certificate, [five_nodes()])) as api:
        yield api
