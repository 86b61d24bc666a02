"""The options that select dead letters, the same for each command that takes them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any

import typer

from events.errors import Refused
from functions.cli.arguments import Channel, When, status, when

if TYPE_CHECKING:
    from functions.service.selection import Selection


def _option(*names: str, **more: Any) -> Any:
    return typer.Option(*names, **more)


def _time(name: str, about: str) -> Any:
    text = f"the last attempt was {about} 2030-01-31T00:00:00Z, or 24h ago (s, m, h, d, w)"
    return _option(name, parser=when, metavar="WHEN", help=text)


#: Field of :class:`functions.service.selection.Selection` -> its option.
OPTIONS: Mapping[str, Any] = {
    "tenant": Annotated[str | None, _option("--tenant", metavar="ID", help="the tenant's")],
    "channel": Annotated[Channel | None, _option("--channel", help="where they failed")],
    "type": Annotated[str | None, _option("--type", metavar="TYPE", help="the event's type")],
    "source": Annotated[str | None, _option("--source", metavar="SOURCE", help="the event's source")],
    "event_id": Annotated[
        str | None, _option("--event-id", metavar="ID", help="the event's id: the sender's, or the front door's")
    ],
    "reason": Annotated[
        str | None, _option("--reason", metavar="TEXT", help="part of the reason, in upper or lower case")
    ],
    "status": Annotated[
        int | None,
        _option("--status", parser=status, metavar="STATUS", help="what the function answered; 0 for no answer"),
    ],
    "since": Annotated[When | None, _time("--from", "not before")],
    "until": Annotated[When | None, _time("--to", "before")],
}


def selecting(run: Callable[..., None]) -> Callable[..., None]:
    """Add :data:`OPTIONS` to a command. It finds them in its context: see :func:`selection`."""
    own = inspect.signature(run, eval_str=True)
    options = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
        for name, kind in OPTIONS.items()
    ]

    @wraps(run)
    def command(**given: Any) -> None:
        run(**{name: given[name] for name in own.parameters})

    signature = own.replace(parameters=[*own.parameters.values(), *options])
    described: Any = command
    described.__signature__ = signature
    described.__annotations__ = {name: parameter.annotation for name, parameter in signature.parameters.items()}
    return command


def selects(ctx: typer.Context) -> bool:
    """Return whether anything is selected."""
    return any(ctx.params[name] is not None for name in OPTIONS)


def selection(ctx: typer.Context) -> Selection:
    """Return what is selected.

    Raises:
        Refused: a value is none that a dead letter can have.
    """
    from pydantic import ValidationError

    from events.cloudevent import faults
    from functions.service.selection import Selection

    now = datetime.now(UTC)
    given = {name: ctx.params[name] for name in OPTIONS}
    try:
        return Selection(
            **{name: value.before(now) if isinstance(value, When) else value for name, value in given.items()}
        )
    except ValidationError as exc:
        raise Refused("Unacceptable", faults=faults(exc)) from exc
