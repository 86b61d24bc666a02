"""The least a function can do."""

from __future__ import annotations

import flask


def hello(request: flask.Request) -> str:
    return "Hello, world!"
