"""Which stamps are believed, and what is said of the others."""

import pytest

from audio2shape_ros.audio.stamps import DISTRUST_S, SoundClock

NOW, CHUNK_S = 1.8e9, 0.02
YEAR_S = 365 * 86400.0


def ends(stamp, *, seconds: float = 4.0, now: float = NOW) -> tuple[list[float], SoundClock]:
    """How far from the moment of their arrival messages are taken to end, when the n-th is stamped `stamp(n)`."""
    clock, off = SoundClock(), []
    for n in range(round(seconds / CHUNK_S)):
        arrived = now + n * CHUNK_S + 0.05
        off.append(clock.end_of(stamp(n), CHUNK_S, arrived, 1000 + n * CHUNK_S) - arrived)
    return off, clock


@pytest.mark.parametrize(
    ("stamp", "words"),
    [
        (lambda n: NOW, "do not advance"),
        (lambda n: NOW - n * CHUNK_S, "go backwards"),
        (lambda n: NOW + n * CHUNK_S + 2 * (n % 2), "go backwards"),
        (lambda n: NOW + n * CHUNK_S + YEAR_S, "365 days ahead"),
        (lambda n: 5000 + n * CHUNK_S, "83 minutes ago"),
        (lambda n: NOW + n * CHUNK_S / 10, "advance 0.3 s in 3.0 s"),
        (lambda n: 1000 * (NOW + n * CHUNK_S), "days ahead"),  # milliseconds
    ],
    ids=["constant", "backwards", "alternating", "a year ahead", "uptime", "slow", "milliseconds"],
)
def test_wrong_stamps_are_named_and_give_way_to_arrival(stamp, words):
    off, clock = ends(stamp)
    assert words in clock.problem
    assert clock.source == "arrival"
    assert off[-1] == 0.0


@pytest.mark.parametrize("late", [0.0, -3.0, 3.0, 50.0])
def test_stamps_of_other_machines_are_believed(late):
    off, clock = ends(lambda n: NOW + n * CHUNK_S - late)
    assert (clock.source, clock.problem, clock.remark) == ("header", "", "")
    assert off[-1] == pytest.approx(-0.03 - late)


def test_a_recording_keeps_its_stamps_and_is_remarked():
    off, clock = ends(lambda n: NOW - YEAR_S + n * CHUNK_S)
    assert (clock.source, clock.problem) == ("header", "")
    assert "365 days behind" in clock.remark
    assert "use_sim_time" in clock.remark


def test_one_jump_back_is_a_bag_that_starts_again():
    _, clock = ends(lambda n: NOW + (n % 100) * CHUNK_S)
    assert clock.source == "header"


def test_stamps_are_believed_again_when_they_have_been_right_for_a_while():
    _, clock = ends(lambda n: NOW + n * CHUNK_S + YEAR_S * (n == 10), seconds=DISTRUST_S)
    assert clock.source == "arrival"
    _, clock = ends(lambda n: NOW + n * CHUNK_S + YEAR_S * (n == 10), seconds=DISTRUST_S + 0.4)
    assert clock.source == "header"


def test_without_stamps_or_a_clock():
    off, clock = ends(lambda n: None)
    assert (clock.source, set(off)) == ("receive", {0.0})
    clock = SoundClock()
    assert clock.end_of(NOW, CHUNK_S, 0.0, 1.0) == pytest.approx(NOW + CHUNK_S)  # the only clock there is
    assert clock.end_of(None, CHUNK_S, 0.0, 1.0) == 0.0
