"""Texts about an adjustment: in the Temporal UI, and in notices."""

from collections.abc import Sequence

from stockkeeper.contracts.adjustment import AdjustmentState, StoredAdjustment, StoredAdjustmentLine, worth
from stockkeeper.contracts.lot import product_and_lot
from stockkeeper.contracts.markdown import plain
from stockkeeper.contracts.messages import amount, counted, utc
from stockkeeper.contracts.notice import Audience, Notice
from stockkeeper.domain.adjustment import AdjustmentStatus
from workflows.details import details, named_by, notices, shortages, table
from workflows.giving_way import held_before_lines, named, promised
from workflows.notices import cut


def approval_wanted(adjustment: StoredAdjustment) -> Notice:
    """An adjustment waits for approval."""
    return _to_warehouse(adjustment, f"Approval wanted: {_named(adjustment)}")


def reminder(adjustment: StoredAdjustment) -> Notice:
    """An adjustment still waits for approval."""
    return _to_warehouse(adjustment, f"Still waiting for approval: {_named(adjustment)}")


def news(adjustment: StoredAdjustment) -> list[Notice]:
    """Notices about a change of status: to those who were asked for an approval, if nothing was posted."""
    if adjustment.status in (AdjustmentStatus.REJECTED, AdjustmentStatus.CANCELLED):
        title = f"{adjustment.status.capitalize()}: {_named(adjustment)}: {adjustment.closed_reason}"
        return [_to_warehouse(adjustment, title)]
    return []


def gave_way(adjustment: StoredAdjustment) -> Notice:
    """The notice about orders and transfers that have lost their promised units."""
    skus, holds = _skus(adjustment), adjustment.gave_way
    title = f"Promised stock is missing: {counted(len(holds), 'hold')} gave way to {_named(adjustment)}"
    text = [
        "What these orders and transfers were promised isn't there, and all that they hold is released:",
        *cut([f"{named(hold)} of {skus[hold.product_id]}" for hold in holds], what=""),
        "",
    ]
    return _to_warehouse(adjustment, title, text)


def held_before(adjustment: StoredAdjustment) -> Notice:
    """The notice about orders and transfers that gave way earlier, and whose units may be back."""
    title = f"Units are back: {counted(len(adjustment.held_before), 'hold')} gave way before {_named(adjustment)}"
    body = "\n".join(cut(held_before_lines(adjustment, _skus(adjustment))))
    return Notice(audience=Audience.WAREHOUSE, title=title, body=body)


def details_of(state: AdjustmentState, adjustment: StoredAdjustment) -> str:
    """The run in a few lines of Markdown: changes and their reason, the approval, and the next step."""
    by, why = plain(adjustment.requested_by), plain(adjustment.reason)
    asked = f"Asked for by {by} at {utc(adjustment.requested_at)}: {why}"
    skus = _skus(adjustment)
    lines = table(
        ["product", "#units", "#unit cost", "#value"],
        [(_named_line(line), f"{line.quantity:+}", *_worth(line)) for line in adjustment.lines],
    )
    gave_way = table(
        ["gave way", "product", "#units"],
        [
            (f"{hold.reference_type.lower()} {hold.reference_id}", skus[hold.product_id], hold.quantity)
            for hold in state.gave_way
        ],
    )
    at_stake = table(
        ["would lose its units", "product", "#units"],
        [
            (f"{hold.reference_type.lower()} {hold.reference_id}", skus[hold.product_id], hold.quantity)
            for hold in state.would_end
        ],
    )
    parts = [asked, "", *lines, "", *at_stake, *gave_way, "", *notices(state.notices)]
    value = worth(adjustment.value, adjustment.unvalued_units)
    text = f"{plain(adjustment.warehouse)}, worth {value}. {_next(adjustment)}"
    return details(adjustment.status, text, parts, state.notes)


def rejection_of(state: AdjustmentState) -> str:
    """The details of an adjustment that was rejected: nothing is stored, so SKUs and names are unknown."""
    short = shortages("#to be taken off", "#on hand", state.shortages)
    text = f"Less is on hand than adjustment {plain(state.adjustment_number)} takes off: nothing was changed."
    more = named_by("adjust show", state.adjustment_number)
    return details(state.status, text, [*short, "", more], state.notes)


def _next(adjustment: StoredAdjustment) -> str:
    match adjustment.status:
        case AdjustmentStatus.PENDING:
            until = f"at {utc(adjustment.approve_by)}" if adjustment.approve_by else "at the last deadline"
            why = "Above the limit"
            if adjustment.would_end_total:
                why = f"Would end {counted(adjustment.would_end_total, 'hold')}"
            return (
                f"{why}: waits for an approval, by a person other than {plain(adjustment.requested_by)}. "
                f"Next: `approve`, `reject` or `cancel`; otherwise it is cancelled {until}."
            )
        case AdjustmentStatus.POSTED:
            if adjustment.approved_by is None:
                return "In the books. Within the limit: no approval was needed."
            note = f": {plain(adjustment.approval_note)}" if adjustment.approval_note else ""
            return f"In the books. Approved by {plain(adjustment.approved_by)}{note}."
        case _:
            return f"Nothing was changed: {plain(adjustment.closed_reason)}."


def _skus(adjustment: StoredAdjustment) -> dict[int, str]:
    return {line.product_id: line.sku for line in adjustment.lines}


def _named_line(line: StoredAdjustmentLine) -> str:
    """The SKU of a line, and the lot of its units if the product is tracked."""
    return product_and_lot(line.sku, line.lot_number)


def _worth(line: StoredAdjustmentLine) -> tuple[str, str]:
    """The unit cost and the value of the line; ``unknown`` and an empty text where the cost isn't known."""
    if line.unit_cost is None:
        return ("unknown", "")
    return (amount(line.unit_cost), amount(abs(line.quantity) * line.unit_cost))


def _named(adjustment: StoredAdjustment) -> str:
    value = worth(adjustment.value, adjustment.unvalued_units)
    return f"adjustment {adjustment.adjustment_number}, {value} in {adjustment.warehouse}"


def _at_stake(adjustment: StoredAdjustment) -> list[str]:
    """The holds that an approval would end, for the people who are asked for it."""
    if not adjustment.would_end:
        return []
    skus, more = _skus(adjustment), adjustment.would_end_total - len(adjustment.would_end)
    return [
        "",
        f"An approval would end {counted(adjustment.would_end_total, 'hold')}, and these lose their units:",
        *(f"{promised(hold)} of {skus[hold.product_id]}" for hold in adjustment.would_end),
        *([f"and {more} more"] if more > 0 else []),
    ]


def _to_warehouse(adjustment: StoredAdjustment, title: str, first: Sequence[str] = ()) -> Notice:
    body = [
        *first,
        f"Asked for by {adjustment.requested_by}: {adjustment.reason}",
        *([f"Approved by {adjustment.approved_by}"] if adjustment.approved_by else []),
        *_at_stake(adjustment),
        "",
        *cut([f"{line.quantity:+} x {_named_line(line)}, unit cost {_worth(line)[0]}" for line in adjustment.lines]),
    ]
    return Notice(audience=Audience.WAREHOUSE, title=title, body="\n".join(body))
