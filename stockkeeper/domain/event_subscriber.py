"""Subscribers, to which events are pushed: statuses, when a failed delivery is tried again, and in which order."""

from collections.abc import Iterable
from datetime import timedelta
from enum import StrEnum

from stockkeeper.domain.transitions import TransitionTable, Words

FIRST_WAIT = timedelta(seconds=1)
LONGEST_WAIT = timedelta(hours=1)
LANES = 4
"""Deliveries to one subscriber at a time: of one subject never more than one."""


class SubscriberStatus(StrEnum):
    """Whether a subscriber gets its events."""

    ACTIVE = "ACTIVE"
    FAILING = "FAILING"
    """Its latest delivery failed, and is tried again."""
    PAUSED = "PAUSED"
    """It gets nothing until it is resumed: a person has said so, its receiver is gone, or it failed for too long."""
    ENDED = "ENDED"


class SubscriberEvent(StrEnum):
    """What happens to a subscriber."""

    FAIL = "fail"
    RECOVER = "recover"
    PAUSE = "pause"
    RESUME = "resume"
    REPLAY = "replay"
    CHANGE = "change"
    ROTATE_SECRET = "rotate_secret"  # noqa: S105 - a command's name
    UNSUBSCRIBE = "unsubscribe"


_STAYS = {SubscriberEvent.REPLAY, SubscriberEvent.CHANGE, SubscriberEvent.ROTATE_SECRET}
"""What changes where or what is delivered, and not whether."""

SUBSCRIBER: TransitionTable[SubscriberStatus, SubscriberEvent] = TransitionTable(
    {
        (SubscriberStatus.ACTIVE, SubscriberStatus.ACTIVE): {SubscriberEvent.RECOVER, *_STAYS},
        (SubscriberStatus.ACTIVE, SubscriberStatus.FAILING): {SubscriberEvent.FAIL},
        (SubscriberStatus.FAILING, SubscriberStatus.FAILING): {SubscriberEvent.FAIL, *_STAYS},
        (SubscriberStatus.FAILING, SubscriberStatus.ACTIVE): {SubscriberEvent.RECOVER, SubscriberEvent.RESUME},
        (SubscriberStatus.ACTIVE, SubscriberStatus.PAUSED): {SubscriberEvent.PAUSE},
        (SubscriberStatus.FAILING, SubscriberStatus.PAUSED): {SubscriberEvent.PAUSE},
        (SubscriberStatus.PAUSED, SubscriberStatus.PAUSED): _STAYS,
        (SubscriberStatus.PAUSED, SubscriberStatus.ACTIVE): {SubscriberEvent.RESUME},
        **{
            (status, SubscriberStatus.ENDED): {SubscriberEvent.UNSUBSCRIBE}
            for status in (SubscriberStatus.ACTIVE, SubscriberStatus.FAILING, SubscriberStatus.PAUSED)
        },
    },
    Words(
        "event subscriber",
        statuses={
            SubscriberStatus.ACTIVE: "gets its events",
            SubscriberStatus.FAILING: "fails, and is tried again",
            SubscriberStatus.PAUSED: "is paused",
            SubscriberStatus.ENDED: "has been unsubscribed",
        },
        commands={
            SubscriberEvent.FAIL: "can't fail",
            SubscriberEvent.RECOVER: "can't take events",
            SubscriberEvent.PAUSE: "can't be paused",
            SubscriberEvent.RESUME: "can't be resumed",
            SubscriberEvent.REPLAY: "gets nothing again",
            SubscriberEvent.CHANGE: "can't be changed",
            SubscriberEvent.ROTATE_SECRET: "gets no other secret",
            SubscriberEvent.UNSUBSCRIBE: "can't be unsubscribed",
        },
        advice={SubscriberStatus.ENDED: "subscribe it again"},
    ),
)


def wait_after(failures: int) -> timedelta:
    """How long to wait after so many failures in a row: a second, doubled each time up to an hour."""
    doublings = min(max(failures, 1) - 1, 16)
    return min(FIRST_WAIT * (1 << doublings), LONGEST_WAIT)


class Lanes:
    """The order in which the events of a page are delivered: of one subject one after the other, others meanwhile.

    An event that isn't taken stops its subject and one lane for this attempt. So a receiver that is away gets as many
    requests as there are lanes, and one that refuses a single event gets all of the other subjects.

    Args:
        events: The number and subject of each event, by rising numbers.
        taken: The numbers of those that were taken before.
        lanes: How many may be under way at a time.
    """

    def __init__(self, events: Iterable[tuple[int, str]], taken: Iterable[int] = (), lanes: int = LANES) -> None:
        self._taken = set(taken)
        self._left = {number: subject for number, subject in events if number not in self._taken}
        self._under_way: dict[int, str] = {}
        self._stopped: set[str] = set()
        self._lanes = lanes

    def next(self) -> int | None:
        """The event to be delivered now; None: there is none until one under way has ended."""
        if len(self._under_way) >= self._lanes:
            return None
        seen = {*self._under_way.values(), *self._stopped}
        for number, subject in self._left.items():
            if subject not in seen:
                self._under_way[number] = subject
                del self._left[number]
                return number
        return None

    def took(self, number: int) -> None:
        """The receiver has taken an event that was under way."""
        del self._under_way[number]
        self._taken.add(number)

    def failed(self, number: int) -> None:
        """It hasn't."""
        self._stopped.add(self._under_way.pop(number))
        self._lanes -= 1

    def stop(self) -> None:
        """Deliver nothing more of this page."""
        self._lanes = 0

    @property
    def taken(self) -> list[int]:
        """The numbers of the events that were taken, by number."""
        return sorted(self._taken)

    @property
    def is_done(self) -> bool:
        """Whether all were taken."""
        return not self._left and not self._under_way and not self._stopped
