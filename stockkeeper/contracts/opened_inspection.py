"""Inspections that a step of another document has opened, as its answer names them: the starts of their runs."""

from pydantic import BaseModel, Field

from stockkeeper.domain.lot import StockState


class OpenedLine(BaseModel):
    """Units of a product that the step has set aside; of a tracked product, of one lot."""

    product_id: int
    lot_number: str | None = Field(default=None, exclude_if=lambda number: number is None)
    quantity: int


class OpenedInspection(BaseModel):
    """An inspection that is stored, and whose run is to be started: the fields are those of an `InspectionRequest`."""

    inspection_number: str
    warehouse_id: int
    lines: list[OpenedLine]
    state: StockState
    reason: str
    performed_by: str
