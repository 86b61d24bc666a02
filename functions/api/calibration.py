"""The API's calibration: what won and lost deals say of the scoring model."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from pydantic import Field

from functions.api import examples_model as examples
from functions.api.backends import Backends
from functions.api.routes import Resource
from functions.api.shown import Shown
from functions.service import models
from functions.service.principal import Principal


class WonShare(Shown):
    """How many of some accounts were won."""

    accounts: int
    won: int
    win_rate: Annotated[float, Field(ge=0, le=1)]
    lift: Annotated[float, Field(ge=0, description="The win rate divided by that of all accounts.")]


class ScoreDecile(Shown):
    """A tenth of the accounts by engagement, 1 is the highest."""

    number: int
    lowest: float
    highest: float
    share: WonShare


class TypeShare(Shown):
    """The accounts with an event of one type."""

    event_type: str
    points: Annotated[int | None, Field(description="By the model; null of a type that there is no more.")]
    share: WonShare


class SuggestedBands(Shown):
    """Engagement from which bands would begin by these outcomes; null where they do not tell."""

    hot: float | None = None
    warm: float | None = None
    cool: float | None = None


class CalibrationReport(Shown):
    """What outcomes say of the scoring model that counts now."""

    model_version: int
    complete: Annotated[bool, Field(description="False: the newest outcomes, and other accounts as if drawn by lot.")]
    outcomes: Annotated[int, Field(description="Accounts that were won or lost.")]
    all: WonShare
    hot: Annotated[WonShare, Field(description="Of the accounts that were hot; `win_rate` is the precision.")]
    recall: Annotated[float, Field(ge=0, le=1, description="How many of those won were hot.")]
    deciles: list[ScoreDecile]
    suggested_bands: SuggestedBands
    types: Annotated[list[TypeShare], Field(description="By win rate, the highest first.")]


resource = Resource("calibration", "What won and lost deals say of the scoring model.")


@resource.route("GET", "/api/v1/calibrate", example=examples.CALIBRATION, refuses={422})
def get_calibration(backends: Backends, by: Principal) -> CalibrationReport:
    """Compare accounts' engagement just before their deals were won or lost with what came of them.

    An account without an outcome counts as it is now, as not won. 422 where fewer than 50 have one.
    """
    found = models.calibrate(backends.models, by, by.tenant, backends.now())
    shown = asdict(found)
    return CalibrationReport(model_version=shown.pop("version"), suggested_bands=shown.pop("bands"), **shown)
