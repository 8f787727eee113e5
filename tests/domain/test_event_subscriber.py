"""When a failed delivery is tried again, and in which order events are delivered."""

from datetime import timedelta

import pytest

from stockkeeper.domain.errors import InvalidState
from stockkeeper.domain.event_subscriber import SUBSCRIBER, Lanes, SubscriberEvent, SubscriberStatus, wait_after

ALLOWED = {
    SubscriberStatus.ACTIVE: {"fail", "recover", "pause", "replay", "change", "rotate_secret", "unsubscribe"},
    SubscriberStatus.FAILING: {
        "fail",
        "recover",
        "pause",
        "resume",
        "replay",
        "change",
        "rotate_secret",
        "unsubscribe",
    },
    SubscriberStatus.PAUSED: {"resume", "replay", "change", "rotate_secret", "unsubscribe"},
    SubscriberStatus.ENDED: set(),
}


@pytest.mark.parametrize("status", SubscriberStatus)
def test_each_status_allows_these_events_and_no_other(status: SubscriberStatus) -> None:
    assert {str(event) for event in SubscriberEvent if SUBSCRIBER.allows(status, event)} == ALLOWED[status]


def test_what_is_refused_says_what_to_do() -> None:
    with pytest.raises(InvalidState, match="event subscriber shop has been unsubscribed; subscribe it again"):
        SUBSCRIBER.next(SubscriberStatus.ENDED, SubscriberEvent.RESUME, of="shop")
    with pytest.raises(InvalidState, match="event subscriber shop is paused already"):
        SUBSCRIBER.next(SubscriberStatus.PAUSED, SubscriberEvent.PAUSE, of="shop")
    with pytest.raises(InvalidState, match="event subscriber shop gets its events already"):
        SUBSCRIBER.next(SubscriberStatus.ACTIVE, SubscriberEvent.RESUME, of="shop")


def test_waits_double_from_a_second_to_an_hour() -> None:
    seconds = [wait_after(failures).total_seconds() for failures in range(1, 15)]
    assert seconds == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3600, 3600]
    assert wait_after(10**6) == timedelta(hours=1)


def _ready(lanes: Lanes) -> list[int]:
    """All that may be under way now."""
    found: list[int] = []
    while (number := lanes.next()) is not None:
        found.append(number)
    return found


def test_of_a_subject_one_event_is_under_way_and_of_all_as_many_as_there_are_lanes() -> None:
    lanes = Lanes([(1, "a"), (2, "a"), (3, "b"), (4, "c"), (5, "d"), (6, "a")], lanes=3)
    assert _ready(lanes) == [1, 3, 4]
    lanes.took(3)
    assert _ready(lanes) == [5]
    lanes.took(1)
    assert _ready(lanes) == [2]
    for number in (4, 5, 2):
        lanes.took(number)
    assert _ready(lanes) == [6]
    assert not lanes.is_done
    lanes.took(6)
    assert (lanes.is_done, lanes.taken, _ready(lanes)) == (True, [1, 2, 3, 4, 5, 6], [])


def test_what_is_not_taken_stops_its_subject_and_a_lane_and_the_others_go_on() -> None:
    lanes = Lanes([(1, "a"), (2, "a"), (3, "b"), (4, "b"), (5, "c")], lanes=2)
    assert _ready(lanes) == [1, 3]
    lanes.failed(1)
    assert _ready(lanes) == []
    lanes.took(3)
    assert _ready(lanes) == [4]
    lanes.took(4)
    assert _ready(lanes) == [5]
    lanes.took(5)
    assert (_ready(lanes), lanes.taken, lanes.is_done) == ([], [3, 4, 5], False)


def test_a_receiver_that_is_away_gets_as_many_requests_as_there_are_lanes() -> None:
    lanes = Lanes(((number, str(number)) for number in range(100)), lanes=4)
    asked = 0
    while ready := _ready(lanes):
        asked += len(ready)
        lanes.failed(ready[0])
        for number in ready[1:]:
            lanes.failed(number)
    assert asked == 4


def test_what_was_taken_before_is_not_sent_again() -> None:
    lanes = Lanes([(1, "a"), (2, "a"), (3, "b")], taken=[1, 3])
    assert _ready(lanes) == [2]
    lanes.took(2)
    assert (lanes.taken, lanes.is_done) == ([1, 2, 3], True)


def test_once_stopped_nothing_more_begins() -> None:
    lanes = Lanes([(1, "a"), (2, "b")], lanes=1)
    assert _ready(lanes) == [1]
    lanes.stop()
    lanes.took(1)
    assert (_ready(lanes), lanes.is_done) == ([], False)
