"""``sspp``, also ``python -m functions.cli``: the commands, and every failure as one sentence."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException

from events.errors import ConfigError, Refused, Unavailable
from functions import VERSION
from functions.cli import output
from functions.cli.installation import Installation

#: Exit codes of sysexits.h: the answer could not be written; try again later.
EX_IOERR = 74
EX_TEMPFAIL = 75

#: Command -> the module that has it, and what it does.
COMMANDS: Mapping[str, tuple[str, str]] = {
    "tenants": ("tenants", "Create, limit, suspend and list tenants."),
    "keys": ("keys", "Issue, list, rotate and revoke API keys."),
    "types": ("types", "Add and list a tenant's own event types."),
    "rules": ("rules", "Add, change and list a tenant's rules."),
    "model": ("model", "Show, change, compare and calibrate a tenant's scoring model."),
    "replay": ("replay", "Score a tenant's past anew by another scoring model."),
    "accounts": ("accounts", "Show accounts, set attributes, and merge accounts."),
    "send": ("send", "Send one event and write the id it was accepted under."),
    "index": ("index", "Rebuild and check the copy of the signals in Elasticsearch."),
    "dead-letters": ("dead_letters", "List, show, edit, redrive and purge dead letters."),
}

_ABOUT = """\
Tenants, their API keys, event types and rules; accounts; sending an event; the search's copy; dead letters.

\b
Works on the `make run` whose $SSPP_HOME/ready.json (default: .sspp/ready.json) is there,
or on the stores in DATABASE_URL and REDIS_URL where both are set.

\b
Results go to standard output, words about them to standard error. Exit codes: 0 done,
1 refused, 2 a mistake in the command, 75 a backend is away: the same again, later."""


class Commands(TyperGroup):
    """The top of the command line. A command's module is imported when it is used: help and completion need none."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of the commands."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command with its options; None where there is none of that name."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        return typer.main.get_command(import_module(f"functions.cli.{COMMANDS[cmd_name][0]}").group)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write what each command does."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_, about) in COMMANDS.items()])

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find a command by its name; see TyperGroup, which suggests those of :attr:`commands`."""
        self.commands = dict.fromkeys(COMMANDS, TyperCommand("command"))
        return super().resolve_command(ctx, args)


def _version(given: bool) -> None:
    if given:
        output.result(f"sspp {VERSION}")
        raise typer.Exit


def command() -> Any:
    """Return the whole command line."""
    top = typer.Typer(
        cls=Commands,
        help=_ABOUT,
        rich_markup_mode=None,
        no_args_is_help=False,
        context_settings={"max_content_width": output.WIDTH},
    )

    @top.callback()
    def sspp(
        version: Annotated[
            bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
        ] = False,
    ) -> None:
        del version

    return typer.main.get_command(top)


def main(argv: Sequence[str] | None = None, env: Mapping[str, str] | None = None) -> int:
    """Run one command. Returns the exit code.

    Args:
        argv: the command without the program's name; the process's own when not given.
        env: the environment; the process's own when not given.
    """
    try:
        installation = Installation(os.environ if env is None else env)
        code = command()(args=argv, prog_name="sspp", obj=installation, standalone_mode=False)
        output.flush()
        return code or 0
    except TyperException as exc:
        output.complain(_mistake(exc))
        return exc.exit_code
    except (Refused, ConfigError) as exc:
        for line in _sentences(exc):
            output.complain(line)
        return 1
    except Unavailable as exc:
        output.complain(exc.in_full)
        return EX_TEMPFAIL
    except output.NotWritten as exc:
        output.complain(f"the answer could not be written: {exc}")
        output.give_up()
        return EX_IOERR


def _mistake(exc: TyperException) -> str:
    """Return what is wrong with a command, and where its help is."""
    context: typer.Context | None = getattr(exc, "ctx", None)
    says = exc.format_message().rstrip(".")
    return f"{says} (see `{context.command_path if context else 'sspp'} --help`)"


def _sentences(exc: Refused | ConfigError) -> list[str]:
    """Return what is wrong, one line a fault."""
    if not isinstance(exc, Refused):
        return [str(exc)]
    if not exc.faults:
        return [exc.detail or exc.title]
    return [f"{fault.pointer or 'the document'}: {fault.detail.splitlines()[0]}" for fault in exc.faults]


if __name__ == "__main__":
    sys.exit(main())
