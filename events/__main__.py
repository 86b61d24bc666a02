"""``python -m events <channel>``: one dispatcher, every partition of the channel, until SIGTERM."""

from __future__ import annotations

import os
import sys

from events.errors import ConfigError
from events.settings import DispatcherSettings
from events.subscription import SUBSCRIPTIONS
from events.wake import wake


def main() -> None:
    """Run the dispatcher named on the command line."""
    if len(sys.argv) != 2 or sys.argv[1] not in SUBSCRIPTIONS:
        raise SystemExit(f"usage: python -m events {{{','.join(SUBSCRIPTIONS)}}}")
    # pydantic would search every installed package for plugins of its own.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "true")
    try:
        settings = DispatcherSettings.read(os.environ)
    except ConfigError as exc:
        raise SystemExit(f"settings: {exc}") from exc
    # It is started because something waits: the function wakes while the rest of the dispatcher is imported.
    wake(settings.target_url)
    from events import service

    service.run(SUBSCRIPTIONS[sys.argv[1]], settings)


if __name__ == "__main__":
    main()
