"""The laws of the words that documents are found by."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.domain.search import MAX_TERMS, MAX_TEXT, MAX_WORD, SearchQuery, highlight, words

TEXTS = st.text(max_size=200)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \t\n\0!?", []),
        ("Demo completed", ["demo", "completed"]),
        ("jane@acme-corp.io", ["jane", "acme", "corp", "io"]),
        ("demo_completed", ["demo", "completed"]),
        ("O'Brien & Söhne", ["o", "brien", "söhne"]),
        ("STRASSE straße", ["strasse", "strasse"]),
        ("ΟΔΥΣΣΕΥΣ.gr ΟΔΥΣΣΕΥΣ", ["οδυσσευσ", "gr", "οδυσσευσ"]),
        ("cafe\u0301 ﬁne ①", ["café", "fine", "1"]),
        ("x" * 300, ["x" * MAX_WORD]),
    ],
)
def test_a_text_is_parted_into_its_words(text, expected):
    assert words(text) == expected


@given(TEXTS)
def test_words_hold_letters_and_digits_only(text):
    assert all(word.isalnum() and len(word) <= MAX_WORD for word in words(text))


@given(TEXTS)
def test_words_of_words_are_the_same_words(text):
    assert words(" ".join(words(text))) == words(text)


@given(TEXTS)
def test_case_makes_no_difference_to_words_that_can_be_folded(text):
    assert words(text.casefold()) == words(text)


@given(TEXTS, TEXTS)
def test_texts_side_by_side_have_the_words_of_both(left, right):
    assert words(f"{left}\n{right}") == words(left) + words(right)


def test_a_text_without_end_is_cut():
    assert len(" ".join(words("word " * MAX_TEXT))) <= MAX_TEXT


@given(st.lists(TEXTS, max_size=5))
def test_a_question_looks_up_each_of_its_words_once(texts):
    terms = SearchQuery(tenant_id="t", words=texts).terms
    assert set(terms) == {word for text in texts for word in words(text)}
    assert len(set(terms)) == len(terms)


def test_a_question_looks_up_no_more_words_than_an_engine_takes():
    assert SearchQuery(tenant_id="t", words=list(map(str, range(5_000)))).terms == tuple(map(str, range(MAX_TERMS)))


@given(TEXTS, st.sets(st.sampled_from(["a", "b", "demo"])))
def test_a_highlight_without_its_marks_is_the_text(text, terms):
    normal = " ".join(words(text))
    marked = highlight(normal, frozenset(terms))
    assert marked.replace("<em>", "").replace("</em>", "") == normal
    assert marked.count("<em>") == sum(word in terms for word in normal.split())
