"""Which status leads where: for each document every pair that is allowed, and every pair that isn't."""

import itertools
from collections.abc import Callable
from enum import StrEnum
from typing import Any, NamedTuple

import pytest

from stockkeeper.domain.adjustment import ADJUSTMENT, Adjustment, AdjustmentEvent, AdjustmentStatus
from stockkeeper.domain.customer_return import RETURN, CustomerReturn, ReturnEvent, ReturnStatus
from stockkeeper.domain.cycle_count import COUNT_LINE, CountEvent, CountStatus
from stockkeeper.domain.errors import InvalidState
from stockkeeper.domain.inspection import INSPECTION, Inspection, InspectionEvent, InspectionStatus
from stockkeeper.domain.lot import StockState
from stockkeeper.domain.purchase_order import PURCHASE_ORDER, PurchaseOrder, PurchaseOrderEvent, PurchaseOrderStatus
from stockkeeper.domain.recall import RECALL, Recall, RecallEvent, RecallStatus
from stockkeeper.domain.reservation import RESERVATION, ReservationEvent, ReservationStatus
from stockkeeper.domain.stock_audit import FINDING, Finding, FindingEvent, FindingKind, FindingStatus
from stockkeeper.domain.transfer import TRANSFER, Transfer, TransferEvent, TransferStatus
from stockkeeper.domain.transitions import TransitionTable
from tests.support.refusals import refusal_of

ALLOWED = {
    "reservation": """
        WAITING: hold ACTIVE, reject REJECTED, cancel CANCELLED
        ACTIVE: ship ACTIVE, fulfill FULFILLED, extend ACTIVE, release ACTIVE, cancel CANCELLED, give_way CANCELLED
        ACTIVE: expire EXPIRED
    """,
    "purchase order": """
        DRAFT: approve DRAFT, submit SUBMITTED, reject CANCELLED, lapse CANCELLED, cancel CANCELLED, amend DRAFT
        SUBMITTED: confirm CONFIRMED, receive SUBMITTED, complete RECEIVED, close_short RECEIVED, cancel CANCELLED
        SUBMITTED: amend SUBMITTED, reopen DRAFT
        CONFIRMED: confirm CONFIRMED, receive CONFIRMED, complete RECEIVED, close_short RECEIVED, cancel CANCELLED
    """,
    "transfer": """
        PENDING: reject REJECTED, dispatch IN_TRANSIT, cancel CANCELLED, give_way CANCELLED
        IN_TRANSIT: receive IN_TRANSIT, go_on IN_TRANSIT, complete RECEIVED, write_off RECEIVED, cancel CANCELLED
    """,
    "return": "EXPECTED: inspect EXPECTED, complete INSPECTED, close_short INSPECTED, cancel CANCELLED",
    "adjustment": "PENDING: post POSTED, approve POSTED, reject REJECTED, cancel CANCELLED, lapse CANCELLED",
    "inspection": "OPEN: release OPEN, scrap OPEN, complete DONE, reject REJECTED",
    "recall": "BLOCKED: release RELEASED, close CLOSED",
    "count": """
        COUNTING: record POSTED, doubt REVIEW, cancel CANCELLED
        REVIEW: record POSTED, doubt REVIEW, approve_variance POSTED, cancel CANCELLED
    """,
    "finding": """
        OPEN: vanish GONE, repair REPAIRED, accept ACCEPTED
        ACCEPTED: vanish GONE
    """,
}
"""For each status of a document its events, each with the status that it leads to."""
STATUSES_TIMES_EVENTS = {
    "reservation": 6 * 9,
    "purchase order": 5 * 11,
    "transfer": 5 * 8,
    "return": 3 * 4,
    "adjustment": 4 * 5,
    "inspection": 3 * 4,
    "recall": 3 * 2,
    "count": 4 * 4,
    "finding": 4 * 3,
}
FINAL = {
    "reservation": {"FULFILLED", "CANCELLED", "EXPIRED", "REJECTED"},
    "purchase order": {"RECEIVED", "CANCELLED"},
    "transfer": {"RECEIVED", "CANCELLED", "REJECTED"},
    "return": {"INSPECTED", "CANCELLED"},
    "adjustment": {"POSTED", "REJECTED", "CANCELLED"},
    "inspection": {"DONE", "REJECTED"},
    "recall": {"RELEASED", "CLOSED"},
    "count": {"POSTED", "CANCELLED"},
    "finding": {"GONE", "REPAIRED"},
}


class Subject(NamedTuple):
    """A transition table, and a document that it rules.

    Attributes:
        number: The document's number in messages.
        after: The status after an event that happens to the document in a status. The document itself is asked, where
            it has but one status.
    """

    table: TransitionTable[Any, Any]
    statuses: type[StrEnum]
    events: type[StrEnum]
    number: str
    after: Callable[[Any, Any], StrEnum]


def _reservation(status: ReservationStatus, event: ReservationEvent) -> ReservationStatus:
    return RESERVATION.next(status, event, of="1042")


def _purchase_order(status: PurchaseOrderStatus, event: PurchaseOrderEvent) -> PurchaseOrderStatus:
    return PurchaseOrder(1, "PO-1", 2, 3, status, "rita", 0, (), ()).after(event)


