"""A file import: applied whole or not at all.

Its rows come in pages, and nothing of them counts until all are there and every row has been found right. One bad row
refuses the file; the sender gets the rows and faults, and may send it again once they are mended.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import NamedTuple

from stockkeeper.domain.errors import InvalidRequest
from stockkeeper.domain.transitions import TransitionTable, Words

OPENING_STOCK = "opening stock"
"""The reason of the movements by which stock begins: before a warehouse is in use."""

PROBLEMS_NAMED = 10
_PROBLEMS_IN_MESSAGE = 3


class ImportKind(StrEnum):
    """The kind of rows of a file."""

    PRODUCTS = "products"
    WAREHOUSES = "warehouses"
    SUPPLIERS = "suppliers"
    PRODUCT_SUPPLIERS = "product-suppliers"
    BARCODES = "barcodes"
    STOCK = "stock"
    DEMAND = "demand"
    UNITS = "units"

    def noun(self, rows: int) -> str:
        """That many rows in words: ``1 product supplier``, ``2 days of demand``."""
        named = {"stock": "stock items", "demand": "days of demand", "units": "packs"}.get(self, self.replace("-", " "))
        if rows == 1:
            named = "day of demand" if self is ImportKind.DEMAND else named.removesuffix("s")
        return f"{rows:,} {named}"


class ImportStatus(StrEnum):
    """Status of an import. Only IMPORTED has changed anything."""

    LOADING = "LOADING"
    APPLYING = "APPLYING"
    IMPORTED = "IMPORTED"
    REFUSED = "REFUSED"
    ABANDONED = "ABANDONED"


class ImportEvent(StrEnum):
    """Event in the life of an import."""

    ADD_PAGE = "add_page"
    FINISH = "finish"
    RECOGNIZE = "recognize"
    """The same file had been imported before."""
    APPLY = "apply"
    REFUSE = "refuse"
    ABANDON = "abandon"


IMPORT = TransitionTable(
    {
        (ImportStatus.LOADING, ImportStatus.LOADING): {ImportEvent.ADD_PAGE},
        (ImportStatus.LOADING, ImportStatus.APPLYING): {ImportEvent.FINISH},
        (ImportStatus.LOADING, ImportStatus.IMPORTED): {ImportEvent.RECOGNIZE},
        (ImportStatus.LOADING, ImportStatus.ABANDONED): {ImportEvent.ABANDON},
        (ImportStatus.APPLYING, ImportStatus.IMPORTED): {ImportEvent.APPLY},
        (ImportStatus.APPLYING, ImportStatus.REFUSED): {ImportEvent.REFUSE},
    },
    Words(
        "file",
        statuses={
            ImportStatus.LOADING: "is being sent",
            ImportStatus.APPLYING: "is being imported",
            ImportStatus.IMPORTED: "has been imported",
            ImportStatus.REFUSED: "was refused",
            ImportStatus.ABANDONED: "was abandoned",
        },
        commands={
            ImportEvent.ADD_PAGE: "can take no more pages",
            ImportEvent.FINISH: "can take no more pages",
            ImportEvent.RECOGNIZE: "can't be taken for an earlier one",
            ImportEvent.APPLY: "can't be imported",
            ImportEvent.REFUSE: "can't be refused",
            ImportEvent.ABANDON: "can't be abandoned",
        },
        not_yet={ImportStatus.LOADING: "isn't complete yet"},
        advice={
            ImportStatus.REFUSED: "correct it and send it again",
            ImportStatus.ABANDONED: "send it again",
        },
    ),
)


class Columns(NamedTuple):
    """The columns a kind of file may have.

    Attributes:
        one_of: Of each of these groups exactly one: the same thing by its name or by its id.
        needed: All of these.
        optional: Any of these.
        at_most_one_of: Of each of these groups one or none, as in ``one_of``.
    """

    one_of: tuple[tuple[str, ...], ...]
    needed: tuple[str, ...]
    optional: tuple[str, ...]
    at_most_one_of: tuple[tuple[str, ...], ...] = ()

    @property
    def known(self) -> list[str]:
        """All of them, in the order in which people write them."""
        last = (name for group in self.at_most_one_of for name in group)
        return [*(name for group in self.one_of for name in group), *self.needed, *self.optional, *last]


PRODUCT = ("sku", "product_id")
"""A product is given by one of these columns."""
_WAREHOUSE = ("warehouse", "warehouse_id")
_SUPPLIER = ("supplier", "supplier_id")

COLUMNS: Mapping[ImportKind, Columns] = {
    ImportKind.PRODUCTS: Columns(
        (),
        ("sku",),
        (
            *("product_id", "name", "description", "category_id", "unit_cost", "unit_price", "weight_kg"),
            *("dimensions_cm", "is_active", "base_unit", "tracking", "minimum_days_left"),
            "minimum_days_at_receipt",
        ),
    ),
    ImportKind.WAREHOUSES: Columns((), ("name",), ("warehouse_id", "address", "timezone", "capacity_sqft", "priority")),
    ImportKind.SUPPLIERS: Columns(
        (),
        ("name",),
        (*("supplier_id", "email", "review_days", "minimum_order_value", "joint_orders", "line_cost"),),
    ),
    ImportKind.PRODUCT_SUPPLIERS: Columns(
        (PRODUCT, _SUPPLIER),
        (),
        (
            *("is_preferred", "unit_cost", "lead_time_days", "lead_time_deviation_days"),
            *("minimum_order_quantity", "pack_size", "unit", "price_breaks", "minimum_days_at_receipt"),
        ),
    ),
    ImportKind.BARCODES: Columns((PRODUCT,), ("barcode", "unit", "quantity"), ()),
    ImportKind.STOCK: Columns(
        (PRODUCT, _WAREHOUSE), ("quantity",), ("expected_quantity", "unit", "lot_number", "expires_on")
    ),
    ImportKind.DEMAND: Columns((PRODUCT, _WAREHOUSE), ("day", "quantity"), ("unit", "exclude")),
    ImportKind.UNITS: Columns((PRODUCT,), ("unit", "quantity"), (), (_SUPPLIER,)),
}

MEASURED: Mapping[ImportKind, tuple[str, ...]] = {
    ImportKind.PRODUCT_SUPPLIERS: ("minimum_order_quantity", "pack_size"),
    ImportKind.STOCK: ("quantity", "expected_quantity"),
    ImportKind.DEMAND: ("quantity",),
}
"""The quantities of files that may say in a column ``unit`` what they are counted in; else in base units."""

NEEDED_WHEN_NEW: Mapping[ImportKind, tuple[str, ...]] = {
    ImportKind.PRODUCTS: ("name",),
    ImportKind.PRODUCT_SUPPLIERS: ("unit_cost", "lead_time_days"),
}
"""Columns that a row needs unless it updates an existing record: a price list needs no names."""


@dataclass(frozen=True)
class BadRow:
    """The fault of one row.

    Attributes:
        line: The line in the file, counted from 1, the header's.
        column: The column, if it is one column's fault.
        message: One sentence for the person who mends it.
    """

    line: int
    column: str | None
    message: str

    def __str__(self) -> str:
        place = f"line {self.line}" if self.column is None else f"line {self.line}, {self.column}"
        return f"{place}: {self.message}"


def bad_columns(kind: ImportKind, columns: Iterable[str]) -> list[str]:
    """The faults of a file's columns, a sentence each; empty if there are none."""
    return wrong_columns(COLUMNS[kind], columns, f"{kind} files")


