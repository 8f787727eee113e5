"""What people have typed is read in the Temporal UI as they typed it, whatever Markdown would make of it."""

import shlex
from datetime import UTC, datetime

import pytest

from stockkeeper.contracts.markdown import plain
from stockkeeper.contracts.receipt import ReceiptState
from stockkeeper.domain.errors import InvalidRequest
from workflows.details import continued, details, ended_by, named_by, receipts, refused, table


@pytest.mark.parametrize(
    ("typed", "written"),
    [
        ("5*3 cm, **fragile**", r"5\*3 cm, \*\*fragile\*\*"),
        ("_urgent_ TEA_100_X", r"\_urgent\_ TEA_100_X"),
        ("<none>, </b>, <!-- -->, 1 <2, a < b", r"\<none>, \</b>, \<!-- -->, 1 <2, a < b"),
        ("see [the list](https://example.com) ![x](y)", r"see \[the list](https://example.com) !\[x](y)"),
        ("R&D, &amp; &#42;", r"R&D, \&amp; \&#42;"),
        ("`rm` ~old~ C:\\new", r"\`rm\` \~old\~ C:\\new"),
        ("Müller - 12 x TEA-100 (2026-11-23 14:30 UTC)", "Müller - 12 x TEA-100 (2026-11-23 14:30 UTC)"),
        ("connection failed:\nis it up?", "connection failed: is it up?"),
    ],
)
def test_a_typed_text_is_read_as_it_is_and_in_one_line(typed: str, written: str) -> None:
    assert plain(typed) == written


def test_a_cell_takes_any_text() -> None:
    [head, ruler, row] = table(["product", "#units"], [("A|B\\C*", 3)])
    assert head == "|product\u2003|units\u2003|"
    assert ruler == "|---|---:|"
    assert row == "|A\\|B\\\\C\\*\u2003|3\u2003|"


def test_a_cell_keeps_a_time_together_and_has_no_key_of_a_run() -> None:
    def receipt(number: str) -> ReceiptState:
        at = datetime(2026, 11, 23, 14, 30, tzinfo=UTC)
        return ReceiptState(receipt_id=number, at=at, performed_by="ines", accepted=2, unfit=0)

    key = "01a2092b-6d23-793b-a35b-e54bca388b2e"
    numbers = ["box-1", key, f"{key}/signal-3", "slip/2"]
    shown = receipts(["inspection", "at", "by", "#fit", "#unfit"], [receipt(number) for number in numbers])
    rows = [row.replace("\u2003", "").strip("|").split("|") for row in shown[2:]]
    assert [row[0] for row in rows] == ["box-1", "01a2092b…", "signal-3", "slip/2"]
    assert {row[1] for row in rows} == {"2026-11-23 14:30\u00a0UTC"}


def test_the_reason_stands_beside_the_units_that_are_not_fit() -> None:
    at = datetime(2026, 11, 23, 14, 30, tzinfo=UTC)

    def receipt(unfit: int, why: str | None) -> ReceiptState:
        return ReceiptState(receipt_id="1", at=at, performed_by="ines", accepted=2, unfit=unfit, unfit_reason=why)

    booked = [receipt(3, "wet, torn|open"), receipt(1, None)]
    shown = receipts(["receipt", "at", "by", "#fit", "#unfit"], booked)
    assert [row.split("\u2003|")[-2] for row in shown[2:]] == ["3 (wet, torn\\|open)", "1"]


def test_notes_are_typed_texts_and_the_sentence_is_markdown() -> None:
    lines = details("DRAFT", "Next: `approve`.", [], ["signal *hurry* refused"]).splitlines()
    assert lines == ["**DRAFT** · Next: `approve`.", "", "", r"- signal \*hurry\* refused"]


def test_a_refused_start_says_what_was_wrong_in_its_own_letters() -> None:
    assert refused(InvalidRequest("sku: '<none>'")).splitlines()[0] == (
        r"**REFUSED** · InvalidRequest: sku: '\<none>'. Nothing has changed. "
        "Next: correct the request, and start it again."
    )
    assert continued("order 5*3: 1 line").startswith(r"Order 5\*3: 1 line. This run goes on where")


def test_a_command_is_given_as_a_shell_takes_it() -> None:
    assert named_by("reserve show", "1042") == "`stockkeeper reserve show 1042` names products and warehouses."
    assert named_by("reserve show", "a b") == "`stockkeeper reserve show 'a b'` names products and warehouses."
    number = "O'Neil; x"
    assert named_by("adjust show", number) == (
        f"`stockkeeper adjust show {shlex.quote(number)}` names products and warehouses."
    )


@pytest.mark.parametrize(
    ("event", "summary"),
    [
        ("cancel", "cancelled by kim: too much"),
        ("reject", "rejected by kim: too much"),
        ("close_short", "closed short by kim: too much"),
        ("lapse", "cancelled by kim: too much"),
    ],
)
def test_a_step_that_ends_a_document_says_how_by_whom_and_why(event: str, summary: str) -> None:
    assert ended_by(event, "kim", "too much") == summary
