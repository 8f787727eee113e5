"""The question for suppliers and their terms. It locks nothing and changes nothing."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from temporalio import activity

from activities.writes import OnDatabase, database_errors
from database.order_terms import price_breaks_of, price_breaks_written, read_suppliers, read_terms
from database.unit import read_packs
from stockkeeper.contracts.csv_cells import csv_line
from stockkeeper.contracts.supply import SUPPLY_AT_ONCE, ExportSupply, SupplyActivities, SupplyPage

_FILES: Mapping[str, tuple[Callable[..., list[dict[str, Any]]], tuple[str, ...]]] = {
    "suppliers": (
        read_suppliers,
        ("name", "email", "review_days", "minimum_order_value", "joint_orders", "line_cost"),
    ),
    "product-suppliers": (
        read_terms,
        (
            *("sku", "supplier", "is_preferred", "unit_cost", "lead_time_days", "lead_time_deviation_days"),
            *("minimum_order_quantity", "pack_size", "price_breaks", "minimum_days_at_receipt"),
        ),
    ),
    "units": (read_packs, ("sku", "unit", "quantity", "supplier")),
}
"""For each kind of file: what reads its rows, and its columns."""


class SupplyQuestions(OnDatabase, SupplyActivities):
    """`SupplyActivities` on PostgreSQL."""

    @activity.defn(name="export_supply", no_thread_cancel_exception=True)
    def export_supply(self, question: ExportSupply) -> SupplyPage:
        """A page of suppliers, of their terms or of packs, in the columns and spellings that an import takes."""
        read, columns = _FILES[question.file]
        with database_errors(), self._database.snapshot() as connection:
            found = read(connection, question.after or (0, 0), SUPPLY_AT_ONCE + 1)
        page = found[:SUPPLY_AT_ONCE]
        return SupplyPage(
            columns=list(columns),
            rows=[csv_line(_cell(name, row[name]) for name in columns) for row in page],
            after=page[-1]["after"] if page else None,
            more=len(found) > SUPPLY_AT_ONCE,
        )


def _cell(name: str, value: Any) -> object:
    if name == "price_breaks":
        return price_breaks_written(price_breaks_of(value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        return _plain(value)
    return "" if value is None else value


def _plain(amount: Decimal) -> str:
    return f"{amount.normalize():f}"
