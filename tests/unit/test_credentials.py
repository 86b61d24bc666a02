"""Who may deliver."""

from __future__ import annotations

import pytest

from functions.web.credentials import is_dispatcher


@pytest.mark.parametrize(
    ("authorization", "tokens", "peer", "may"),
    [
        ("Bearer new", ("new", "old"), "10.0.0.1", True),
        ("bearer old", ("new", "old"), "10.0.0.1", True),
        ("Bearer new,old", ("new", "old"), "10.0.0.1", False),
        ("Bearer other", ("new", "old"), "127.0.0.1", False),
        ("Bearer \udcff", ("new",), "127.0.0.1", False),
        (None, ("new",), "127.0.0.1", False),
        (None, (), "127.0.0.1", True),
        (None, (), "::1", True),
        (None, (), "10.0.0.1", False),
        (None, (), None, False),
    ],
)
def test_a_delivery_shows_a_token_or_without_any_comes_from_this_machine(authorization, tokens, peer, may):
    assert is_dispatcher(authorization, tokens, peer) is may
