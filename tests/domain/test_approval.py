"""Approvals: who may approve, how many must, and until when."""

from datetime import UTC, datetime, timedelta

import pytest

from stockkeeper.domain.approval import Approval, Deadlines
from stockkeeper.domain.errors import NotPermitted

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def _approval(required: int = 1, *given: str) -> Approval:
    return Approval(
        document="purchase order PO-1", involved=["rita"], involvement="requested", required=required, given=given
    )


@pytest.mark.parametrize(
    ("required", "given", "person", "complete"),
    [
        (1, [], "ann", True),
        (2, [], "ann", False),
        (2, ["ann"], "bob", True),
        (2, ["ann"], "Ann", False),
        (3, ["ann", "bob"], "cid", True),
        (3, ["ann", "bob"], "BOB", False),
    ],
)
def test_as_many_different_people_as_required_have_to_approve(
    required: int, given: list[str], person: str, *, complete: bool
) -> None:
    assert _approval(required, *given).is_complete_with(person) is complete


@pytest.mark.parametrize("person", ["rita", "RITA", " rita "])
def test_nobody_who_is_involved_may_approve(person: str) -> None:
    for refused in (_approval().require_may_approve, _approval().is_complete_with):
        with pytest.raises(NotPermitted, match=f"^purchase order PO-1 was requested by {person}"):
            refused(person)


def test_a_second_approval_of_a_person_is_recognized() -> None:
    assert _approval(2, "ann").is_given_by("ANN")
    assert not _approval(2, "ann").is_given_by("bob")
    assert not _approval(2).is_given_by("ann")


def test_deadlines_count_from_the_moment_in_which_it_was_asked_for() -> None:
    ordered = Deadlines.after(NOON, remind_after_hours=1, escalate_after_hours=2.5, cancel_after_hours=4)
    assert ordered == Deadlines(NOON + HOUR, NOON + 2.5 * HOUR, NOON + 4 * HOUR)
    adjusted = Deadlines.after(NOON, remind_after_hours=0.5, cancel_after_hours=1)
    assert adjusted == Deadlines(NOON + HOUR / 2, None, NOON + HOUR)
