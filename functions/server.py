"""``python -m functions.server <function>``: a function's target under uvicorn with settings of ours.

The Functions Framework's own server has no limit on bodies, no deadline for headers and no drain; this one
serves the same targets, all of them from an event loop, so that a slow sender delays nobody else. A comment beside
each setting says what it is for.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from events import failpoint, health
from events.errors import ConfigError, Refused
from events.settings import FUNCTIONS, FunctionSettings

#: Those whose target is an ASGI application.
ASYNCHRONOUS = frozenset({"ingest"})

#: Requests one synchronous function serves at a time; its Knative containerConcurrency.
THREADS = 4
#: Paths that a probe asks, which must not wait for work.
PROBES = frozenset({"/health", "/ready", "/live"})
#: Reads of one tenant that wait for their turn, beside those that have half of the threads; one more is 429.
READS_WAITING = 50
#: Request-body bytes buffered before the function runs: 64 KiB for public functions; 1 MiB where only the dispatcher
#: can call, so that a normal delivery is handled in one call.
EARLY_BYTES, EARLY_DELIVERY_BYTES = 65_536, 1_048_576
#: Bytes of a delivery: more than events/dispatcher.py puts into a request, unless one event alone is longer...
DELIVERY_BYTES = 10_485_760
#: ...which may be so many times its sender's body: what is no JSON travels as a JSON text, a NUL as six characters.
ENVELOPE = 7
#: Connections that may wait to be accepted: a burst of senders, above the system's default.
BACKLOG = 2048
#: Seconds that a drain may take.
DRAIN_S = 30
#: Live containers allocated before Python's cycle collector runs. Thirty requests at once have more than its default
#: of 700, so that it ran all the time and took an eighth of a request's time.
GARBAGE_THRESHOLD = 10_000


def application(function: str, settings: FunctionSettings) -> Any:
    """Return a function's target as an ASGI application; its health in detail is exposed from then on."""
    if function in ASYNCHRONOUS:
        from functions.ingest.main import app as ingest

        front_door = ingest()
        _expose(settings, {"redis": front_door.ping}, front_door.ping)
        return front_door
    import functions_framework
    from werkzeug.exceptions import HTTPException

    from functions.web.threaded import ThreadedApp

    source = Path(__file__).parent / function / "main.py"
    app: Any = functions_framework.create_app(function, str(source))  # type: ignore[no-untyped-call]
    # Under this name the framework has loaded the source: importing it would put the function together twice.
    put_together = sys.modules["main"]._function()
    _expose(settings, put_together.pings)
    app.after_request_funcs.clear()  # the framework's own reads the whole body of whatever was refused
    app.register_error_handler(HTTPException, _refused)
    most = _most_bytes(function, settings)
    if function != "api":
        return ThreadedApp(app, threads=THREADS, early=EARLY_DELIVERY_BYTES, most=most, reserved=PROBES)
    from functions.ingest.doors import DOORS

    return ThreadedApp(
        app,
        threads=THREADS,
        early=EARLY_BYTES,
        most=most,
        gate=put_together.gate(threads=THREADS, each=THREADS // 2, waiting=READS_WAITING),
        reserved=PROBES | DOORS.keys(),
    )


def _expose(settings: FunctionSettings, pings: Mapping[str, health.Ping], measure: health.Ping | None = None) -> None:
    health.expose(settings.host, settings.metrics_port, pings, measure)


def _refused(page: Any) -> tuple[bytes, int, dict[str, str]]:
    """Return as a problem what the Functions Framework would answer with a page."""
    from functions.web import problem

    answer = problem.refused(Refused(page.name, status=page.code))
    return answer.body, answer.status, answer.all_headers


def _most_bytes(function: str, settings: FunctionSettings) -> int:
    """The longest body that a synchronous function takes."""
    return settings.max_body_bytes if function == "api" else max(DELIVERY_BYTES, ENVELOPE * settings.max_body_bytes)


def serve(app: Any, settings: FunctionSettings) -> None:
    """Serve ``app`` until SIGTERM or SIGINT, then drain."""
    import uvicorn

    from functions.web.connection import Connection

    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=Connection,
        loop="asyncio",
        ws="none",
        lifespan="on",
        interface="asgi3",
        backlog=BACKLOG,
        timeout_keep_alive=120,  # above the 90 s of Knative's proxy, so that it is never the one surprised
        timeout_graceful_shutdown=DRAIN_S,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
    )
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # below, it tells of every request that is none
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)  # uvicorn raises it once more when it has drained: that is no failure
    gc.freeze()
    gc.set_threshold(GARBAGE_THRESHOLD)
    uvicorn.Server(config).run()


def main() -> None:
    """Serve the function named on the command line."""
    if len(sys.argv) != 2 or sys.argv[1] not in FUNCTIONS:
        raise SystemExit(f"usage: python -m functions.server {{{','.join(FUNCTIONS)}}}")
    function = sys.argv[1]
    # pydantic would search every installed package for plugins of its own: a tenth of the start-up.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "true")
    try:
        settings = FUNCTIONS[function].read(os.environ)
        failpoint.arm(settings.failpoints)
    except ConfigError as exc:
        raise SystemExit(f"settings: {exc}") from exc
    serve(application(function, settings), settings)


if __name__ == "__main__":
    main()
