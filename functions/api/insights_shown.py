"""An insight as answers show it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from functions.api.shown import Id, Json, Shown, Time
from functions.domain.insights import BY_NAME


class Insight(Shown):
    """Something that is going on with an account, or was."""

    id: Annotated[Id, Field(description="Its signal's, too.")]
    kind: Annotated[str, Field(json_schema_extra={"enum": list(BY_NAME)})]
    contact_id: Annotated[str | None, Field(description="Whom it is about, where it is about one contact.")]
    event_id: Annotated[Id | None, Field(description="The event that it began with; null where it began in silence.")]
    opened_at: Time
    closed_at: Annotated[Time | None, Field(description="May lie ahead; null where that depends on what happens.")]
    open: bool
    evidence: Annotated[Json, Field(description="The numbers that it rests on.")]
    reasons: list[str]
