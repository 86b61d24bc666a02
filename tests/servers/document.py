"""An OpenAPI document as the tests use it: every operation, its requests, and whether an answer is as it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs

from tests.servers.parts import ROOT


@dataclass(frozen=True, slots=True)
class Request:
    """One request that the document shows."""

    method: str
    path: str
    operation: dict[str, Any]
    content_type: str = ""
    body: Any = None

    def examples(self, where: str) -> dict[str, Any]:
        return {
            each["name"]: each["example"]
            for each in self.operation["parameters"]
            if each["in"] == where and "example" in each
        }

    def sent(self, client: httpx.Client, **ids: str) -> httpx.Response:
        """Send it; ``ids`` take the place of the path's examples."""
        headers = self.examples("header") | ({"content-type": self.content_type} if self.content_type else {})
        return client.request(
            self.method,
            self.path.format(**{**self.examples("path"), **ids}),
            params=self.examples("query"),
            headers=headers,
            content=json.dumps(self.body) if self.content_type else None,
        )


class Document:
    """A document, read."""

    def __init__(self, written: dict[str, Any]) -> None:
        self.written = written

    def operations(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Path, method and operation."""
        for path, methods in self.written["paths"].items():
            for method, operation in methods.items():
                yield path, method.upper(), operation

    def requests(self) -> Iterator[Request]:
        """Every request that is shown: one for each example of a body, or one without."""
        for path, method, operation in self.operations():
            content = operation.get("requestBody", {}).get("content", {})
            for content_type, body in content.items():
                for example in body["examples"].values():
                    yield Request(method, path, operation, content_type, example["value"])
            if not content:
                yield Request(method, path, operation)

    def resolved(self, described: dict[str, Any]) -> dict[str, Any]:
        """What a reference leads to; anything else as it is."""
        if "$ref" not in described:
            return described
        _, kind, name = described["$ref"].removeprefix("#/").split("/")
        found: dict[str, Any] = self.written["components"][kind][name]
        return found

    def validate(self, schema: dict[str, Any], value: Any) -> None:
        jsonschema_rs.validate({**schema, "components": self.written["components"]}, value, validate_formats=True)

    def check(self, operation: dict[str, Any], answer: httpx.Response) -> None:
        """Fail unless the answer is one that the document describes."""
        assert str(answer.status_code) in operation["responses"], answer.text
        reply = self.resolved(operation["responses"][str(answer.status_code)])
        content_type = answer.headers["content-type"].partition(";")[0]
        assert content_type in reply["content"], (content_type, answer.text[:200])
        if content_type.endswith("json"):
            self.validate(reply["content"][content_type]["schema"], answer.json())
        for name, header in reply.get("headers", {}).items():
            if header.get("required"):
                assert name in answer.headers
            if (value := answer.headers.get(name)) is not None:
                self.validate(header["schema"], int(value) if value.isdecimal() else value)


def fuzzed(url: str, key: str, folder: Path, *more: str, examples: int) -> str:
    """What schemathesis says of a server that does what its document says; fails where it does not.

    Args:
        folder: keeps what failed.
        more: arguments of `schemathesis run`.
        examples: requests for an operation, of each kind.
    """
    arguments = ["--phases", "examples,coverage,fuzzing", "--checks", "all", "--max-examples", str(examples)]
    arguments += ["--header", f"x-api-key: {key}", "--continue-on-failure", "--no-color", *more]
    program: list[str | Path] = [
        Path(sys.executable).with_name("schemathesis"),
        "--config-file",
        ROOT / "tests/e2e/schemathesis.toml",
    ]
    done = subprocess.run(
        [*program, "run", f"{url}/openapi.json", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
