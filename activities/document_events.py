"""Events of documents: one for each step that has changed a document, made of the step and the document after it.

A step that finds its effect there already changes nothing, and tells nothing.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel

from database.events import NewEvent
from database.operations import Operation
from stockkeeper.contracts.event import DocumentChanged, DocumentLineChanged
from stockkeeper.contracts.process import ProcessSpec
from stockkeeper.contracts.processes import DOCUMENTS
from stockkeeper.domain.event import EventKind

PROCESS_OF: Mapping[str, ProcessSpec] = {
    step: process for process in DOCUMENTS.values() for step in vars(process.activities) if not step.startswith("_")
}
"""The process of each step on a document, by the step's name."""

_PLACES = ("warehouse_id", "from_warehouse_id", "to_warehouse_id")
_LINES = ("lines", "line_items")
_UNITS = ("quantity", "qty", "restock_quantity")
_UNFIT = ("rejected_quantity", "damaged_quantity", "scrap_quantity")
_BOOKINGS = ("decision_id", "correction_id", "return_id", "receipt_id", "inspection_id", "dispatch_id", "write_off_id")


def document_changed(
    operation: Operation,
    document: BaseModel,
    *,
    process: ProcessSpec | None = None,
    lines: Iterable[Mapping[str, Any]] | None = None,
) -> NewEvent:
    """The event of a step that has changed a document.

    Args:
        operation: The step.
        document: The answer to the step: the document after it; of a count, perhaps one line.
        process: The document's process; None: the one that the step belongs to.
        lines: The units that it has booked, as a step says them; None: those that this step says.
    """
    process, fields, said = process or PROCESS_OF[operation.kind], dict(document), operation.payload
    names_number = process.workflow_id.partition("{")[2].rstrip("}")
    number = str(_first(fields, (names_number,)) or said[names_number])
    named = [fields[name] for name in _PLACES if fields.get(name) is not None]
    places = named or list(fields.get("warehouse_ids") or ())
    stored = {line.product_id: line for line in _first(fields, _LINES) or [fields["line"]]}
    changed = DocumentChanged(
        number=number,
        status=fields["status"],
        step=operation.kind,
        warehouse_ids=places,
        booking_id=_first(said, _BOOKINGS),
        lines=[_line(line, stored[line["product_id"]]) for line in (_lines_of(said) if lines is None else lines)],
        supplier_id=fields.get("supplier_id"),
        reference_id=fields.get("reference_id"),
        due_at=fields.get("due_at"),
    )
    return NewEvent(
        EventKind(f"{process.kind}.changed"),
        f"{process.kind}/{number}",
        changed.model_dump(mode="json"),
        operation,
        warehouse_id=places[0] if len(places) == 1 else None,
        reason=_first(said, ("reason", "unfit_reason", "note")),
    )


def _line(said: Mapping[str, Any], stored: Any) -> DocumentLineChanged:
    # A count is blind: its events have units only once the difference is posted.
    units = _first(said, _UNITS)
    return DocumentLineChanged(
        product_id=stored.product_id,
        sku=stored.sku,
        quantity=getattr(stored, "delta", None) if units is None else units,
        unfit=_first(said, _UNFIT) or 0,
        lot_number=said.get("lot_number"),
    )


def _lines_of(said: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    """The lines that a step is about."""
    if (lines := _first(said, _LINES)) is not None:
        return list(lines)
    counted = said.get("product_ids") or [said[name] for name in ("product_id",) if name in said]
    return [{"product_id": each} for each in counted]


def _first(fields: Mapping[str, Any], names: Iterable[str]) -> Any:
    """The first of these fields that is there and isn't null."""
    return next((fields[name] for name in names if fields.get(name) is not None), None)
