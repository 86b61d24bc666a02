"""``make run``: every part of the platform on this machine, until Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from events.errors import ConfigError
from events.settings import LocalSettings
from functions.local import parts
from functions.local.console import Console
from functions.local.home import Home
from functions.local.parts import Plan
from functions.local.supervisor import Supervisor


def main() -> int:
    """Run until stopped; return the exit code."""
    try:
        settings = LocalSettings.read(os.environ)
        home = Home(Path(settings.home))
        with home.locked() as lock:
            plan = parts.decide(settings, home, os.environ)
            return asyncio.run(_run(plan, lock))
    except ConfigError as exc:
        print(f"sspp: {exc}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


async def _run(plan: Plan, lock: int) -> int:
    console = Console(sys.stdout, colour=sys.stdout.isatty() and not os.environ.get("NO_COLOR"))
    supervisor = Supervisor(console, cwd=parts.ROOT, keep_fds=[lock])
    code = await supervisor.run(lambda: _story(plan, supervisor, console))
    console.say(f"stopped; state is in {plan.home.path}, `make run` goes on from there")
    return code


async def _story(plan: Plan, supervisor: Supervisor, console: Console) -> None:
    """Start everything in order, say so, and wait to be cancelled."""
    await supervisor.start(*await asyncio.to_thread(plan.stores))
    await supervisor.finish(plan.migrate())
    key = await asyncio.to_thread(plan.demo_tenant)
    await supervisor.start(*plan.application())
    plan.home.announce(
        {
            "ingest_url": plan.url("ingest"),
            "api_url": plan.url("api"),
            "api_key": key,
            "operator_key": plan.settings.operator_keys[0],
            "redis_url": plan.settings.redis_url,
            "database_url": plan.settings.database_url,
            "mailbox_url": plan.url("mailbox"),
            "metrics_urls": plan.metrics_urls(),
        }
    )
    try:
        console.plain(_banner(plan, key))
        for name in await asyncio.to_thread(plan.away):
            console.say(
                f"{name} is away: everything else works, and what waits for it is caught up on once it is back"
            )
        await asyncio.Event().wait()
    finally:
        plan.home.withdraw()


def _banner(plan: Plan, key: str) -> str:
    ingest, api = plan.url("ingest"), plan.url("api")
    metrics = "  ".join(f"{part}:{port}" for part, port in plan.metrics.items())
    mailbox = plan.url("mailbox") or "none, e-mail goes to the server in SSPP_SMTP_URL"
    event = (
        '{"specversion":"1.0","id":"\'$(uuidgen 2>/dev/null || date +%s%N)\'","source":"/curl",'
        '"type":"io.sspp.demo.completed","data":{"accountId":"acme","contactId":"jane@acme.example"}}'
    )
    return f"""
SSPP is ready.

  ingest    {ingest}
  api       {api}
  mailbox   {mailbox}
  metrics   /metrics on {metrics}
  demo key  {key}

Send an event:
  curl -sS {ingest}/ -H 'x-api-key: {key}' \\
    -H 'content-type: application/cloudevents+json' \\
    -d '{event}'

See what came of it (the first with the id that the event was answered with):
  curl -sS -H 'x-api-key: {key}' {api}/api/v1/events/ID
  curl -sS -H 'x-api-key: {key}' {api}/api/v1/accounts/acme
  curl -sS -H 'x-api-key: {key}' {api}/api/v1/signals
  curl -sS -H 'x-api-key: {key}' '{api}/api/v1/signals/search?q=demo'

A made-up sales week: make demo (in another terminal). Ctrl-C stops.
"""


if __name__ == "__main__":
    sys.exit(main())
