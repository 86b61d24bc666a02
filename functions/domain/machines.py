"""The signs of machines in a scoring model: flags, proxies, clicks too soon, and bursts."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from functions.domain.by_type import ByType

_CONFIG = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
_Text = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")]
#: Seconds of a window that events are counted in; at most an hour, so that few events are looked at.
_Window = Annotated[int, Field(ge=1, le=3600)]
_Least = Annotated[int, Field(ge=2, le=1000)]


class Burst(BaseModel):
    """So many events within so many seconds are no person's."""

    model_config = _CONFIG

    events: _Least
    seconds: _Window


class MailBurst(BaseModel):
    """Clicks on so many links of one e-mail within so many seconds are no person's."""

    model_config = _CONFIG

    links: _Least = 3
    seconds: _Window = 10


class Machines(BaseModel):
    """How events that no person caused are recognised.

    Args:
        flags: members of an event's metadata that say so, where they are true.
        clickAfterSendSeconds: a click sooner than that after its e-mail was sent; 0 for none.
        burst: by event type.
        proxies: texts in ``metadata.userAgent``, in any case.
    """

    model_config = _CONFIG

    flags: Annotated[tuple[_Text, ...], Field(max_length=50)] = (
        "machine",
        "isMachine",
        "machineOpen",
        "sg_machine_open",
        "bot",
        "isBot",
        "automated",
    )
    clickAfterSendSeconds: Annotated[float, Field(ge=0, le=3600)] = 2.0  # noqa: N815 - the wire's name
    burst: ByType[Burst] = {
        "io.sspp.page.viewed": Burst(events=20, seconds=60),
        "io.sspp.pricing.viewed": Burst(events=10, seconds=60),
        "io.sspp.email.opened": Burst(events=20, seconds=60),
    }
    mailBurst: MailBurst | None = MailBurst()  # noqa: N815 - the wire's name
    proxies: Annotated[tuple[_Text, ...], Field(max_length=50)] = (
        "GoogleImageProxy",
        "YahooMailProxy",
        "Barracuda",
        "Mimecast",
        "Proofpoint",
        "bot",
        "crawler",
        "spider",
    )
