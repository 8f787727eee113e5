"""The details of a run in the Temporal UI: a few lines of Markdown."""

import re
from collections.abc import Iterable, Sequence

from stockkeeper.contracts.difference import DifferenceApprovalState
from stockkeeper.contracts.markdown import plain
from stockkeeper.contracts.messages import utc
from stockkeeper.contracts.notice import Audience, NoticeOutcome, NoticeState
from stockkeeper.contracts.receipt import ReceiptState
from stockkeeper.contracts.search_attributes import REFUSED
from stockkeeper.contracts.stock import ShortageState
from stockkeeper.domain.errors import DomainError
from stockkeeper.domain.worth import Worth

_TIME = re.compile(r"(\d\d:\d\d) (UTC)\b")
_ONE_WORD = re.compile(r"[\w@%+=:,./-]+", re.ASCII)
"""What a shell takes for one word, and for nothing else."""
_QUOTE = "'\"'\"'"
_BAR = "\\|"
_UNBROKEN = 15
_ROWS_SHOWN = 20
_NOTES_SHOWN = 5
_NOTICES_SHOWN = 5
_RECEIPTS_SHOWN = 10
_APPROVALS_SHOWN = 5
_ENDED = {"cancel": "cancelled", "close_short": "closed short", "lapse": "cancelled", "reject": "rejected"}
_OUTCOMES = {
    NoticeOutcome.PENDING: " (under way)",
    NoticeOutcome.SENT: "",
    NoticeOutcome.LOGGED: " (logged only)",
}


def details(status: str, text: str, table: Sequence[str], notes: Sequence[str]) -> str:
    """Status, a sentence with the next step, a small table, and the latest notes, in Markdown but for the notes."""
    latest = [f"- {plain(note)}" for note in notes[-_NOTES_SHOWN:]]
    return "\n".join([f"**{status}** · {text}", "", *table, "", *latest])


def ended_by(event: str, performed_by: str, reason: str) -> str:
    """The summary of a step that ends a document: ``closed short by kim: the factory burnt down``."""
    return f"{_ENDED[event]} by {performed_by}: {reason}"


def refused(failure: DomainError) -> str:
    """The details of a run whose start is refused."""
    text = (
        f"{failure.code}: {plain(failure.message)}. Nothing has changed. Next: correct the request, and start it again."
    )
    return details(REFUSED, text, [], [])


def continued(summary: str) -> str:
    """The paragraph that comes first in a run that follows another one.

    Temporal gives such a run neither the summary nor the details of the start.

    Args:
        summary: What the summary of the start says; empty: the start can't be read.
    """
    about = f"{plain(summary[:1].upper() + summary[1:])}. " if summary else ""
    return f"{about}This run goes on where an earlier one has ended: *Relationships* leads to that."


def notices(sent: Sequence[NoticeState]) -> list[str]:
    """The latest notices, with their outcome."""
    return [
        f"- {utc(notice.at)}: notice to {notice.audience.lower()}{_outcome(notice)}: {plain(notice.title)}"
        for notice in sent[-_NOTICES_SHOWN:]
    ]


def _outcome(notice: NoticeState) -> str:
    # Nobody but the supplier needs an order to act on.
    if notice.audience is Audience.SUPPLIER and notice.not_sent:
        return f" (NOT sent: {plain(notice.not_sent)})"
    if notice.outcome is NoticeOutcome.FAILED:
        return f" (not delivered: {plain(notice.not_sent)})"
    return _OUTCOMES[notice.outcome]


def receipts(columns: Sequence[str], booked: Sequence[ReceiptState]) -> list[str]:
    """The latest receipts as a table: name, when, by whom, units of both kinds, and why some aren't fit."""
    return table(
        columns,
        [
            (each.short_id, utc(each.at), each.performed_by, each.accepted, _unfit(each))
            for each in booked[-_RECEIPTS_SHOWN:]
        ],
    )


def _unfit(receipt: ReceiptState) -> object:
    return receipt.unfit if receipt.unfit_reason is None else f"{receipt.unfit} ({receipt.unfit_reason})"


def differences(approvals: Sequence[DifferenceApprovalState]) -> list[str]:
    """The latest approvals of differences."""
    return [
        f"- {utc(each.at)}: a difference up to {Worth(each.value, each.unvalued_units)} approved by "
        f"{plain(each.approver)}{f': {plain(each.note)}' if each.note else ''}"
        for each in approvals[-_APPROVALS_SHOWN:]
    ]


def named_by(command: str, number: str) -> str:
    """Where the names of products and warehouses are that a run knows by their ids alone."""
    quoted = number if _ONE_WORD.fullmatch(number) else "'" + number.replace("'", _QUOTE) + "'"
    return f"`stockkeeper {command} {quoted}` names products and warehouses."


def shortages(requested: str, available: str, short: Sequence[ShortageState]) -> list[str]:
    """The items of which there was too little as a table, by their ids: nothing is stored, so names are unknown."""
    return table(
        ["product", "warehouse", requested, available],
        [
            (f"product {each.product_id}", f"warehouse {each.warehouse_id}", each.requested, each.available)
            for each in short
        ],
    )


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """A table of at most twenty rows; a column whose name begins with ``#`` holds numbers. No rows, no table."""
    listed = list(rows)
    if not listed:
        return []
    lines = [
        _row(_unbroken(column.removeprefix("#")) for column in columns),
        "|" + "|".join("---:" if column.startswith("#") else "---" for column in columns) + "|",
        *(_row(row) for row in listed[:_ROWS_SHOWN]),
    ]
    if len(listed) > _ROWS_SHOWN:
        lines.append(_row([f"and {len(listed) - _ROWS_SHOWN} more", *("" for _ in columns[1:])]))
    return lines


def _unbroken(head: str) -> str:
    """The head of a column; a short one stays on one line, because in two it runs into the one beside it."""
    return head.replace(" ", "\u00a0") if len(head) <= _UNBROKEN else head


def _row(cells: Iterable[object]) -> str:
    # The UI sets a table without any space between its columns.
    return "|" + "|".join(f"{_cell(plain(cell))}\u2003" for cell in cells) + "|"


def _cell(text: str) -> str:
    """The text of a cell; of an instant that takes two lines, the day is the first."""
    return _TIME.sub("\\1\u00a0\\2", text).replace("|", _BAR)
