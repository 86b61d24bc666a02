"""``sspp dead-letters`` on real servers: what it shows, what it moves, and that it asks first."""

from __future__ import annotations

import io
import json
import re
import sys
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import redis

from events import deadletter, keyspace
from events.keyspace import SLOW, dead_key, partition_of
from functions.cli.__main__ import main
from functions.service import dead_letters
from tests.servers.lanes import waiting

PARTITIONS = 3
#: Unix ms of 2026-01-01T00:00:00Z.
NEW_YEAR = 1_767_225_600_000


class Shell:
    """Runs commands in this process, with dead letters to run them on."""

    def __init__(
        self, redis_url: str, client: Any, capsys: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch
    ) -> None:
        self._env = {
            # Never asked: dead letters are in Redis alone.
            "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
            "REDIS_URL": redis_url,
            "SSPP_PARTITIONS": str(PARTITIONS),
        }
        self.redis = client
        self._capsys = capsys
        self._patch = patch
        self._ms = count(NEW_YEAR)

    def __call__(self, *argv: str, stdin: str = "", terminal: bool = False, **env: str) -> tuple[int, str, str]:
        self._capsys.readouterr()
        given = io.TextIOWrapper(io.BytesIO(stdin.encode()))
        self._patch.setattr(given, "isatty", lambda: terminal)
        self._patch.setattr(sys, "stdin", given)
        try:
            code = main(["dead-letters", *argv], {**self._env, **env})
        except SystemExit as usage:
            code = int(usage.code or 0)
        out, err = self._capsys.readouterr()
        assert "Traceback" not in err
        return code, out, err

    def good(self, *argv: str, **more: Any) -> str:
        code, out, err = self(*argv, **more)
        assert code == 0, err
        return out or err

    def bury(self, tenant: str = "acme", channel: str = "events", **fields: Any) -> str:
        ms = next(self._ms)
        event = {
            "specversion": "1.0",
            "id": f"e{ms - NEW_YEAR}",
            "source": "/crm",
            "type": "demo_completed",
            "data": {"accountId": "acme"},
            "sspptenant": tenant,
            "knativeerrorcode": 422,
        }
        written = {
            "event": json.dumps(event),
            "reason": "no such account",
            "status": 422,
            "tenant": tenant,
            "attempts": 1,
            "first": ms,
            "last": ms,
            **fields,
        }
        partition = partition_of(tenant, PARTITIONS)
        entry = self.redis.xadd(dead_key(channel, partition), written, id=f"{ms}-0")
        return f"{channel}:{partition}:{entry.decode()}"

    def left(self, *argv: str) -> list[str]:
        return [row["id"] for row in json.loads(self.good("list", "--json", *argv))]

    def published(self, channel: str = "events") -> list[dict[str, Any]]:
        return [event for each in range(PARTITIONS) for event in waiting(self.redis, channel, each, SLOW)]


