"""Whatever writes rows that events tell of is named here, with what tells it: nothing changes unheard.

Found are statements in SQL, and SQLAlchemy's, by the name of their table; where that is a variable, the writer counts
as one of any table.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

_PLACES = ("database", "activities", "devstack", "starter", "stockkeeper")
_TABLES = (
    *("inventory_items", "reservations", "waits", "waiting_lines", "stock_movements", "audit_findings"),
    *("purchase_orders", "transfer_orders", "cycle_counts", "returns", "adjustments"),
)
_SQL = re.compile(rf"\b(INSERT INTO|UPDATE|DELETE FROM)\s+({'|'.join(_TABLES)}|{{\w*}})(?=\s|$)")
_OF_SQLALCHEMY = {"insert": "INSERT INTO", "update": "UPDATE", "delete": "DELETE FROM"}

_STEP = "the step on the document, once it is carried out (`activities.document_events`)"
_STOCK = "`LockedStock.tell`, of the operation that has changed it (`database.stock_events`)"
WRITERS = {
    "activities/audit_findings.py": {
        "UPDATE audit_findings": "beside it, by the decision",
        "UPDATE inventory_items": "beside it, by the repair (`database.item_events`)",
    },
    "database/audit_findings.py": {
        "INSERT INTO audit_findings": "in the same statement",
        "UPDATE audit_findings": "in the same statement",
    },
    "database/customer_return.py": {"INSERT INTO _LOTS": _STEP},
    "database/cycle_count.py": {"UPDATE inventory_items": "nothing: when it was counted last isn't told"},
    "database/document.py": {"INSERT INTO header": _STEP, "UPDATE header": _STEP},
    "database/import_file.py": {
        # Products, warehouses, suppliers and their terms; stock is an adjustment of `database.ledger`.
        "INSERT INTO table": "nothing: rows on their way",
        "INSERT INTO there": "nothing: the catalogue",
        "UPDATE table": "nothing: rows on their way",
        "UPDATE there": "nothing: the catalogue",
    },
    "database/import_units.py": {"INSERT INTO table": "nothing: the units of rows on their way"},
    "database/imported_files.py": {"INSERT INTO stated": "nothing: which file has stated a quantity last"},
    "database/ledger.py": {"UPDATE inventory_items": "beside it: a buffer (`database.item_events`)"},
    "database/locked_order.py": {"UPDATE purchase_orders": _STEP},
    "database/locked_transfer.py": {"UPDATE transfer_orders": _STEP},
    "database/locks.py": {"INSERT INTO inventory_items": "nothing: a new item has nothing"},
    "database/mirrored_transfer.py": {"UPDATE transfer_orders": "the step that mirrors it"},
    "database/moving/copying.py": {
        "DELETE FROM {table}": "`warehouse.left`, in the same transaction",
        "DELETE FROM {}": "nothing: staging tables",
        "INSERT INTO {}": "nothing: staging tables",
    },
    "database/moving/steps.py": {
        "DELETE FROM {}": "nothing: rows that the warehouse's own replace, which are told",
        "INSERT INTO {}": "`tell_what_is_there`, in the same transaction",
        "UPDATE transfer_orders": "nothing: where its other end is isn't told",
        "UPDATE {}": "nothing: staging tables",
    },
    "database/purchase_order.py": {"UPDATE purchase_orders": _STEP},
    "database/receipts.py": {"INSERT INTO {}": _STEP, "UPDATE {}": _STEP},
    "database/replenishment_plan.py": {"UPDATE inventory_items": "beside it: reorder points (`database.item_events`)"},
    "database/stock_changes.py": {
        "INSERT INTO reservations": _STOCK,
        "INSERT INTO stock_movements": _STOCK,
        "UPDATE inventory_items": _STOCK,
        "UPDATE reservations": _STOCK,
    },
    "database/waiting.py": {"INSERT INTO waiting_lines": _STOCK, "INSERT INTO waits": _STOCK, "UPDATE waits": _STOCK},
    "database/waiting_looks.py": {"UPDATE waits": "the statement itself, of one that is abandoned"},
}
"""Statements by file, each with what tells what it changes."""


def _written(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.JoinedStr():
                words = "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
                yield from (f"{verb} {table}" for verb, table in _SQL.findall(words))
            case ast.Constant(value=str(words)):
                yield from (f"{verb} {table}" for verb, table in _SQL.findall(words))
            case ast.Call(func=ast.Name(id=verb), args=[table, *_]) if verb in _OF_SQLALCHEMY:
                name = ast.unparse(table).rpartition(".")[2]
                if name in _TABLES or not name.endswith("s") or "[" in name:
                    yield f"{_OF_SQLALCHEMY[verb]} {name}"


def _found() -> dict[str, set[str]]:
    files = [
        file for place in _PLACES for file in ([Path(place)] if place.endswith(".py") else Path(place).rglob("*.py"))
    ]
    written = {str(file): set(_written(file)) for file in files if "migrations" not in file.parts}
    return {file: statements for file, statements in sorted(written.items()) if statements}


def test_every_writer_of_what_events_tell_is_named_with_what_tells_it() -> None:
    assert _found() == {file: set(statements) for file, statements in WRITERS.items()}
