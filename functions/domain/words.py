"""The words that a text is found by, the same for documents and questions, whatever engine looks them up."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import groupby
from unicodedata import normalize
from zlib import crc32

#: Characters of a word that count. At four bytes each it fits an index term of either engine.
MAX_WORD = 255
#: Characters of a text that are indexed.
MAX_TEXT = 100_000
#: Distinct terms of a question that are looked up; Elasticsearch promises no more than 1,024 clauses.
MAX_TERMS = 100

#: Letters of Chinese, Japanese and Korean, whose words are not parted by spaces, or end in particles.
_CJK = "々〆\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u3105-\u312f\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3"
_CJK += "\uf900-\ufaff\U00020000-\U0003ffff"
_RUN = re.compile(rf"[{_CJK}]+")
_WORD = re.compile(rf"(?:(?=[^\W_])[{_CJK}])+|[^\W_{_CJK}]+")
_ASCII_WORD = re.compile(r"[^\W_]+")


def words(text: str) -> list[str]:
    """Split ``text`` into folded words.

    Letters and digits make words, everything else parts them, so ``jane@acme-corp.io`` is found by ``acme``. Case and
    the ways to encode one character make no difference. A run of Chinese, Japanese or Korean is one word.
    """
    if text.isascii():
        return [word[:MAX_WORD] for word in _ASCII_WORD.findall(text[:MAX_TEXT].lower())]
    # casefold, not lower: lower() makes a final sigma of some and leaves the sharp s.
    folded = normalize("NFKC", normalize("NFKC", text).casefold())[:MAX_TEXT]
    return [word if _RUN.match(word) else word[:MAX_WORD] for word in _WORD.findall(folded)]


def terms(text: str) -> dict[str, None]:
    """Return the distinct terms that a normalised text is found by, in their order.

    A word is one; a run of Chinese, Japanese or Korean has each of its characters and each two that stand together.
    """
    if text.isascii():
        return dict.fromkeys(text.split())
    found: dict[str, None] = {}
    for word in text.split():
        if _RUN.match(word):
            found.update(dict.fromkeys(word))
            found.update(dict.fromkeys(_pairs(word)))
        else:
            found[word] = None
    return found


def asked(text: str) -> list[str]:
    """Return the distinct terms of a question that must all occur, at most :data:`MAX_TERMS`."""
    found: dict[str, None] = {}
    for word in words(text):
        found.update(dict.fromkeys(_pairs(word) if len(word) > 1 and _RUN.match(word) else (word,)))
    return list(found)[:MAX_TERMS]


def hashes(tenant: str, of: Iterable[str]) -> list[int]:
    """Return a signed 32-bit number for each of a tenant's terms, sorted. Two terms may have the same one."""
    seed = crc32(f"{tenant}\n".encode())
    return sorted({(crc32(term.encode(), seed) ^ 1 << 31) - (1 << 31) for term in of})


def highlight(text: str, of: frozenset[str]) -> str:
    """Mark each of the terms ``of`` a question in a normalised text. Safe to show as HTML: there are only words."""
    return " ".join(_marked(word, of) for word in text.split())


def _marked(word: str, of: frozenset[str]) -> str:
    if word in of:
        return f"<em>{word}</em>"
    if not _RUN.match(word):
        return word
    marked = {
        place
        for at in range(len(word))
        for length in (1, 2)
        if word[at : at + length] in of
        for place in range(at, at + length)
    }
    parts = groupby(enumerate(word), key=lambda each: each[0] in marked)
    runs = ((mark, "".join(letter for _, letter in part)) for mark, part in parts)
    return "".join(f"<em>{run}</em>" if mark else run for mark, run in runs)


def _pairs(word: str) -> list[str]:
    return [word[at : at + 2] for at in range(len(word) - 1)]
