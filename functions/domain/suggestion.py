"""Which accounts may be one customer: those whose contacts write from one domain, or that have the same domain."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

#: Domains whose addresses say nothing of a company.
FREE_MAIL = frozenset(
    {
        *("126.com", "163.com", "aol.com", "free.fr", "gmail.com", "gmx.com", "gmx.de", "gmx.net", "googlemail.com"),
        *("hotmail.com", "icloud.com", "laposte.net", "libero.it", "live.com", "mac.com", "mail.com", "mail.ru"),
        *("me.com", "msn.com", "orange.fr", "outlook.com", "proton.me", "protonmail.com", "qq.com", "t-online.de"),
        *("web.de", "yahoo.co.jp", "yahoo.co.uk", "yahoo.com", "yandex.ru", "zoho.com"),
    }
)


class Suggestion(NamedTuple):
    """Accounts that share a domain, and how many contacts each has there; the account with the most comes first."""

    domain: str
    accounts: Mapping[str, int]


def suggestions(counted: Iterable[tuple[str, str, int]], most: int) -> list[Suggestion]:
    """Return which accounts may be one customer, those with the most contacts first, ``most`` at most.

    Args:
        counted: domain, account and how many contacts it has there, none where the account has the domain itself.
    """
    by_domain: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for domain, account, contacts in counted:
        if domain and domain not in FREE_MAIL:
            by_domain[domain][account] += contacts
    found = [
        Suggestion(domain, dict(sorted(accounts.items(), key=lambda each: (-each[1], each[0]))))
        for domain, accounts in by_domain.items()
        if len(accounts) > 1
    ]
    return sorted(found, key=lambda each: (-sum(each.accounts.values()), each.domain))[:most]
