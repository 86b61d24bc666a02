"""Knative Serving 1.23 around a function's real processes: activator, queue-proxy and autoscaler in one.

Sources: knative/serving v1.23, pkg/queue (containerConcurrency, a queue of ten times as many, 503), pkg/http/handler
(timeoutSeconds, 504), pkg/activator (requests wait for a pod; the wait counts), pkg/autoscaler (windows, panic).
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import urllib3

from tests.scale.pods import Deployment, Pod, Template, clock

#: What may wait in a pod's queue-proxy for each request that it serves, and in the activator while there is no pod.
QUEUE_DEPTH, BUFFER = 10, 10_000
#: Requests a pod is to have in flight on average, as a share of its containerConcurrency.
UTILIZATION = 0.7
#: The panic window as a share of the stable one, and how many times more than there is starts a panic.
PANIC_WINDOW, PANIC_THRESHOLD = 0.1, 2.0
#: A pod that is leaving is told to end when it has had no request for so long.
DRAIN_S = 30.0
AUTOSCALE_S = 2.0
TICK_S = 0.02

_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "host", "content-length", "te", "upgrade"})

Answer = tuple[int, Mapping[str, str], bytes]


@dataclass(eq=False)
class Activator:
    """One revision of one Knative Service, and the door to it.

    Args:
        template: of its pods; the grace period is timeoutSeconds.
        concurrency: containerConcurrency.
        max_scale: the most pods.
        timeout_s: timeoutSeconds.
        window_s: the stable window.
        speed: by how much Knative's own intervals are shortened; never timeoutSeconds.
    """

    template: Template
    concurrency: int
    timeout_s: float
    max_scale: int = 1
    window_s: float = 60.0
    speed: float = 1.0
    refusals: list[int] = field(default_factory=list)  # the 502, 503 and 504 that are our own

    def __post_init__(self) -> None:
        self.deployment = Deployment(self.template)
        self._changed = threading.Condition()
        self._inside = 0  # requests waiting or being served
        self._last_request_at = 0.0
        self._autoscale_at = 0.0
        self._panicking_until = 0.0
        self._load: deque[tuple[float, int]] = deque()
        self._http = urllib3.PoolManager(retries=False, maxsize=self.concurrency)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def asleep(self) -> bool:
        with self._changed:
            return self.deployment.asleep

    def roll(self) -> None:
        """Roll out a new revision: it gets the traffic once it is ready, then the old one leaves."""
        with self._changed:
            self.deployment.roll()

    @property
    def rolling(self) -> bool:
        with self._changed:
            return self.deployment.rolling or bool(self.deployment.leaving)

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Serve one request, waiting for a pod as long as timeoutSeconds allow."""
        answer = self._admitted(method, path, headers, body)
        if isinstance(answer, int):
            self.refusals.append(answer)
            return answer, {"content-type": "text/plain"}, b"activator\n"
        return answer

    def _admitted(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer | int:
        deadline = clock() + self.timeout_s
        with self._changed:
            ready = sum(pod.ready for pod in self.deployment.pods)
            if self._inside >= (self.concurrency * (QUEUE_DEPTH + 1) * ready or BUFFER):
                return 503
            self._inside += 1
        try:
            pod = self._pod(deadline)
            return self._forward(pod, deadline, method, path, headers, body) if pod else 504
        finally:
            with self._changed:
                self._inside -= 1
                self._last_request_at = clock()
                self._changed.notify_all()

    def _pod(self, deadline: float) -> Pod | None:
        """The least busy pod that may take another request; None when the time is up first."""
        with self._changed:
            while True:
                if not self.deployment.pods:
                    self.deployment.scale(1, clock())
                ready = [pod for pod in self.deployment.pods if pod.ready and pod.in_flight < self.concurrency]
                if ready:
                    pod = min(ready, key=lambda pod: pod.in_flight)
                    pod.in_flight += 1
                    return pod
                if not self._changed.wait(deadline - clock()) and clock() >= deadline:
                    return None

    def _forward(
        self, pod: Pod, deadline: float, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> Answer | int:
        timeout = urllib3.Timeout(total=max(0.001, deadline - clock()))
        try:
            found = self._http.request(
                method, f"http://127.0.0.1:{pod.port}{path}", headers=headers, body=body, timeout=timeout
            )
        except urllib3.exceptions.ConnectTimeoutError:
            return 502
        except urllib3.exceptions.TimeoutError:
            return 504
        except (urllib3.exceptions.HTTPError, OSError):
            return 502
        finally:
            with self._changed:
                pod.in_flight -= 1
                pod.last_request_at = clock()
                self._changed.notify_all()
        return found.status, _end_to_end(found.headers), found.data

    def tick(self, now: float) -> None:
        """Do what is due."""
        with self._changed:
            self._load.append((now, self._inside))
            while self._load[0][0] < now - self.window_s / self.speed:
                self._load.popleft()
            if now >= self._autoscale_at:
                self._autoscale_at = now + AUTOSCALE_S / self.speed
                self._autoscale(now)
            self.deployment.watch(now)
            leaving = self.deployment.leaving
            self.deployment.leaving = [pod for pod in leaving if not pod.end(now, drained=self._quiet(pod, now))]
            self._changed.notify_all()

    def _quiet(self, pod: Pod, now: float) -> bool:
        """What the preStop hook waits for; its time is the grace period's."""
        assert pod.leaving_since is not None
        return not pod.in_flight and now > max(pod.leaving_since, pod.last_request_at) + DRAIN_S / self.speed

    def _autoscale(self, now: float) -> None:
        """As many pods as the load of the stable window asks for; in a panic never fewer than there are."""
        pods = self.deployment.wanted
        window_s = self.window_s / self.speed
        found = min(self.max_scale, self._asked_for(now - window_s))
        panic = min(self.max_scale, self._asked_for(now - window_s * PANIC_WINDOW))
        if pods and panic >= PANIC_THRESHOLD * pods:
            self._panicking_until = now + window_s
        if now < self._panicking_until:
            found = max(found, panic, pods)
        if now < self._last_request_at + window_s:
            found = max(1, found)
        if pods and found != pods:
            self.deployment.scale(found, now)

    def _asked_for(self, since: float) -> int:
        loads = [load for at, load in self._load if at >= since]
        return math.ceil(sum(loads) / len(loads) / (self.concurrency * UTILIZATION)) if loads else 0

    def close(self) -> None:
        self._http.clear()
        self._server.server_close()
        self.deployment.kill()

    def serve(self) -> None:
        """Take requests until :meth:`shut`."""
        self._server.serve_forever(poll_interval=0.05)

    def shut(self) -> None:
        self._server.shutdown()


@contextmanager
def running(activator: Activator) -> Iterator[Activator]:
    """Let ``activator`` work while the block runs, and leave no process behind."""
    stopping = threading.Event()
    failures: list[BaseException] = []

    def work() -> None:
        try:
            while not stopping.wait(TICK_S):
                activator.tick(clock())
        except BaseException as exc:  # noqa: BLE001 - raised again where the test sees it
            failures.append(exc)

    threads = [threading.Thread(target=work), threading.Thread(target=activator.serve)]
    for thread in threads:
        thread.start()
    try:
        yield activator
    finally:
        stopping.set()
        activator.shut()
        for thread in threads:
            thread.join()
        activator.close()
    if failures:
        raise failures[0]


def _handler(activator: Activator) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """The door."""

        protocol_version = "HTTP/1.1"
        timeout = 60
        wbufsize = 1 << 16  # one write an answer

        def serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            status, headers, content = activator.answer(self.command, self.path, _end_to_end(self.headers), body)
            with suppress(OSError):  # whoever asked may have gone
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        do_GET = do_POST = do_OPTIONS = serve  # noqa: N815 - http.server's names

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler


def _end_to_end(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in _HOP_BY_HOP}
