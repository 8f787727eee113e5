"""Where a move is, and until when it can be given up."""

import itertools

import pytest

from stockkeeper.domain.errors import InvalidState
from stockkeeper.domain.move import MOVE, MoveEvent, MoveStatus

ALLOWED = {
    (MoveStatus.COPYING, MoveEvent.COPY): MoveStatus.DRAINING,
    (MoveStatus.DRAINING, MoveEvent.SWITCH): MoveStatus.ARRIVING,
    (MoveStatus.ARRIVING, MoveEvent.ARRIVE): MoveStatus.AUDITING,
    (MoveStatus.AUDITING, MoveEvent.AUDIT): MoveStatus.MOVED,
    (MoveStatus.COPYING, MoveEvent.CANCEL): MoveStatus.CANCELLED,
    (MoveStatus.DRAINING, MoveEvent.CANCEL): MoveStatus.CANCELLED,
}


def test_a_move_goes_from_status_to_status() -> None:
    assert {pair: MOVE.next(*pair) for pair in ALLOWED} == ALLOWED
    assert {status for status in MoveStatus if MOVE.is_final(status)} == {MoveStatus.MOVED, MoveStatus.CANCELLED}


@pytest.mark.parametrize(
    ("status", "event"), [pair for pair in itertools.product(MoveStatus, MoveEvent) if pair not in ALLOWED]
)
def test_all_other_pairs_are_forbidden(status: MoveStatus, event: MoveEvent) -> None:
    assert not MOVE.allows(status, event)
    with pytest.raises(InvalidState) as caught:
        MOVE.next(status, event)
    assert caught.value.details == {"status": status.value, "command": event.value}


def test_one_that_has_left_can_not_be_cancelled() -> None:
    with pytest.raises(InvalidState) as caught:
        MOVE.next(MoveStatus.ARRIVING, MoveEvent.CANCEL, of="7")
    assert caught.value.message == (
        "move of warehouse 7 has left the old database and can't be cancelled: move it back instead"
    )
