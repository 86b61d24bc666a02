"""What of an event tells a machine from a person, and is compared with other events: kept as hashes."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import NamedTuple

SENT, CLICKED = "io.sspp.email.sent", "io.sspp.email.clicked"

#: Members of metadata that name an e-mail.
_MAIL = ("messageId", "emailId")


class Marks(NamedTuple):
    """The e-mail, the link and the campaign that an event's metadata names: a hash of each, or None."""

    mail: int | None = None
    link: int | None = None
    campaign: int | None = None


NO_MARKS = Marks()


def marks(type_: str, metadata: Mapping[str, object]) -> Marks:
    """Return what an event of a type is compared with others by. Only what somebody compares is kept."""
    if not metadata:
        return NO_MARKS
    campaign = _hash(metadata.get("campaign"))
    if type_ == CLICKED:
        return Marks(_mail(metadata), _hash(metadata.get("url")), campaign)
    if type_ == SENT:
        return Marks(mail=_mail(metadata))
    return NO_MARKS if campaign is None else Marks(campaign=campaign)


def _mail(metadata: Mapping[str, object]) -> int | None:
    found = (_hash(metadata.get(name)) for name in _MAIL)
    return next((hashed for hashed in found if hashed is not None), None)


def _hash(value: object) -> int | None:
    """Return 64 bits of a text or a number; None where there is none. A number is what it is written as."""
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        return None
    return int.from_bytes(blake2b(str(value).encode(errors="replace"), digest_size=8).digest(), signed=True)