@pytest.fixture
def sspp(redis_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    with redis.Redis.from_url(redis_url) as client:
        yield Shell(redis_url, client, capsys, monkeypatch)


# --- looking


def test_letters_are_listed_the_latest_first(sspp: Shell) -> None:
    first, second = sspp.bury(), sspp.bury("beta", "notices", status=0, reason="\x1b[31mno answer" + "x" * 90)
    heading, *rows = sspp.good("list").splitlines()
    assert heading.split() == ["id", "tenant", "type", "status", "attempts", "last_at", "reason"]
    assert [row.split()[0] for row in rows] == [second, first]
    assert rows[1].split()[1:6] == ["acme", "demo_compl…", "422", "1", "2026-01-01T00:00:00Z"]
    assert max(map(len, [heading, *rows])) <= 100
    assert "\x1b" not in "".join(rows)
    (row, _) = json.loads(sspp.good("list", "--json"))
    assert (row["tenant"], row["status"], row["source_id"]) == ("beta", 0, "e1")
    assert "accountId" not in json.dumps(row)


@pytest.mark.parametrize(("selection", "found"), [(["--from", "3h"], 1), (["--from", "1h"], 0), (["--to", "1h"], 1)])
def test_a_length_of_time_is_so_long_ago(sspp: Shell, selection: list[str], found: int) -> None:
    sspp.bury(last=time.time_ns() // 1_000_000 - 2 * 3_600_000)
    assert len(sspp.left(*selection)) == found


def test_a_list_says_when_there_are_more(sspp: Shell) -> None:
    for _ in range(105):
        sspp.bury()
    assert len(sspp.left()) == 50
    assert len(sspp.left("--limit", "105")) == 105
    assert "the latest 104; --limit shows more" in sspp("list", "--limit", "104")[2]
    assert sspp("list", "--limit", "105")[2] == ""


def test_no_letters_are_said_to_be_none(sspp: Shell) -> None:
    assert sspp("list") == (0, "", "there are none\n")
    for action in ("redrive", "purge"):
        assert sspp(action, "--all")[0] == 0


def test_a_letter_is_shown_whole_or_its_event_alone(sspp: Shell) -> None:
    id_ = sspp.bury(attempts=4)
    shown = json.loads(sspp.good("show", id_))
    assert (shown["id"], shown["attempts"], shown["reason"]) == (id_, 4, "no such account")
    assert shown["event"] == json.loads(sspp.good("show", id_, "--event"))
    assert (shown["event"]["data"], shown["event"]["knativeerrorcode"]) == ({"accountId": "acme"}, 422)


# --- mending


def test_an_event_is_shown_mended_and_redriven(sspp: Shell, tmp_path: Path) -> None:
    id_, file = sspp.bury(), tmp_path / "event.json"
    event = json.loads(sspp.good("show", id_, "--event"))
    file.write_text(json.dumps({**event, "type": "call_made"}), "utf-8")
    assert sspp("edit", id_, str(file)) == (
        0,
        "",
        f"{id_} is edited; `sspp dead-letters redrive {id_}` sends it on its way again\n",
    )
    sspp.good("edit", id_, "--data", "-", stdin='{"accountId": "beta"}')
    assert sspp.good("redrive", id_) == "redriven: 1\n"
    (redriven,) = sspp.published()
    nonce = redriven.pop("ssppredrive")
    assert len(nonce) == 32
    del event["knativeerrorcode"]
    assert redriven == {**event, "type": "call_made", "data": {"accountId": "beta"}}


@pytest.mark.parametrize(
    ("argv", "stdin", "said"),
    [
        (["edit", "ID", "-"], "{", "the document: is not valid JSON"),
        (["edit", "ID", "-"], "[]", "the document: "),
        (["edit", "ID", "-"], '{"specversion": "1.0"}', "/type: "),
        (["edit", "ID", "-"], '{"specversion": "1.0", "type": "t", "id": "x"}', "/id: must stay as it is"),
        (["edit", "ID", "--data", "-"], '"\\u0000"', "/data: contains U+0000"),
        (["edit", "ID", "/nowhere/x.json"], "", "/nowhere/x.json cannot be read"),
        (["edit", "events:0:1-0", "-"], "{}", "there is no such dead letter"),
        (["show", "events:0:1-0"], "", "there is no such dead letter"),
        (["show", "events:9:1-0"], "", "there is no such dead letter"),
        (["redrive", "ID", "events:0:1-0"], "", "there is no such dead letter"),
        (["purge", "ID", "events:0:1-0", "--yes"], "", "there is no such dead letter"),
    ],
)
def test_what_is_refused_changes_nothing(sspp: Shell, argv: list[str], stdin: str, said: str) -> None:
    id_ = sspp.bury()
    before = sspp.good("show", id_)
    code, out, err = sspp(*[id_ if word == "ID" else word for word in argv], stdin=stdin)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert said in err
    assert (sspp.good("show", id_), sspp.published()) == (before, [])


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["redrive"], "or --all"),
        (["purge", "--yes"], "or --all"),
        (["purge", "--all", "--tenant", "acme"], "or --all"),
        (["purge", "ID", "--tenant", "acme"], "either named or selected"),
        (["redrive", "ID", "--all"], "either named or selected"),
    ],
)
def test_what_names_no_letters_or_too_many_is_a_mistake_and_changes_nothing(
    sspp: Shell, argv: list[str], said: str
) -> None:
    id_ = sspp.bury()
    before = sspp.good("show", id_)
    code, out, err = sspp(*[id_ if word == "ID" else word for word in argv])
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1
    assert (sspp.good("show", id_), sspp.published()) == (before, [])


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["show"],
        ["show", "x"],
        ["edit", "events:0:1-0"],
        ["list", "--limit", "0"],
        ["list", "--channel", "x"],
        ["list", "--status", "x"],
        ["list", "--from", "2026-01-01"],
        ["list", "--to", "2026-01-01T00:00:00"],
        ["purge", "*"],
    ],
)
def test_a_mistake_in_the_command_ends_with_2(sspp: Shell, argv: list[str]) -> None:
    code, out, err = sspp(*argv)
    assert (code, out) == (2, "")
    assert re.match(r"sspp: .* \(see `sspp dead-letters( [a-z]+)? --help`\)\n\Z", err)


# --- moving


def test_letters_that_are_named_are_moved_each_once(sspp: Shell) -> None:
    ids = [sspp.bury() for _ in range(4)]
    assert sspp.good("redrive", ids[0], ids[1], ids[0]) == "redriven: 2\n"
    assert "would purge 1 dead letter\n" in sspp("purge", ids[2], ids[2])[2]
    assert sspp.good("purge", ids[2], "--yes") == "purged: 1\n"
    assert (sspp.left(), [event["id"] for event in sspp.published()]) == ([ids[3]], ["e0", "e1"])


