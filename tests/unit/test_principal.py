"""Who may do what to which tenant, and that every function of the service asks."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.errors import Refused
from functions.domain.key import EVERY_SCOPE, MANAGE, READ, Grant, new_key
from functions.service import dead_letters, event_types, keys, rules, tenants
from functions.service.principal import OPERATOR, Principal

TENANTS = st.sampled_from(["", "acme", "beta"])
SCOPES = st.frozensets(st.sampled_from([MANAGE, *sorted(EVERY_SCOPE)]))


def status(act: Callable[[], object]) -> int:
    """Return the status that ``act`` is refused with; 200 when it is not."""
    try:
        act()
    except Refused as refused:
        return refused.status
    return 200


@given(own=TENANTS, scopes=SCOPES, scope=st.sampled_from([MANAGE, READ]), tenant=TENANTS)
def test_a_key_may_do_what_its_scopes_say_to_its_own_tenant_and_nothing_else(own, scopes, scope, tenant):
    by = Principal(who="key", tenant=own, scopes=scopes)
    allowed = scope in scopes and own == tenant != ""
    assert by.reaches(tenant) == (own == tenant != "")
    assert status(lambda: by.require(scope, tenant)) == (200 if allowed else 404 if scope in scopes else 403)
    assert status(lambda: by.require_scope(scope)) == (200 if scope in scopes else 403)


@given(scope=st.sampled_from([MANAGE, *sorted(EVERY_SCOPE)]), tenant=TENANTS)
def test_the_operator_may_do_everything_to_everybody(scope, tenant):
    OPERATOR.require_scope(scope)
    OPERATOR.require(scope, tenant)
    assert OPERATOR.reaches(tenant)


def test_a_keys_principal_is_its_grant_and_names_only_the_beginning_of_its_digest():
    by = Principal.of_key("0123456789abcdef", Grant("acme", frozenset({READ})))
    assert by == Principal(who="0123456789ab", tenant="acme", scopes=frozenset({READ}))


class Untouched:
    """A register that must not be asked before the principal was."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} was used for somebody who may not")


def functions_of(module: ModuleType) -> Iterator[Any]:
    for name, function in inspect.getmembers(module, inspect.isfunction):
        if function.__module__ == module.__name__ and not name.startswith("_"):
            yield pytest.param(function, id=f"{module.__name__.rpartition('.')[2]}.{name}")


REGISTER = [each for module in (tenants, keys, rules, event_types) for each in functions_of(module)]
FUNCTIONS = [*REGISTER, *functions_of(dead_letters)]
#: Has every scope that there is, and manages nothing.
KEY = Principal(who="key", tenant="acme", scopes=EVERY_SCOPE)
BARE = Principal(who="bare", tenant="acme")
#: A manager of another tenant; no key can be one yet.
STRANGER = Principal(who="manager", tenant="beta", scopes=frozenset({MANAGE}))


def parameters(function: Callable[..., object]) -> set[str]:
    return {*inspect.signature(function).parameters}


def called(function: Callable[..., object], by: Principal) -> int:
    """Call a function of the service about acme; return the status that it is refused with."""
    names = list(inspect.signature(function).parameters)
    assert (names[0] in {"register", "letters"}, names[1]) == (True, "by")
    made: dict[str, Any] = {"tenant_id": "acme", "grant": Grant("acme", frozenset()), "key": new_key(bytes(32))}
    return status(lambda: function(Untouched(), by, **{name: made.get(name) for name in names[2:]}))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_function_asks_for_a_scope_first(function):
    assert called(function, BARE) == 403


@pytest.mark.parametrize("function", REGISTER)
def test_what_is_the_operators_no_key_may(function):
    assert called(function, KEY) == 403


@pytest.mark.parametrize(
    "function", [each for each in REGISTER if {"tenant_id", "grant"} & parameters(each.values[0])]
)
def test_every_function_that_names_a_tenant_asks_whether_it_is_the_principals(function):
    assert called(function, STRANGER) == 404
