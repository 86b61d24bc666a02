"""Problem answers: the status, where it hurts, and nothing of ours or the sender's besides."""

from __future__ import annotations

import json

import pytest

from events.errors import Fault, Refused, Unavailable
from functions.domain.key import unknown_key
from functions.web import problem
from functions.web.answer import PROBLEM

FAULTS = tuple(Fault(f"/data/{number}", f"is wrong {number}") for number in range(5))


def test_a_refusal_says_what_is_wrong_where():
    answer = problem.refused(Refused("Unacceptable event", status=422, faults=FAULTS[:1]))
    assert (answer.status, answer.all_headers) == (422, {"content-type": "application/problem+json"})
    assert json.loads(answer.body) == {
        "type": "about:blank",
        "title": "Unacceptable event",
        "status": 422,
        "detail": "/data/0: is wrong 0",
        "errors": [{"pointer": "/data/0", "detail": "is wrong 0"}],
    }


def test_the_detail_is_short_and_the_list_of_errors_is_whole():
    fields = problem.fields(Refused("Unacceptable event", faults=FAULTS))
    assert fields["detail"] == "/data/0: is wrong 0; /data/1: is wrong 1; /data/2: is wrong 2"
    assert [error["pointer"] for error in fields["errors"]] == [fault.pointer for fault in FAULTS]


def test_the_whole_document_is_called_the_body():
    assert problem.fields(Refused("Malformed batch", faults=(Fault("", "is not valid JSON"),)))["detail"] == (
        "body: is not valid JSON"
    )


def test_a_detail_of_its_own_comes_first():
    fields = problem.fields(Refused("Batch too large", status=413, detail="at most 5 events a batch", faults=FAULTS))
    assert fields["detail"] == "at most 5 events a batch"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 413, 415, 422, 429, 431])
def test_every_status_has_a_title_and_a_detail(status):
    fields = problem.fields(Refused("Sorry", status=status))
    assert fields["status"] == status
    assert fields["title"]
    assert fields["detail"]
    assert "errors" not in fields


@pytest.mark.parametrize("seconds", [1, 30])
def test_what_is_away_is_503_with_retry_after(seconds):
    answer = problem.unavailable(Unavailable("Redis", retry_after_s=seconds))
    assert (answer.status, answer.headers["retry-after"], answer.content_type) == (503, str(seconds), PROBLEM)
    assert json.loads(answer.body)["status"] == 503
    assert "Redis is unavailable" in json.loads(answer.body)["detail"]


def test_a_bug_of_ours_shows_no_trace():
    try:
        int("password=s3cret")
    except ValueError:
        answer = problem.failed()
    assert (answer.status, answer.content_type) == (500, PROBLEM)
    assert b"s3cret" not in answer.body
    assert b"Traceback" not in answer.body


def test_every_key_that_does_not_work_gets_the_same_words():
    assert problem.fields(unknown_key())["status"] == 401
    assert "unknown" not in problem.fields(unknown_key())["detail"]


def test_who_is_not_known_is_told_what_would_make_them_so():
    assert problem.refused(unknown_key()).headers["www-authenticate"] == "Bearer"
    assert "www-authenticate" not in problem.refused(Refused("Forbidden", status=403)).headers


def test_a_refusal_that_is_raised_often_keeps_nothing_of_the_times_before():
    # An exception object that is raised again grows by the frames of each time, and what they hold with it.
    assert unknown_key() is not unknown_key()


def test_what_became_of_a_request_is_said_only_where_it_is_known():
    said = [
        json.loads(problem.unavailable(Unavailable("Redis"), known).body)["detail"] for known in ("", "all is well")
    ]
    assert said == ["Redis is unavailable; try again", "Redis is unavailable; all is well; try again"]
