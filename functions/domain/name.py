"""Names of accounts, contacts and users: one spelling for what people write in several."""

from __future__ import annotations

from typing import Annotated
from unicodedata import normalize

from pydantic import AfterValidator, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from events import cloudevent

#: Characters an account, a contact or a user may be named with.
MAX_NAME = 256

#: Clients resolve these in a URL before they send it, so what is named so could not be asked for.
DOTS = frozenset({".", ".."})


def tidy(text: str) -> str:
    """Return a name in Unicode's normal form C, without the white space around it."""
    return text.strip() if text.isascii() else normalize("NFC", text).strip()


def tidy_contact(text: str) -> str:
    """Return a contact's name; an e-mail address has no case."""
    return tidy(text.lower() if "@" in text else text)


def _name(text: str) -> str:
    return _checked(tidy(text))


def _contact(text: str) -> str:
    return _checked(tidy_contact(text))


def _checked(text: str) -> str:
    if not text:
        raise PydanticCustomError("name", "must hold more than white space")
    if len(text) > MAX_NAME:
        raise PydanticCustomError("name", f"must have at most {MAX_NAME} characters")
    if text in DOTS:
        raise PydanticCustomError("name", "must not be a dot or two")
    return text


#: A name, or another text, that is looked for. PostgreSQL cannot be asked for U+0000, and no id holds control
#: characters.
Text = Annotated[str, StringConstraints(max_length=1000, pattern=r"^[^\x00-\x1f\x7f]*$")]

_PRINTABLE = StringConstraints(min_length=1, pattern=cloudevent.PRINTABLE)
#: A name as JSON Schema, with what :func:`_checked` refuses.
SCHEMA = {
    "type": "string",
    "minLength": 1,
    "maxLength": MAX_NAME,
    "pattern": r"^(?!\s*\.{0,2}\s*$)[^\u0000-\u001f\u007f-\u009f\ufdd0-\ufdef\ufffe\uffff]*$",
}
Name = Annotated[str, _PRINTABLE, AfterValidator(_name), WithJsonSchema(SCHEMA)]
Contact = Annotated[str, _PRINTABLE, AfterValidator(_contact), WithJsonSchema(SCHEMA)]
