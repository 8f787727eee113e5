"""Texts about a customer return in the Temporal UI."""

from stockkeeper.contracts.customer_return import ReturnState, StoredReturn, StoredReturnLine
from stockkeeper.contracts.lot import product_and_lot
from stockkeeper.contracts.markdown import plain
from stockkeeper.contracts.messages import counted, utc
from stockkeeper.domain.customer_return import ReturnStatus
from workflows.details import details, differences, receipts, table


def details_of(state: ReturnState, returned: StoredReturn) -> str:
    """The run in a few lines of Markdown: units restocked and scrapped, and the next step."""
    columns = [*_COLUMNS]
    # The page is narrow: omit columns that are zero on every line.
    if any(line.expected for line in returned.lines):
        columns.append(("#still expected" if returned.expected else "#never came", "expected"))
    lines = table(
        [head for head, _ in columns],
        [[_what(line), *(getattr(line, name) for _, name in columns[1:])] for line in returned.lines],
    )
    lots = table(
        ["product", "lot", "#restocked", "#scrapped"],
        [
            [plain(line.sku), plain(lot.lot_number), lot.restocked, lot.scrapped]
            for line in returned.lines
            for lot in line.lots
        ],
    )
    found = receipts(["inspection", "at", "by", "#restocked", "#scrapped"], returned.inspections)
    text = f"{counted(returned.units, 'unit')} of order {plain(returned.reference_id)} → {plain(returned.warehouse)}."
    asked = f"Registered by {plain(returned.requested_by)} at {utc(returned.requested_at)}."
    return details(
        returned.status,
        f"{text} {_next(returned)}",
        [
            asked,
            "",
            *lines,
            *(["", *lots] if lots else []),
            "",
            *found,
            "",
            *differences(returned.difference_approvals),
        ],
        state.notes,
    )


_COLUMNS = (("product", "sku"), ("#units", "quantity"), ("#restocked", "restocked"), ("#scrapped", "scrapped"))


def _what(line: StoredReturnLine) -> str:
    """The product of a line, and the lot of it that is expected."""
    return product_and_lot(line.sku, line.lot_number)


def _next(returned: StoredReturn) -> str:
    match returned.status:
        case ReturnStatus.EXPECTED:
            return (
                f"{counted(returned.expected, 'unit')} still expected. "
                "Next: `inspect` what has come, or `close_short`: the rest won't."
            )
        case ReturnStatus.CANCELLED:
            return f"Nothing came: {plain(returned.closed_reason)}."
        case _:
            why = plain(returned.closed_reason or "")
            return f"The rest never came: {why}." if why else "All of it came."
