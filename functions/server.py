"""``python -m functions.server <function>``: a function's target under gunicorn with settings of ours.

The Functions Framework's own server has no limit on bodies, no deadline for headers and no drain; this one
serves the same targets, all of them from an event loop, so that nobody who is slow holds up anybody else. What
each setting is for stands beside it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gunicorn.app.base import BaseApplication

from events import failpoint, health, settings
from events.errors import ConfigError, Refused

FUNCTIONS = ("ingest", "process", "index", "notify", "api")
#: Those whose target is an ASGI application.
ASYNCHRONOUS = frozenset({"ingest"})

#: Requests one synchronous function serves at a time; its Knative containerConcurrency.
THREADS = 4
#: Paths that a probe asks, which must not wait for work.
PROBES = frozenset({"/health", "/ready", "/live"})
#: Reads of one API key that wait for their turn, beside those that have half of the threads; one more is 429.
READS_WAITING = 50
#: Bytes of a body that are taken in whoever sends it: of anybody, and where only the dispatcher gets through, whose
#: requests are asked about once then and not twice.
EARLY_BYTES, EARLY_DELIVERY_BYTES = 65_536, 1_048_576
#: Bytes of a delivery: more than events/dispatcher.py puts into a request, unless one event alone is longer...
DELIVERY_BYTES = 10_485_760
#: ...which may be so many times its sender's body: what is no JSON travels as a JSON text, a NUL as six characters.
ENVELOPE = 7


class Server(BaseApplication):  # type: ignore[misc] # gunicorn has no type information
    """One arbiter, one worker: Knative scales by pods, not by processes within one."""

    def __init__(self, function: str, told: settings.Settings) -> None:
        self._function = function
        self._told = told
        super().__init__()

    def load_config(self) -> None:
        """Give gunicorn its settings."""
        for name, value in _options(self._function, self._told).items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """Import the function, in the worker, so that an import that fails fails there and is logged."""
        if self._function in ASYNCHRONOUS:
            from functions.ingest.main import app as ingest

            self._expose({"redis": ingest().ping})
            return ingest()
        import functions_framework
        from werkzeug.exceptions import HTTPException

        from functions.web.threaded import ThreadedApp

        source = Path(__file__).parent / self._function / "main.py"
        app: Any = functions_framework.create_app(self._function, str(source))  # type: ignore[no-untyped-call]
        # Under this name the framework has loaded the source: importing it would put the function together twice.
        self._expose(sys.modules["main"]._function().pings)
        app.after_request_funcs.clear()  # the framework's own reads the whole body of whatever was refused
        app.register_error_handler(HTTPException, _refused)
        most = _most_bytes(self._function, self._told)
        if self._function != "api":
            return ThreadedApp(app, threads=THREADS, early=EARLY_DELIVERY_BYTES, most=most, reserved=PROBES)
        from functions.ingest.doors import DOORS
        from functions.web.turns import Turns

        return ThreadedApp(
            app,
            threads=THREADS,
            early=EARLY_BYTES,
            most=most,
            turns=Turns(each=THREADS // 2, waiting=READS_WAITING),
            reserved=PROBES | DOORS.keys(),
        )

    def _expose(self, pings: Mapping[str, health.Ping]) -> None:
        health.expose(self._told.host, self._told.metrics_port, pings)


def _refused(page: Any) -> tuple[bytes, int, dict[str, str]]:
    """Say as a problem what the Functions Framework would answer with a page."""
    from functions.web import problem

    status, headers, body = problem.refused(Refused(page.name, status=page.code))
    return body, status, headers


def _most_bytes(function: str, told: settings.Settings) -> int:
    """The longest body that a synchronous function takes."""
    return told.max_body_bytes if function == "api" else max(DELIVERY_BYTES, ENVELOPE * told.max_body_bytes)


def _options(function: str, told: settings.Settings) -> dict[str, Any]:
    return {
        "bind": f"{told.host}:{told.port}",
        "workers": 1,
        "worker_class": "functions.web.worker.Worker",
        "keepalive": 120,  # above the 90 s of Knative's proxy, so that it is never the one surprised
        "timeout": int(told.function_timeout_s),  # a worker stuck for longer is replaced
        "graceful_timeout": 30,  # what a drain may take
        "limit_request_line": 8190,
        "limit_request_fields": 100,
        "limit_request_field_size": 16380,
        "worker_tmp_dir": "/dev/shm" if Path("/dev/shm").is_dir() else None,  # noqa: S108 - heartbeats only
        "control_socket_disable": True,  # nothing of ours speaks to it, and it wants a writable home
        "loglevel": "warning",
        "proc_name": f"sspp-{function}",
    }


def main() -> None:
    """Serve the function named on the command line."""
    if len(sys.argv) != 2 or sys.argv[1] not in FUNCTIONS:
        raise SystemExit(f"usage: python -m functions.server {{{','.join(FUNCTIONS)}}}")
    function = sys.argv[1]
    # pydantic would search every installed package for plugins of its own: a tenth of the start-up.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "true")
    sys.argv[1:] = []  # gunicorn would read them
    try:
        told = settings.read(os.environ, require=settings.REQUIRED[function])
        failpoint.arm(told.failpoints)  # the workers are forked from here
    except ConfigError as exc:
        raise SystemExit(f"settings: {exc}") from exc
    Server(function, told).run()


if __name__ == "__main__":
    main()