@pytest.mark.parametrize(("action", "done"), [("redrive", "redriven"), ("purge", "purged")])
def test_a_letter_that_somebody_else_was_faster_with_is_told_of(
    sspp: Shell, monkeypatch: pytest.MonkeyPatch, action: str, done: str
) -> None:
    get = deadletter.DeadLetters.get

    def slow(letters: deadletter.DeadLetters, place: deadletter.Place) -> deadletter.Letter | None:
        letter = get(letters, place)
        if str(place) == taken and letter is not None:
            letters.purge([letter])
        return letter

    kept, taken = sspp.bury(), sspp.bury()
    monkeypatch.setattr(deadletter.DeadLetters, "get", slow)
    assert sspp.good(action, kept, taken, "--yes") == f"{done}: 1; changed at the same time, look again: 1\n"
    assert sspp.left() == []


@pytest.mark.parametrize(("action", "done"), [("redrive", "redriven"), ("purge", "purged")])
def test_what_is_selected_is_moved_to_the_last_one(
    sspp: Shell, monkeypatch: pytest.MonkeyPatch, action: str, done: str
) -> None:
    monkeypatch.setattr(dead_letters, "MOVED", 3)
    monkeypatch.setattr(dead_letters, "LOOKED_AT", 7)
    kept = [sspp.bury("beta") for _ in range(5)]
    for _ in range(10):
        sspp.bury()
        kept.append(sspp.bury(status=500))
    assert sspp(action, "--tenant", "acme", "--status", "422", "--yes") == (0, "", f"{done}: 10\n")
    assert sspp.left() == kept[::-1]
    assert len(sspp.published()) == (10 if action == "redrive" else 0)


def test_what_fails_again_meanwhile_is_not_redriven_again(sspp: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead_letters, "MOVED", 1)
    for _ in range(2):
        sspp.bury()
    later = sspp.bury(last=NEW_YEAR * 2)
    assert sspp.good("redrive", "--all", "--yes") == "redriven: 2\n"
    assert sspp.left() == [later]


def test_what_cannot_be_read_is_left_by_redriving_and_said(sspp: Shell) -> None:
    broken = sspp.bury(event="{", tenant="")
    sspp.bury()
    assert sspp.good("redrive", "--all", "--yes") == "redriven: 1; cannot be read, only purged: 1\n"
    code, _, err = sspp("redrive", broken)
    assert (code, err) == (1, f"sspp: {broken}: its event cannot be read, only purged\n")
    assert json.loads(sspp.good("show", broken))["event"] == "{"
    assert sspp.good("purge", broken, "--yes") == "purged: 1\n"


@pytest.mark.parametrize(
    ("argv", "asks"),
    [
        (["purge", "ID"], True),
        (["purge", "--all"], True),
        (["purge", "--tenant", "acme"], True),
        (["redrive", "--all"], True),
        (["redrive", "--tenant", "acme"], True),
        (["redrive", "ID"], False),
    ],
)
def test_nothing_much_happens_before_somebody_agrees(sspp: Shell, argv: list[str], asks: bool) -> None:
    id_ = sspp.bury()
    words = [id_ if word == "ID" else word for word in argv]
    if asks:
        code, _, err = sspp(*words, stdin="y\n")
        assert (code, err) == (1, f"sspp: nothing was done; with --yes it would {argv[0]} 1 dead letter\n")
        for said in ("", "\n", "n\n", "yeah\n"):
            code, out, err = sspp(*words, stdin=said, terminal=True)
            assert (code, out) == (1, "")
            assert err.startswith(f"{argv[0]} 1 dead letter? [y/N] ")
        assert sspp.left() == [id_]
        assert sspp(*words, stdin="Y\n", terminal=True)[0] == 0
    else:
        assert sspp(*words)[0] == 0
    assert sspp.left() == []


def test_a_redis_that_is_away_is_one_line_and_75(sspp: Shell) -> None:
    id_ = sspp.bury()
    for argv in (["list"], ["show", id_], ["redrive", "--all", "--yes"], ["purge", id_, "--yes"]):
        code, out, err = sspp(*argv, REDIS_URL="redis://:canary@127.0.0.1:1")
        assert (code, out, err.count("\n")) == (75, "", 1)
        assert "Redis is unavailable" in err
        assert "canary" not in err


def test_whatever_fails_can_be_allowed_to_become_a_dead_letter_for_a_while(sspp):
    assert "events" in sspp.good("allow", "events", "--for", "2h")
    assert 7000 < sspp.redis.ttl(keyspace.bury_key("events")) <= 7200
    assert not sspp.redis.exists(keyspace.bury_key("notices"))
    assert sspp("allow", "everything")[0] == 2


def test_actions_write_json_and_nothing_beside_it(sspp: Shell) -> None:
    id_, _ = sspp.bury(), sspp.bury()
    for argv, stdin, came in (
        (["edit", id_, "--data", "-"], "{}", {"id": id_, "edited": True}),
        (["show", id_, "--event"], "", None),
        (["redrive", id_], "", {"redriven": 1, "changed": 0}),
        (["redrive", "--tenant", "nobody", "--yes"], "", {"redriven": 0, "skipped": 0}),
        (["purge", "--all", "--yes"], "", {"purged": 1}),
        (["allow", "events", "--for", "1h"], "", None),
    ):
        code, out, err = sspp(*argv, "--json", stdin=stdin)
        assert (code, err) == (0, ""), argv
        assert came in (None, json.loads(out))
