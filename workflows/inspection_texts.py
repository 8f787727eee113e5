"""Texts about an inspection: in the Temporal UI, and in notices."""

from collections.abc import Sequence

from stockkeeper.contracts.inspection import InspectionState, StoredInspection, StoredInspectionLine
from stockkeeper.contracts.markdown import plain
from stockkeeper.contracts.messages import counted, utc
from stockkeeper.contracts.notice import Audience, Notice
from stockkeeper.domain.inspection import InspectionStatus
from workflows.details import details, differences, named_by, notices, shortages, table
from workflows.giving_way import named
from workflows.notices import cut


def wanted(inspection: StoredInspection) -> Notice:
    """Units wait for an inspection."""
    return _to_warehouse(inspection, f"Inspection wanted: {_named(inspection)}")


def reminder(inspection: StoredInspection) -> Notice:
    """They still wait."""
    return _to_warehouse(inspection, f"Still waiting: {_named(inspection)}")


def overdue(inspection: StoredInspection) -> Notice:
    """The deadline has come, and nothing is decided by it."""
    return _to_warehouse(inspection, f"Overdue: {_named(inspection)}; it stays set aside")


def done(inspection: StoredInspection) -> Notice:
    """All units have been decided about."""
    released = sum(line.released for line in inspection.lines)
    scrapped = sum(line.scrapped for line in inspection.lines)
    return _to_warehouse(inspection, f"Done: {_named(inspection)}: {released} released, {scrapped} scrapped")


def gave_way(inspection: StoredInspection) -> Notice:
    """The notice about orders and transfers that have lost their promised units."""
    skus, holds = {line.product_id: line.sku for line in inspection.lines}, inspection.gave_way
    title = f"Promised stock was set aside: {counted(len(holds), 'hold')} gave way to {_named(inspection)}"
    text = [
        "What these orders and transfers were promised has been set aside, and all that they hold is released:",
        *cut([f"{named(hold)} of {skus[hold.product_id]}" for hold in holds], what=""),
        "",
    ]
    return _to_warehouse(inspection, title, text)


def details_of(state: InspectionState, inspection: StoredInspection) -> str:
    """The run in a few lines of Markdown: units, decisions, and the next step."""
    by, why = plain(inspection.requested_by), plain(inspection.reason)
    asked = f"Set aside by {by} at {utc(inspection.requested_at)}: {why}"
    skus = {line.product_id: line.sku for line in inspection.lines}
    lines = table(
        ["product", "#units", "#released", "#scrapped", "#set aside"],
        [(_what(line), line.quantity, line.released, line.scrapped, line.aside) for line in inspection.lines],
    )
    decided = table(
        ["decision", "at", "by", "what", "#units", "why"],
        [
            (
                each.decision_id,
                utc(each.at),
                each.performed_by,
                each.outcome.lower(),
                each.quantity,
                each.reason or "",
            )
            for each in inspection.decisions
        ],
    )
    lost = table(
        ["gave way", "product", "#units"],
        [
            (f"{hold.reference_type.lower()} {hold.reference_id}", skus[hold.product_id], hold.quantity)
            for hold in state.gave_way
        ],
    )
    approved = differences(inspection.difference_approvals)
    parts = [asked, "", *lines, "", *decided, "", *approved, "", *lost, "", *notices(state.notices)]
    where = f"{plain(inspection.warehouse)}, {inspection.state.lower().replace('_', ' ')}"
    return details(inspection.status, f"{where}. {_next(inspection)}", parts, state.notes)


def rejection_of(state: InspectionState) -> str:
    """The details of an inspection that was rejected: nothing is stored, so SKUs and names are unknown."""
    short = shortages("#to be set aside", "#there", state.shortages)
    text = f"Fewer units are there than inspection {plain(state.inspection_number)} sets aside: nothing was changed."
    return details(state.status, text, [*short, "", named_by("inspection show", state.inspection_number)], state.notes)


def _next(inspection: StoredInspection) -> str:
    if inspection.status is InspectionStatus.OPEN:
        return (
            f"{counted(inspection.aside, 'unit')} set aside: waits for a person other than "
            f"{plain(inspection.requested_by)}. Next: `release` or `scrap`; overdue at {utc(inspection.due_at)}, and "
            "nothing is released by that."
        )
    return "All of it has been decided about."


def _what(line: StoredInspectionLine) -> str:
    return f"{line.sku}, lot {line.lot_number}" if line.lot_number else line.sku


def _named(inspection: StoredInspection) -> str:
    units = counted(sum(line.quantity for line in inspection.lines), "unit")
    return f"inspection {inspection.inspection_number}, {units} in {inspection.warehouse}"


def _to_warehouse(inspection: StoredInspection, title: str, first: Sequence[str] = ()) -> Notice:
    body = [
        *first,
        f"Set aside by {inspection.requested_by}: {inspection.reason}",
        "",
        *cut([f"{line.quantity} x {_what(line)}, {line.aside} still set aside" for line in inspection.lines]),
    ]
    return Notice(audience=Audience.WAREHOUSE, title=title, body="\n".join(body))
