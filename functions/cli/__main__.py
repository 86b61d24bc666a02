"""``sspp``, also ``python -m functions.cli``: what was asked, done, and every failure in words."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence

from events.errors import ConfigError, Refused, Unavailable
from functions import VERSION
from functions.cli import dead_letters, keys, output, rules, send, tenants, types
from functions.cli.arguments import Commands
from functions.cli.installation import Installation

#: Exit codes of sysexits.h: the answer could not be written; try again later.
EX_IOERR = 74
EX_TEMPFAIL = 75
INTERRUPTED = 130

_WHERE = """\
Works on the `make run` whose $SSPP_HOME/ready.json (default: .sspp/ready.json) is there,
or on the stores in DATABASE_URL and REDIS_URL where both are set.

Results go to standard output, words about them to standard error. Exit codes: 0 done,
1 refused, 2 a mistake in the command, 75 a backend is away: the same again, later."""


def parser() -> argparse.ArgumentParser:
    """Every command with its arguments."""
    top = argparse.ArgumentParser(
        prog="sspp",
        description="Tenants, their API keys, event types and rules; sending an event; dead letters.",
        epilog=_WHERE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=f"sspp {VERSION}")
    commands: Commands = top.add_subparsers(metavar="COMMAND", required=True)
    for noun in (tenants, keys, types, rules, send, dead_letters):
        noun.add(commands)
    return top


def main(argv: Sequence[str] | None = None, env: Mapping[str, str] | None = None) -> int:
    """Run one command; give the exit code.

    Args:
        argv: the command without the program's name; the process's own when not given.
        env: the environment; the process's own when not given.
    """
    try:
        options = parser().parse_args(argv)
        options.run(options, Installation(os.environ if env is None else env))
        sys.stdout.flush()
    except Refused as exc:
        for line in _sentences(exc):
            output.complain(line)
        return 1
    except ConfigError as exc:
        output.complain(str(exc))
        return 1
    except Unavailable as exc:
        output.complain(exc.in_full)
        return EX_TEMPFAIL
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as exc:
        output.complain(f"the answer could not be written: {exc.strerror}")
        output.give_up()
        return EX_IOERR
    return 0


def _sentences(refusal: Refused) -> list[str]:
    """What is wrong, one line a fault."""
    if not refusal.faults:
        return [refusal.detail or refusal.title]
    return [f"{fault.pointer or 'the document'}: {fault.detail.splitlines()[0]}" for fault in refusal.faults]


if __name__ == "__main__":
    sys.exit(main())
