"""Failpoints: off unless they are named, and deadly when they are."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from events import failpoint
from events.errors import ConfigError

PASSES = """
from events import failpoint
failpoint.arm({armed!r})
for number in (1, 2, 3):
    print(number, flush=True)
    failpoint.reach({place!r})
"""


def passing(armed: str, place: str) -> subprocess.CompletedProcess[str]:
    program = PASSES.format(armed=armed, place=place)
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("armed", "place", "passed", "ends"),
    [
        ("", "dispatcher.read", 3, 0),
        ("dispatcher.read@2", "dispatcher.read", 2, -signal.SIGKILL),
        ("dispatcher.read@2", "dispatcher.settled", 3, 0),
        ("dispatcher.read@9,dispatcher.settled@1", "dispatcher.settled", 1, -signal.SIGKILL),
    ],
)
def test_the_nth_passing_of_a_named_place_kills(armed, place, passed, ends):
    ended = passing(armed, place)
    assert (len(ended.stdout.split()), ended.returncode) == (passed, ends)


@pytest.mark.parametrize("text", ["nowhere@1", "dispatcher.read", "dispatcher.read@0", "dispatcher.read@x", "@1"])
def test_a_place_there_is_not_is_refused(text):
    with pytest.raises(ConfigError, match="SSPP_FAILPOINTS"):
        failpoint.arm(text)
