"""Notices as the command line prints them, below an order."""

from datetime import UTC, datetime

import pytest

from starter.cli.output import err
from starter.cli.printing import print_afterwards
from stockkeeper.contracts.notice import NO_ADDRESS, Audience, NoticeOutcome, NoticeState
from stockkeeper.contracts.stock import FoundItems

TITLE = "Purchase order PO-7"


@pytest.mark.parametrize(
    ("audience", "outcome", "reason", "printed"),
    [
        (Audience.SUPPLIER, "PENDING", None, "notice to supplier (pending)"),
        (Audience.SUPPLIER, "SENT", None, "notice to supplier (sent)"),
        (Audience.SUPPLIER, "LOGGED", NO_ADDRESS, "notice to supplier (NOT sent: the supplier has no mail address)"),
        # Of a run that began before reasons were kept.
        (Audience.SUPPLIER, "LOGGED", None, "notice to supplier (NOT sent: no mail is set up)"),
        (Audience.SUPPLIER, "FAILED", None, "notice to supplier (NOT sent: it was not taken)"),
        (Audience.SUPPLIER, "FAILED", "not taken by E-Mail", "notice to supplier (NOT sent: not taken by E-Mail)"),
        (Audience.WAREHOUSE, "LOGGED", None, "notice to warehouse (logged)"),
        (
            Audience.WAREHOUSE,
            "FAILED",
            "not taken by E-Mail",
            "notice to warehouse (not delivered: not taken by E-Mail)",
        ),
    ],
)
def test_a_notice_to_the_supplier_that_was_not_sent_says_so(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    audience: Audience,
    outcome: str,
    reason: str | None,
    printed: str,
) -> None:
    # Where pytest runs in several processes, it asks for the width of its own terminal.
    monkeypatch.setattr(err, "_width", None)
    notice = NoticeState(
        at=datetime(2026, 6, 1, 12, tzinfo=UTC),
        audience=audience,
        title=TITLE,
        outcome=NoticeOutcome(outcome),
        reason=reason,
    )
    print_afterwards(["12:00 UTC: noted"], [notice])
    assert capsys.readouterr().err.splitlines() == [f"{printed}: {TITLE}", "note: 12:00 UTC: noted"]


def test_a_note_names_what_its_run_knows_by_ids(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(err, "_width", None)
    found = FoundItems(products={}, warehouses={}, skus={7: "TEA-100"}, warehouse_names={3: "Hamburg"})
    print_afterwards(["rejected: product 7 in warehouse 3: requested 5, available 2; product 8"], found=found)
    assert capsys.readouterr().err == "note: rejected: TEA-100 in Hamburg: requested 5, available 2; product 8\n"
