"""Which accounts are suggested to be one customer."""

from __future__ import annotations

from functions.domain.suggestion import Suggestion, suggestions


def test_accounts_that_share_a_domain_are_suggested_the_one_with_the_most_contacts_first():
    counted = [
        ("acme.example", "acme", 2),
        ("acme.example", "acme-emea", 3),
        ("acme.example", "acme-inc", 0),
        ("globex.example", "globex", 9),
        ("x.example", "x2", 1),
        ("x.example", "x1", 1),
    ]
    assert suggestions(counted, 10) == [
        Suggestion("acme.example", {"acme-emea": 3, "acme": 2, "acme-inc": 0}),
        Suggestion("x.example", {"x1": 1, "x2": 1}),
    ]
    assert [each.domain for each in suggestions(counted, 1)] == ["acme.example"]


def test_an_address_that_anybody_may_have_suggests_nothing():
    assert suggestions([("gmail.com", "a", 5), ("gmail.com", "b", 5), ("", "a", 1), ("", "b", 1)], 10) == []
