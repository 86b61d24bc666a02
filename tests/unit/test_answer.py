"""A function's answer to a batch: what is written is what the dispatcher reads."""

from __future__ import annotations

import json

import pytest

from events import delivery
from events.answer import BatchAnswer, Reply, Result
from events.delivery import Delivered
from events.retry import NO_ANSWER, Verdict


def test_an_answer_is_read_as_it_was_written():
    event = '{"id":"1","data":{"name":"Zoë \\"Z\\" \\\\ \\u0007","n":1.50}}'
    answer = BatchAnswer(
        results=[
            Result(status=200, replies=[Reply(channel="signals", event=event), Reply(channel="notices", event="{}")]),
            Result(status=422, detail="no account"),
            Result(status=502, retry_after_s=7.5),
            Result(status=202, again_s=60.5),
        ]
    )
    assert delivery._results(answer.as_json(), 4) == [
        Delivered(Verdict(200), [("signals", event.encode()), ("notices", b"{}")]),
        Delivered(Verdict(422, "no account"), []),
        Delivered(Verdict(502, "", 7.5), []),
        Delivered(Verdict(202, again_s=60.5), []),
    ]


def test_an_answer_does_not_say_what_goes_without_saying():
    result = json.loads(BatchAnswer(results=[Result(status=422, detail="no")]).as_json())["results"][0]
    assert result.keys() - {"replies"} == {"status", "detail"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b'{"results":{}}',
        b'{"results":[{}]}',
        b'{"results":[{"status":"done"}]}',
        b'{"results":[{"status":200,"replies":[{"channel":"signals"}]}]}',
        b'{"results":[{"status":200,"replies":[{"channel":"signals","event":{}}]}]}',
        b'{"results":[{"status":200,"replies":[{"channel":"events","event":"{}"}]}]}',
        b'{"results":[]}',
        b'{"results":[{"status":200},{"status":200}]}',
    ],
)
def test_an_answer_that_does_not_say_what_came_of_each_event_is_none(body):
    verdict = delivery._results(body, 1)
    assert isinstance(verdict, Verdict)
    assert verdict.status == NO_ANSWER
