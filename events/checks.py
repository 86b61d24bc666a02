"""What the value of a setting must be: each check returns a sentence that says so, empty where the value is that.

No sentence repeats the value: it may be secret.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

from events import retry

Check = Callable[[Any], str]

LOG_LEVELS = frozenset({"debug", "info", "warning", "error"})

#: The fewest characters of a secret, and the most values at a time: the new one and the one it replaces.
SECRET_CHARACTERS, SECRET_VALUES = 32, 2


def anything(_: Any) -> str:
    """Accept every value."""
    return ""


def at_least(least: int) -> Check:
    """Return a check that a number is not below ``least``."""
    return lambda number: "" if number >= least else f"must be at least {least}"


def port(number: int) -> str:
    """Check a port of TCP."""
    return "" if 0 < number < 65_536 else "must be a port, 1-65535"


def one_of(*values: str) -> Check:
    """Return a check that a text is one of ``values``."""
    return lambda text: "" if text in values else f"must be one of {', '.join(values)}"


def log_level(text: str) -> str:
    """Check a level of the log, in any case."""
    return one_of(*sorted(LOG_LEVELS))(text.lower())


def schedule(text: str) -> str:
    """Check a list of waits between retries."""
    try:
        retry.schedule(text)
    except ValueError as exc:
        return f"is no schedule: {exc}"
    return ""


def logins(*parts: str) -> Check:
    """Return a check of a list of passwords for ``parts``."""
    login = re.compile(rf"({'|'.join(parts)}):[!-+\--9;-~]+")
    expected = f"must be like part:password,part:password; parts are {', '.join(parts)}"
    return lambda text: "" if all(login.fullmatch(pair) for pair in text.split(",") if pair) else expected


def values_of(secret: str) -> tuple[str, ...]:
    """Return the values of a secret, the one to show first; none where it is not set."""
    return tuple(value.strip() for value in secret.split(",")) if secret else ()


def secret(text: str) -> str:
    """Check the values of a secret."""
    values = values_of(text)
    if any(len(value) < SECRET_CHARACTERS for value in values):
        return f"must have at least {SECRET_CHARACTERS} characters"
    return "" if len(values) <= SECRET_VALUES else f"may be {SECRET_VALUES} values, the new one and the old"


def url(form: str, *schemes: str) -> Check:
    """Return a check of a URL. A port is mandatory where ``form``, which the sentence shows, has one."""
    expected = f"must be like {' or '.join(f'{scheme}://' for scheme in schemes)}{form}"
    return lambda text: "" if not text or _is_like(schemes, form, text) else expected


def _is_like(schemes: Iterable[str], form: str, text: str) -> bool:
    try:
        parts = urlsplit(text)
        number = parts.port
    except ValueError:  # its text quotes the URL
        return False
    complete = bool(parts.hostname) and (number is not None or "host:" not in form)
    return complete and parts.scheme in schemes and number != 0


http_url = url("host/", "http", "https")


def http_urls(text: str) -> str:
    """Check URLs that are parted by spaces."""
    return next(filter(None, map(http_url, text.split())), "")
