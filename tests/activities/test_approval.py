"""The rule of approvals in the database, beside the one in the domain."""

import pytest
from sqlalchemy import Engine, text

from stockkeeper.domain.approval import Approval
from stockkeeper.domain.errors import NotPermitted


@pytest.mark.parametrize(
    ("required", "approvers", "approved"),
    [
        (0, [], True),
        (1, [], False),
        (1, ["ann"], True),
        (1, ["rita"], False),
        (1, ["RITA"], False),
        (1, ["rita", "ann"], True),
        (2, ["ann"], False),
        (2, ["ann", "Ann"], False),
        (2, ["ann", "bob"], True),
        (3, ["ann", "bob", "BOB", "Rita"], False),
    ],
)
def test_is_approved_counts_different_people_who_are_not_involved(
    engine: Engine, required: int, approvers: list[str], *, approved: bool
) -> None:
    question = text("SELECT is_approved(:required, CAST(:approvers AS text[]), ARRAY['rita'])")
    with engine.connect() as connection:
        answer = connection.scalar(question, {"required": required, "approvers": approvers})
    assert answer is approved
    assert _by_the_domain(required, approvers) is approved


def _by_the_domain(required: int, approvers: list[str]) -> bool:
    given: list[str] = []
    complete = required == 0
    for person in approvers:
        approval = Approval(document="", involved=["rita"], involvement="", required=required, given=given)
        try:
            complete = approval.is_complete_with(person)
        except NotPermitted:
            continue
        given += [] if approval.is_given_by(person) else [person]
    return complete