def _transfer(status: TransferStatus, event: TransferEvent) -> TransferStatus:
    return Transfer(1, "T-1", 2, 3, status, None, ()).after(event)


def _return(status: ReturnStatus, event: ReturnEvent) -> ReturnStatus:
    return CustomerReturn(1, "R-1", 2, "1042", status, ()).after(event)


def _adjustment(status: AdjustmentStatus, event: AdjustmentEvent) -> AdjustmentStatus:
    return Adjustment(1, "A-1", 2, status, "broken", "tom", None, ()).after(event)


def _inspection(status: InspectionStatus, event: InspectionEvent) -> InspectionStatus:
    return Inspection(1, "I-1", 2, status, StockState.QUARANTINE, "open", "tom", ()).after(event)


def _recall(status: RecallStatus, event: RecallEvent) -> RecallStatus:
    return Recall(1, "RC-1", status, "quinn").after(event)


def _count(status: CountStatus, event: CountEvent) -> CountStatus:
    return COUNT_LINE.next(status, event, of="CC-1", part="product 10")


def _finding(
    status: FindingStatus, event: FindingEvent, kind: FindingKind = FindingKind.RESERVED_IS_NOT_THE_HOLDS
) -> FindingStatus:
    return Finding(7, kind, 1, 2, "", expected=3, actual=1, status=status).after(event)


def _finding_of_the_past(status: FindingStatus, event: FindingEvent) -> FindingStatus:
    return _finding(status, event, FindingKind.BALANCES_DO_NOT_FOLLOW)


SUBJECTS = {
    "reservation": Subject(RESERVATION, ReservationStatus, ReservationEvent, "1042", _reservation),
    "purchase order": Subject(PURCHASE_ORDER, PurchaseOrderStatus, PurchaseOrderEvent, "PO-1", _purchase_order),
    "transfer": Subject(TRANSFER, TransferStatus, TransferEvent, "T-1", _transfer),
    "return": Subject(RETURN, ReturnStatus, ReturnEvent, "R-1", _return),
    "adjustment": Subject(ADJUSTMENT, AdjustmentStatus, AdjustmentEvent, "A-1", _adjustment),
    "inspection": Subject(INSPECTION, InspectionStatus, InspectionEvent, "I-1", _inspection),
    "recall": Subject(RECALL, RecallStatus, RecallEvent, "RC-1", _recall),
    "count": Subject(COUNT_LINE, CountStatus, CountEvent, "CC-1", _count),
    "finding": Subject(FINDING, FindingStatus, FindingEvent, "7", _finding),
}
STEPS = {
    (document, status, event): after
    for document, rows in ALLOWED.items()
    for status, steps in (row.strip().split(": ") for row in rows.strip().splitlines())
    for event, after in (step.split() for step in steps.split(","))
}
FORBIDDEN = [
    (document, status, event)
    for document, subject in SUBJECTS.items()
    for status, event in itertools.product(subject.statuses, subject.events)
    if (document, status, event) not in STEPS
]


@pytest.mark.parametrize(("document", "status", "event"), STEPS)
def test_a_document_goes_from_status_to_status(document: str, status: str, event: str) -> None:
    table, statuses, events, _, after = SUBJECTS[document]
    then = STEPS[document, status, event]
    assert table.next(statuses(status), events(event)) == then
    assert table.allows(status, event)
    assert after(statuses(status), events(event)) == then


@pytest.mark.parametrize("document", SUBJECTS)
def test_all_other_pairs_are_forbidden(document: str) -> None:
    allowed = [pair for pair in STEPS if pair[0] == document]
    forbidden = [pair for pair in FORBIDDEN if pair[0] == document]
    assert len(forbidden) == STATUSES_TIMES_EVENTS[document] - len(allowed)


def _cannot(subject: Subject, sentence: str, status: StrEnum, event: StrEnum) -> None:
    assert not subject.table.allows(status, event)
    with pytest.raises(InvalidState) as caught:
        subject.after(status, event)
    assert caught.value.message == sentence
    assert caught.value.details == {"status": status.value, "command": event.value}


@pytest.mark.parametrize(("document", "status", "event"), FORBIDDEN)
def test_a_document_cannot(document: str, status: StrEnum, event: StrEnum) -> None:
    subject = SUBJECTS[document]
    part = "product 10 of " if document == "count" else ""
    _cannot(subject, part + refusal_of(document, subject.number, status, event), status, event)


@pytest.mark.parametrize(("status", "event"), [pair[1:] for pair in FORBIDDEN if pair[0] == "finding"])
def test_whether_a_finding_can_be_repaired_is_asked_after_its_status(status: StrEnum, event: StrEnum) -> None:
    past = SUBJECTS["finding"]._replace(after=_finding_of_the_past)
    _cannot(past, refusal_of("finding", "7", status, event), status, event)


@pytest.mark.parametrize("document", SUBJECTS)
def test_no_event_leads_out_of_a_final_status(document: str) -> None:
    table, statuses, *_ = SUBJECTS[document]
    assert {status for status in statuses if table.is_final(status)} == FINAL[document]


def test_without_a_name_the_message_names_the_kind_only() -> None:
    with pytest.raises(InvalidState, match=r"^reservation has expired and can't be cancelled$"):
        RESERVATION.next(ReservationStatus.EXPIRED, ReservationEvent.CANCEL)
