"""The API's scoring model: the HTTP face of :mod:`functions.service.models`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from functions.api import examples_model as examples
from functions.api.backends import Backends
from functions.api.paging import Cursor, Limit, NextCursor, read_cursor, write_cursor
from functions.api.parameters import Question, missing
from functions.api.routes import Resource
from functions.api.shown import Shown, Time
from functions.domain.key import WRITE_MODEL
from functions.domain.model import ScoringModel, Versioned
from functions.domain.signal import instant
from functions.service import models
from functions.service.principal import Principal

#: Digits that a version's number may have.
_MOST_DIGITS = 9


class ModelVersion(Shown):
    """When a version of the scoring model was made, and by whom; null for the default."""

    version: int
    created_at: Time | None
    created_by: Annotated[str | None, Field(description="`operator`, or how a key's digest begins.")]


class WholeModel(ModelVersion):
    """A version of the scoring model."""

    definition: ScoringModel


class ModelChange(ModelVersion):
    """A version of the scoring model, by what it changed."""

    changes: Annotated[list[str], Field(description="What differs from the version before, a line each.")]


class ModelHistory(Shown):
    """Some versions of the scoring model."""

    data: list[ModelChange]
    next_cursor: NextCursor


class Versions(Question):
    """Which versions of the scoring model, and how many at once."""

    limit: Limit = 20
    cursor: Cursor = None


resource = Resource("model", "The numbers that scores and insights are made with, and their versions.")


@resource.route("GET", "/api/v1/model", example=examples.MODEL)
def get_model(backends: Backends, by: Principal) -> WholeModel:
    """Return the scoring model that counts now, with every default in it."""
    return _whole(models.newest(backends.models, by, by.tenant))


@resource.route("PUT", "/api/v1/model", example=examples.PUT_MODEL, scope=WRITE_MODEL, refuses={409}, wrong=422)
def put_model(backends: Backends, by: Principal, *, body: ScoringModel) -> WholeModel:
    """Save a new version of the scoring model; the same again changes nothing.

    It replaces the one before as a whole: what is left out is as by default. It counts for the events that come after
    it, and for how scores are shown. Points of earlier events stay.
    """
    return _whole(models.put(backends.models, by, by.tenant, body))


@resource.route("GET", "/api/v1/model/versions", example=examples.MODEL_VERSIONS)
def list_model_versions(backends: Backends, by: Principal, *, query: Versions) -> ModelHistory:
    """List the versions of the scoring model, the newest first: when, by whom, and what each changed."""
    before = None if query.cursor is None else read_cursor(query.cursor, query, by.tenant, int)
    found = models.history(backends.models, by, by.tenant, before=before, most=query.limit)
    return ModelHistory(
        data=[ModelChange(**_of(each.version), changes=each.differs) for each in found.changes],
        next_cursor=None if found.next is None else write_cursor(query, by.tenant, found.next),
    )


@resource.route("GET", "/api/v1/model/versions/{id}", example=examples.MODEL_VERSION)
def get_model_version(backends: Backends, by: Principal, *, id_: str) -> WholeModel:
    """Return one version of the scoring model by its number."""
    if not (id_.isascii() and id_.isdecimal() and len(id_) <= _MOST_DIGITS):
        raise missing("version")
    return _whole(models.version(backends.models, by, by.tenant, int(id_)))


def _whole(found: Versioned) -> WholeModel:
    return WholeModel(**_of(found), definition=found.model)


def _of(found: Versioned) -> dict[str, object]:
    at = found.created_at
    return {"version": found.version, "created_at": at and instant(at), "created_by": found.created_by}
