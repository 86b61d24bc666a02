"""The laws of the words that documents are found by."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.domain.words import MAX_TERMS, MAX_TEXT, MAX_WORD, asked, hashes, highlight, terms, words

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
        ("東京都庁です。ABC社", ["東京都庁です", "abc", "社"]),
        ("東京・大阪 ﾃﾞﾓ", ["東京", "大阪", "デモ"]),
        ("서울에서_만났습니다", ["서울에서", "만났습니다"]),
    ],
)
def test_a_text_is_parted_into_its_words(text, expected):
    assert words(text) == expected


@given(TEXTS)
def test_words_hold_letters_and_digits_only(text):
    assert all(word.isalnum() and len(word) <= MAX_WORD for word in words(text))


@given(TEXTS)
def test_a_text_of_ascii_alone_has_the_words_it_has_beside_others(text):
    ascii_only = "".join(letter for letter in text if letter.isascii())
    assert words(f"{ascii_only} é")[:-1] == words(ascii_only)


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


@given(TEXTS)
def test_a_text_is_found_by_each_term_of_any_part_of_it(text):
    normal = " ".join(words(text))
    for start in range(0, len(normal), 7):
        for word in [*words(normal)[:3], *words(normal[start:])[1:3]]:
            assert terms(normal).keys() >= set(asked(word))


def test_a_run_of_characters_is_found_by_any_part_of_it():
    found = terms("東京都庁 abc").keys()
    for part in ("東", "庁", "東京", "京都", "都庁", "京都庁", "東京都庁", "abc"):
        assert found >= set(asked(part)), part
    for other in ("京東", "東都", "ab", "東京a"):
        assert not found >= set(asked(other)), other


@given(st.lists(TEXTS, max_size=5))
def test_a_question_looks_up_each_of_its_terms_once(texts):
    found = asked("\n".join(texts))
    assert len(set(found)) == len(found)
    assert set(found) <= terms(" ".join(words("\n".join(texts)))).keys()


def test_a_question_looks_up_no_more_terms_than_an_engine_takes():
    assert asked(" ".join(map(str, range(5_000)))) == list(map(str, range(MAX_TERMS)))


@given(st.sets(TEXTS))
def test_hashes_are_numbers_that_postgresql_takes_and_the_tenants_own(texts):
    found = {word for text in texts for word in words(text)}
    numbers = hashes("acme", found)
    assert numbers == sorted(set(numbers))
    assert all(-(2**31) <= number < 2**31 for number in numbers)
    if found:
        assert numbers != hashes("globex", found)


@given(TEXTS, st.sets(st.sampled_from(["a", "b", "demo"])))
def test_a_highlight_without_its_marks_is_the_text(text, sought):
    normal = " ".join(words(text))
    marked = highlight(normal, frozenset(sought))
    assert marked.replace("<em>", "").replace("</em>", "") == normal
    assert marked.count("<em>") == sum(word in sought for word in normal.split())
