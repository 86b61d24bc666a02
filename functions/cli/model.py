"""``sspp model``: a tenant's scoring model and its versions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from functions.cli import output
from functions.cli.arguments import File, Json, Tenant, app, document, examples
from functions.cli.installation import installation

if TYPE_CHECKING:
    from functions.adapters.postgres.models import PostgresModels
    from functions.domain.calibration import Decile, TypeShare
    from functions.domain.model import ScoringModel

group = app("Show, change, compare and calibrate a tenant's scoring model.")

_DOCUMENT = """\
Save a new version of a tenant's scoring model.

\b
The document (docs/model.md) says what differs from the defaults:
  {
    "bands": {"hot": 70},
    "types": {"demo_completed": {"points": 80, "halfLifeDays": 45}},
    "insights": {"surge": {"enabled": false}}
  }"""
#: Versions that ``history`` shows.
_MOST = 100

Which = Annotated[str, typer.Argument(metavar="VERSION|FILE", help="a version's number, or a document (- for stdin)")]


@group.command(
    epilog=examples("sspp model show acme", "sspp model show acme --version 1 > model.json"),
)
def show(
    ctx: typer.Context,
    tenant: Tenant,
    version: Annotated[int | None, typer.Option(metavar="N", help="of an earlier one (default: the newest)")] = None,
    json: Json = False,
) -> None:
    """Write a tenant's scoring model, whole, as `put` takes it.

    With --json also its version, when it was made and by whom.
    """
    from functions.service import models
    from functions.service.principal import OPERATOR

    with installation(ctx).models() as stored:
        found = (
            models.newest(stored, OPERATOR, tenant)
            if version is None
            else models.version(stored, OPERATOR, tenant, version)
        )
    definition = found.model.model_dump(mode="json")
    if json:
        output.document(
            {
                "version": found.version,
                "definition": definition,
                "created_at": found.created_at,
                "created_by": found.created_by,
            }
        )
        return
    output.document(definition)
    output.say(f"version {found.version} of {tenant}'s scoring model")


@group.command(help=_DOCUMENT, epilog=examples("sspp model put acme model.json", "sspp model put acme - < model.json"))
def put(ctx: typer.Context, tenant: Tenant, file: File, json: Json = False) -> None:
    """Save a new version of a tenant's scoring model."""
    from functions.domain.model import ScoringModel
    from functions.service import models
    from functions.service.principal import OPERATOR

    model = document(ScoringModel, file)
    with installation(ctx).models() as stored:
        saved = models.put(stored, OPERATOR, tenant, model)
    hint = f"{tenant} has version {saved.version}, which counts for events from now on and for how scores are shown"
    output.done({"tenant": tenant, "version": saved.version}, as_json=json, remark=hint)


@group.command(
    epilog=examples("sspp model diff acme 1", "sspp model diff acme 1 3", "sspp model diff acme 3 new.json")
)
def diff(
    ctx: typer.Context,
    tenant: Tenant,
    before: Which,
    after: Annotated[
        str | None, typer.Argument(metavar="VERSION|FILE", help="compared with it (default: the newest)")
    ] = None,
    json: Json = False,
) -> None:
    """Say what differs between two versions of a model, or a version and a document: a line each."""
    from functions.domain.model import diff as differs

    with installation(ctx).models() as stored:
        lines = differs(_read(stored, tenant, before), _read(stored, tenant, after))
    if json:
        output.document(lines)
    elif lines:
        output.result("\n".join(lines))
    else:
        output.say("they are the same")


@group.command(epilog=examples("sspp model history acme"))
def history(ctx: typer.Context, tenant: Tenant, json: Json = False) -> None:
    """List the versions of a tenant's scoring model: when, by whom, and what each changed."""
    from functions.service import models
    from functions.service.principal import OPERATOR

    with installation(ctx).models() as stored:
        found = models.history(stored, OPERATOR, tenant, most=_MOST)
    rows = [
        {
            "version": each.version.version,
            "created_at": each.version.created_at,
            "created_by": each.version.created_by,
            "changes": each.differs if json else "; ".join(each.differs),
        }
        for each in found.changes
    ]
    output.listing(rows, ("version", "created_at", "created_by", "changes"), as_json=json)


@group.command(epilog=examples("sspp model calibrate acme"))
def calibrate(ctx: typer.Context, tenant: Tenant, json: Json = False) -> None:
    """Compare scores just before deals were won or lost with what came of them.

    lift is the win rate divided by that of all accounts. At least 50 accounts must have an outcome.
    """
    from functions.service import models
    from functions.service.principal import OPERATOR

    with installation(ctx).models() as stored:
        found = models.calibrate(stored, OPERATOR, tenant, datetime.now(UTC))
    if json:
        output.document(found)
        return
    output.result(f"{found.all.won} of {found.all.accounts} accounts won; {found.outcomes} have an outcome")
    output.result(f"hot: {found.hot.won} of {found.hot.accounts} won, {found.recall:.0%} of all won")
    output.result("bands by these outcomes: " + (", ".join(f"{k} {v:g}" for k, v in found.bands.items()) or "none"))
    scores = [
        {"decile": each.number, "scores": f"{each.highest} - {each.lowest}", **_rates(each)} for each in found.deciles
    ]
    output.listing(scores, ("decile", "scores", "accounts", "won", "rate", "lift"), as_json=False)
    types = [{"event_type": each.event_type, "points": each.points, **_rates(each)} for each in found.types]
    output.listing(types, ("event_type", "points", "accounts", "won", "rate", "lift"), as_json=False)
    if not found.complete:
        output.say("the newest outcomes, and other accounts as if drawn by lot: rates are of these alone")


def _rates(of: Decile | TypeShare) -> dict[str, object]:
    share = of.share
    return {
        "accounts": share.accounts,
        "won": share.won,
        "rate": f"{share.win_rate:.1%}",
        "lift": f"{share.lift:.2f}",
    }


@group.command(epilog=examples("sspp model schema > model.schema.json"))
def schema(json: Json = False) -> None:
    """Write the JSON Schema of a scoring model."""
    from functions.domain.model import ScoringModel

    del json  # it is JSON either way
    output.document(ScoringModel.model_json_schema())


def _read(stored: PostgresModels, tenant: str, which: str | None) -> ScoringModel:
    """Return the model that a version's number or a document's file names; the newest where nothing does."""
    from functions.domain.model import ScoringModel
    from functions.service import models
    from functions.service.principal import OPERATOR

    if which is None:
        return models.newest(stored, OPERATOR, tenant).model
    if which.isascii() and which.isdecimal():
        return models.version(stored, OPERATOR, tenant, int(which)).model
    return document(ScoringModel, which)
