"""Who asks, and whether they may do something to a tenant. No other module of the service decides that."""

from __future__ import annotations

from dataclasses import dataclass

from events.errors import Refused
from functions.domain.key import Grant, lacks, short


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """A tenant's key or the operator.

    Args:
        who: the name in logs: ``operator``, or the first characters of the key's digest.
        tenant: the tenant that the key belongs to; empty for the operator, who belongs to none.
        scopes: what the key may do to its tenant.
        operator: True for the platform's operator, who may do everything to every tenant.
    """

    who: str
    tenant: str = ""
    scopes: frozenset[str] = frozenset()
    operator: bool = False

    @classmethod
    def of_key(cls, digest: str, grant: Grant) -> Principal:
        """Return the principal of a key that works (see :func:`functions.domain.key.working`)."""
        return cls(who=short(digest), tenant=grant.tenant_id, scopes=grant.scopes)

    def reaches(self, tenant: str) -> bool:
        """Return whether this principal may know that ``tenant`` exists; nobody's (empty) is the operator's."""
        return self.operator or (bool(tenant) and tenant == self.tenant)

    def require_scope(self, scope: str) -> None:
        """Raise Refused (403) unless this principal has ``scope``."""
        if not self.operator and scope not in self.scopes:
            raise lacks(scope)

    def require(self, scope: str, tenant: str) -> None:
        """Raise unless this principal may do ``scope`` to ``tenant``.

        Raises:
            Refused: 403, it lacks the scope; 404, the tenant is another's, answered as if there were none.
        """
        self.require_scope(scope)
        if not self.reaches(tenant):
            raise Refused("Not found", status=404, detail=f"there is no tenant {tenant}")


#: The caller with the operator's key, or with the stores' addresses and passwords.
OPERATOR = Principal(who="operator", operator=True)
