"""All kinds of insights there are."""

from __future__ import annotations

from collections.abc import Mapping

from functions.domain.insight import Kind
from functions.domain.insights import attention, meetings, people, response, silence

#: In the order in which they begin and end at one moment.
KINDS: tuple[Kind, ...] = (*attention.KINDS, *people.KINDS, *response.KINDS, *silence.KINDS, *meetings.KINDS)
#: Kind by its name.
BY_NAME: Mapping[str, Kind] = {kind.name: kind for kind in KINDS}
#: Kind by its event type.
BY_TYPE: Mapping[str, Kind] = {kind.type: kind for kind in KINDS}
