from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from functions.domain.address import STORED, Address, address


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("jo@example.com", "jo@example.com"),
        ("Jo.O'Neil+crm@Sub.Example.COM", "Jo.O'Neil+crm@Sub.Example.COM"),
        ("root@localhost", "root@localhost"),
        ("ops@my_host.example", "ops@my_host.example"),
        ("sales@münchen.example", "sales@xn--mnchen-3ya.example"),
        ("sales@MÜNCHEN.example", "sales@xn--mnchen-3ya.example"),
        ("sales@例え.example", "sales@xn--r8jz45g.example"),
        ("sales@xn--mnchen-3ya.example", "sales@xn--mnchen-3ya.example"),
    ],
)
def test_an_address_is_written_as_every_mail_server_takes_it(text, written):
    assert address(text) == written
    assert address(written) == written


@pytest.mark.parametrize(
    "text",
    [
        "",
        "jo",
        "@y.example",
        "a@",
        "a@b@c",
        "a,b@y.example",
        "a@b,c",
        "a@b;c@d",
        "a b@y.example",
        "Jo <a@y.example>",
        "a\u0000b@c",
        "a@b\u0000",
        "a@y.example\n",
        "a\u2028b@y.example",
        "=?utf-8?q?x=0aBcc=3A_evil=40evil=2Eexample?=@y.example",
        '"a"@y.example',
        "a(x)@y.example",
        "a:b@y.example",
        ".a@y.example",
        "a..b@y.example",
        "müller@y.example",
        "a@-y.example",
        "a@y..example",
        "a@[127.0.0.1]",
        "a@\u2028.example",
        "a@" + "x" * 64 + ".example",
        "a" * 65 + "@y.example",
        "a@" + "y." * 130 + "example",
    ],
)
def test_what_is_not_exactly_one_address_is_refused_with_a_sentence(text):
    with pytest.raises(ValueError, match="must"):
        address(text)
    with pytest.raises(ValidationError):
        TypeAdapter(Address).validate_python(text)


@given(st.one_of(st.text(), st.from_regex(r"\A[^@]+@[^@]+\Z")))
def test_any_text_is_one_address_of_printable_ascii_or_refused(text):
    try:
        written = address(text)
    except ValueError:
        return
    assert written.isascii()
    assert written.isprintable()
    assert written.count("@") == 1
    assert not set(written) & set(' ,;:<>()"\\[]')
    assert "=?" not in written
    assert address(written) == written


def test_an_address_that_was_saved_before_it_was_checked_is_read_as_it_is():
    assert TypeAdapter(Address).validate_python("a,b@y.example", context=STORED) == "a,b@y.example"
