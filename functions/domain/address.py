"""An e-mail address: the one form in which a rule, a tenant's contact and the command line name a person."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, StringConstraints, ValidationInfo

#: Characters of an address, and of what is before its ``@``. Source: RFC 5321, 4.5.3.1.
MAX_ADDRESS, MAX_LOCAL = 254, 64

#: What is before the ``@``: RFC 5322's dot-atom. Anything else needs quotes or a server with SMTPUTF8.
_LOCAL = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(\.[\w!#$%&'*+/=?^`{|}~-]+)*", re.ASCII)
_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"{_LABEL}(\.{_LABEL})*", re.IGNORECASE)
#: How a header says that what follows is encoded (RFC 2047): no address may begin to speak like that.
_ENCODED_WORD = "=?"

#: The validation context for what was saved before an address was checked this closely: it is read as it is, and
#: sending to it fails with the reason.
STORED: Mapping[str, bool] = {"stored": True}


def address(text: str) -> str:
    """Return one e-mail address with its domain as mail servers take it: ``münchen.example`` in punycode.

    Raises:
        ValueError: it is not exactly one address, or one that not every mail server takes.
    """
    local, at, domain = text.rpartition("@")
    if not at or len(local) > MAX_LOCAL or not _LOCAL.fullmatch(local) or _ENCODED_WORD in local:
        raise ValueError("must be one e-mail address such as jo@example.com")
    whole = f"{local}@{domain if domain.isascii() else _punycode(domain)}"
    if len(whole) > MAX_ADDRESS or not _DOMAIN.fullmatch(whole.rpartition("@")[2]):
        raise ValueError("must be an e-mail address with a domain such as example.com")
    return whole


def _punycode(domain: str) -> str:
    import idna

    try:
        return idna.encode(domain, uts46=True).decode("ascii")
    except idna.IDNAError as exc:
        raise ValueError("must have a domain that IDNA knows a form for") from exc


def _checked(text: str, info: ValidationInfo[Any]) -> str:
    return text if info.context is STORED else address(text)


#: An e-mail address as a field of a document.
Address = Annotated[str, StringConstraints(max_length=MAX_ADDRESS), AfterValidator(_checked)]
