"""The gate before the API's threads: whose request it is, and whether its tenant's rate allows it now."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from events.errors import Refused
from functions.api.keys import RememberedKeys
from functions.domain.key import digest, is_operators, well_formed
from functions.domain.plan import READ_RATE
from functions.ingest.answer import UNLIMITED
from functions.web.credentials import api_key
from functions.web.rates import Rates
from functions.web.turns import Admitted, Caller, Turns

#: Those whose tenant is not known take turns as one caller each: no tenant has such a name.
OPERATOR, NEW_KEY, NOBODY = "\n operator", "\n new key", "\n nobody"


class ReadGate:
    """See :class:`functions.web.turns.Gate`. Goes by what is remembered of keys: it asks nobody and waits for nobody.

    A key that was never seen is admitted: a thread finds out whose it is.

    Args:
        keys: what the API goes by.
        operator_keys: the operator's, who has no rate.
        turns: for the API's threads.
        clock_us: microseconds, monotonic.
    """

    def __init__(
        self, keys: RememberedKeys, operator_keys: Collection[str], turns: Turns, clock_us: Callable[[], int]
    ) -> None:
        self.turns = turns
        self._keys = keys
        self._operator_keys = operator_keys
        self._clock_us = clock_us
        self._rates = Rates()

    def admit(self, headers: Mapping[str, str]) -> Admitted:
        """See :class:`functions.web.turns.Gate`.

        Raises:
            Refused: 429, its tenant's rate is reached.
        """
        key = api_key(headers.get("x-api-key"), headers.get("authorization"))
        if is_operators(key, self._operator_keys):
            return Admitted(Caller(OPERATOR, ""), {})
        if not well_formed(key):
            return Admitted(Caller(NOBODY, ""), {})
        known = digest(key)
        grant = self._keys.last_known(known)
        if grant is None:
            return Admitted(Caller(NEW_KEY, known), {})
        rate = grant.read_rate or READ_RATE
        standing = self._rates.take(grant.tenant_id, rate, self._clock_us())
        meter = replace(UNLIMITED, limit=rate.burst, left=standing.left, full_s=standing.full_s)
        if standing.fits:
            return Admitted(Caller(grant.tenant_id, known), meter.headers())
        raise Refused(
            "Too many requests",
            status=429,
            detail="the rate limit of reads is reached; try again",
            headers={**meter.headers(), "retry-after": str(max(1, math.ceil(standing.next_s)))},
        )