def wrong_columns(allowed: Columns, columns: Iterable[str], what: str) -> list[str]:
    """The faults of columns, a sentence each; ``what`` names the files that have the allowed ones."""
    given = list(columns)
    wrong = [f"there is no column {name!r}" for name in dict.fromkeys(given) if name not in allowed.known]
    if wrong:
        wrong[-1] += f"; {what} have {', '.join(allowed.known)}"
    wrong += [f"column {name!r} comes twice" for name in dict.fromkeys(given) if given.count(name) > 1]
    wrong += [f"column {name!r} is missing" for name in allowed.needed if name not in given]
    for group in allowed.one_of:
        found = [name for name in group if name in given]
        if not found:
            wrong.append(f"column {group[0]!r} is missing (or {' or '.join(map(repr, group[1:]))})")
        elif len(found) > 1:
            wrong.append(f"give {' or '.join(found)}, not both")
    given_twice = ([name for name in group if name in given] for group in allowed.at_most_one_of)
    wrong += [f"give {' or '.join(found)}, not both" for found in given_twice if len(found) > 1]
    return wrong


def refusal(bad_rows: Iterable[BadRow], total: int) -> InvalidRequest:
    """The error that names bad rows: the first ones, and how many there are.

    Args:
        bad_rows: The first of them, by line.
        total: How many there are altogether.
    """
    named = list(bad_rows)[:PROBLEMS_NAMED]
    shown = [str(bad) for bad in named[:_PROBLEMS_IN_MESSAGE]]
    if total > len(shown):
        shown.append(f"and {total - len(shown)} more")
    return InvalidRequest("; ".join(shown), {"errors": [asdict(bad) for bad in named], "errors_total": total})
