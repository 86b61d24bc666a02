"""The configuration of a stack: parsed once, every fault listed at once, before anything is created."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from difflib import get_close_matches

import rules
from pydantic import ValidationError
from stack import Stack


class ConfigError(Exception):
    """The configuration cannot be used; the message has a line for each fault and what to change."""


#: Setting without a default -> how to set it, and the value that takes its place while other rules are checked.
GIVEN = {
    "name": ("use a stack called dev, staging or prod", "dev"),
    "region": ("pulumi config set sspp:region us-ord", "us-ord"),
    "image": ("pulumi config set sspp:image <registry/name:tag that the cluster can pull>", "registry/sspp:0"),
    "bucket": ("pulumi config set sspp:bucket <a name nobody in the region has>", "sspp-backups"),
    "token": ("pulumi config set --secret linode:token <a token>, or LINODE_TOKEN", "-"),
    "seed": ('pulumi config set --secret sspp:seed "$(openssl rand -hex 32)"', "-" * 32),
    "smtpUrl": ("pulumi config set --secret sspp:smtpUrl smtps://user:password@host:465", "-"),
}
#: Setting of Linode's provider -> its full name; the names of all others begin with `sspp:`.
PROVIDERS = {"token": "linode:token", "apiUrl": "linode:url", "apiVersion": "linode:apiVersion"}


def parse(settings: Mapping[str, str]) -> Stack:
    """Return the stack that ``settings`` describe.

    Args:
        settings: name -> text; maps and lists are JSON, as the engine stores them.

    Raises:
        ConfigError: names every missing or wrong setting, and no secret's value.
    """
    values, faults = {}, {}
    for name, text in settings.items():
        try:
            values[name] = json.loads(text) if text[:1] in "[{" else text
        except ValueError:
            faults[name] = "is not valid JSON"
    try:
        stack = Stack.model_validate(values)
    except ValidationError as exc:
        for error in exc.errors(include_url=False, include_input=False):
            where = ".".join(str(word) for word in error["loc"])
            faults.setdefault(where, _put(where, error["type"], error["msg"]))
        wrong = {where.partition(".")[0] for where in faults}
        stand_ins = {name: value for name, (_, value) in GIVEN.items() if name in wrong}
        stack = Stack.model_validate({k: v for k, v in values.items() if k not in wrong} | stand_ins)
    wrong = {where.partition(".")[0] for where in faults}
    lines = [f"{_full(where)} {fault}" for where, fault in faults.items()]
    lines += [text for setting, text in rules.contradictions(stack) if setting not in wrong]
    if lines:
        raise ConfigError(f"stack {settings.get('name')} cannot be used:\n  " + "\n  ".join(lines))
    return stack


def refuse_unknown(keys: Iterable[str]) -> None:
    """Refuse ``sspp:`` keys that are no settings.

    Args:
        keys: all keys of the configuration, with their namespaces.
    """
    ours = set(names()) - {"name", *PROVIDERS}
    unknown = sorted({key.removeprefix("sspp:") for key in keys if key.startswith("sspp:")} - ours)
    alike = {name.lower(): name for name in ours}
    lines = []
    for name in unknown:
        near = get_close_matches(name.lower(), alike, n=1)
        lines.append(f"sspp:{name} is no setting" + (f"; is it sspp:{alike[near[0]]}?" if near else ""))
    if lines:
        raise ConfigError("the configuration cannot be used:\n  " + "\n  ".join(lines))


def names() -> list[str]:
    """Return the name of every setting."""
    return [field.alias or name for name, field in Stack.model_fields.items()]


def _put(where: str, kind: str, message: str) -> str:
    if kind == "missing" and where in GIVEN:
        return f"is missing: {GIVEN[where][0]}"
    if where == "seed":
        return f"is shorter than 32 characters: {GIVEN['seed'][0]}"
    return f"is wrong: {message.removeprefix('Value error, ')}"


def _full(where: str) -> str:
    return PROVIDERS.get(where, f"sspp:{where}")
