"""The details of a run in the Temporal UI: a few lines of Markdown."""

from collections.abc import Iterable, Sequence

from stockkeeper.contracts.messages import utc
from stockkeeper.contracts.notice import Audience, NoticeOutcome, NoticeState
from stockkeeper.contracts.receipt import ReceiptState
from stockkeeper.contracts.search_attributes import REFUSED
from stockkeeper.contracts.stock import ShortageState
from stockkeeper.domain.errors import DomainError

_UNBROKEN = 15
_ROWS_SHOWN = 20
_NOTES_SHOWN = 5
_NOTICES_SHOWN = 5
_RECEIPTS_SHOWN = 10
_OUTCOMES = {
    NoticeOutcome.PENDING: " (under way)",
    NoticeOutcome.SENT: "",
    NoticeOutcome.LOGGED: " (logged only)",
    NoticeOutcome.FAILED: " (not delivered)",
}


def details(status: str, text: str, table: Sequence[str], notes: Sequence[str]) -> str:
    """Status, a sentence with the next step, a small table, and the latest notes."""
    return "\n".join([f"**{status}** · {text}", "", *table, "", *(f"- {note}" for note in notes[-_NOTES_SHOWN:])])


def refused(failure: DomainError) -> str:
    """The details of a run whose start is refused."""
    text = f"{failure.code}: {failure.message}. Nothing has changed. Next: correct the request, and start it again."
    return details(REFUSED, text, [], [])


def continued(summary: str) -> str:
    """The paragraph that comes first in a run that follows another one.

    Temporal gives such a run neither the summary nor the details of the start.

    Args:
        summary: What the summary of the start says; empty: the start can't be read.
    """
    about = f"{summary[:1].upper()}{summary[1:]}. " if summary else ""
    return f"{about}This run goes on where an earlier one has ended: *Relationships* leads to that."


def notices(sent: Sequence[NoticeState]) -> list[str]:
    """The latest notices, with their outcome."""
    return [
        f"- {utc(notice.at)}: notice to {notice.audience.lower()}{_outcome(notice)}: {notice.title}"
        for notice in sent[-_NOTICES_SHOWN:]
    ]


def _outcome(notice: NoticeState) -> str:
    # Nobody but the supplier needs an order to act on.
    if notice.audience is Audience.SUPPLIER and notice.not_sent:
        return f" (NOT sent: {notice.not_sent})"
    return _OUTCOMES[notice.outcome]


def receipts(columns: Sequence[str], booked: Sequence[ReceiptState]) -> list[str]:
    """The latest receipts as a table: name, when, by whom, and units of both kinds."""
    return table(
        columns,
        [
            (each.receipt_id, utc(each.at), each.performed_by, each.accepted, each.unfit)
            for each in booked[-_RECEIPTS_SHOWN:]
        ],
    )


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
    return "|" + "|".join(f"{_escaped(str(cell))}\u2003" for cell in cells) + "|"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|")
