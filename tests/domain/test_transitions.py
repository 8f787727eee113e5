"""Which status leads where: every pair that is allowed, and every pair that isn't."""

import itertools

import pytest

from stockkeeper.domain.errors import InvalidState
from stockkeeper.domain.reservation import RESERVATION, ReservationEvent, ReservationStatus
from tests.support.refusals import refusal_of

ALLOWED = {
    ("WAITING", "hold"): "ACTIVE",
    ("WAITING", "reject"): "REJECTED",
    ("WAITING", "cancel"): "CANCELLED",
    ("ACTIVE", "ship"): "ACTIVE",
    ("ACTIVE", "fulfill"): "FULFILLED",
    ("ACTIVE", "extend"): "ACTIVE",
    ("ACTIVE", "cancel"): "CANCELLED",
    ("ACTIVE", "give_way"): "CANCELLED",
    ("ACTIVE", "expire"): "EXPIRED",
}
FORBIDDEN = [pair for pair in itertools.product(ReservationStatus, ReservationEvent) if pair not in ALLOWED]


@pytest.mark.parametrize(("pair", "after"), ALLOWED.items(), ids=lambda each: "-".join(each) if each else "")
def test_a_reservation_goes_from_status_to_status(pair: tuple[str, str], after: str) -> None:
    status, event = ReservationStatus(pair[0]), ReservationEvent(pair[1])
    assert RESERVATION.next(status, event) == after
    assert RESERVATION.allows(status, event)


def test_all_other_pairs_are_forbidden() -> None:
    assert len(FORBIDDEN) == 6 * 8 - 9


@pytest.mark.parametrize(("status", "event"), FORBIDDEN)
def test_a_reservation_cannot(status: ReservationStatus, event: ReservationEvent) -> None:
    assert not RESERVATION.allows(status, event)
    with pytest.raises(InvalidState, match=f"^{refusal_of('reservation', '1042', status, event)}$") as caught:
        RESERVATION.next(status, event, of="1042")
    assert caught.value.details == {"status": status.value, "command": event.value}


def test_four_statuses_are_final() -> None:
    final = {status for status in ReservationStatus if RESERVATION.is_final(status)}
    assert final == {"FULFILLED", "CANCELLED", "EXPIRED", "REJECTED"}


def test_without_a_name_the_message_names_the_kind_only() -> None:
    with pytest.raises(InvalidState, match=r"^reservation has expired and can't be cancelled$"):
        RESERVATION.next(ReservationStatus.EXPIRED, ReservationEvent.CANCEL)
