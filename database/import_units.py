"""Quantities of a file whose rows say what they are counted in: they become whole numbers of each product's base unit.

A row without a unit is in base units. Every factor is the product's own, found by the same rules as everywhere
(`stockkeeper.domain.unit`); of a supplier's terms it is that supplier's. What can't be converted exactly is a bad row.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    and_,
    case,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.engine import Connection

from database.unit import find_units
from stockkeeper.domain.errors import InvalidRequest

UNIT = "unit"
_PRODUCTS_AT_ONCE = 10_000
_MOST = 1_000_000_000
"""Base units at most in a quantity, as in every message."""


def units_columns(measured: Sequence[str]) -> list[Column[Any]]:
    """The columns of ``incoming`` beside the quantities: as they are in the file, and what the row's unit comes to."""
    if not measured:
        return []
    given = [Column(f"given_{name}", Numeric) for name in measured]
    # Base units in one of the row's unit; or why there is no such number. The product's base unit in words.
    return [*given, Column("factor", Numeric), Column("no_factor", Text), Column("counted_in", Text)]


def convert(connection: Connection, rows: Table, measured: Sequence[str]) -> None:
    """Find the factor of each row, and write its quantities in base units; 0 where there is no whole number."""
    units = _units(connection, rows)
    is_of_row = [rows.c.product_id == units.c.product_id, rows.c.unit == units.c.unit]
    if "supplier_id" in rows.c:
        is_of_row.append(rows.c.supplier_id == units.c.supplier_id)
    found = {name: units.c[name] for name in ("factor", "no_factor", "counted_in")}
    connection.execute(update(rows).values(found).where(*is_of_row))
    exact = {name: rows.c[f"given_{name}"] * func.coalesce(rows.c.factor, 1) for name in measured}
    connection.execute(
        update(rows).values(
            {
                name: case((units_given.is_(None), None), (units_given <= _MOST, func.trunc(units_given)), else_=0)
                for name, units_given in exact.items()
            }
        )
    )


def _units(connection: Connection, rows: Table) -> Table:
    """A temporary table with the factor of every unit in the file, by product, and by supplier where there is one."""
    table = Table(
        "incoming_units",
        MetaData(),
        *(Column(name, BigInteger) for name in ("product_id", "supplier_id")),
        Column("unit", Text),
        Column("factor", Numeric),
        *(Column(name, Text) for name in ("no_factor", "counted_in")),
        prefixes=["TEMPORARY"],
        postgresql_on_commit="DROP",
    )
    table.create(connection)
    supplier = rows.c.supplier_id if "supplier_id" in rows.c else literal(None, BigInteger)
    named = (
        select(rows.c.product_id, supplier.label("supplier_id"), rows.c.unit)
        .where(rows.c.unit.is_not(None), rows.c.product_id.is_not(None))
        .distinct()
        .order_by(rows.c.product_id)
    )
    asked = connection.execute(named).all()
    for first in range(0, len(asked), _PRODUCTS_AT_ONCE):
        some = asked[first : first + _PRODUCTS_AT_ONCE]
        known = find_units(connection, {row.product_id for row in some})
        values = []
        for product_id, supplier_id, unit in some:
            units = known.of(product_id, supplier_id)
            factor, no_factor = None, None
            try:
                exact = units.factor(unit)
                factor = Decimal(exact.numerator) / Decimal(exact.denominator)
            except InvalidRequest as error:
                no_factor = error.message
            of_product = {"product_id": product_id, "supplier_id": supplier_id, "unit": unit}
            values.append(of_product | {"factor": factor, "no_factor": no_factor, "counted_in": units.counted_in})
        connection.execute(insert(table), values)
    return table


def faults(rows: Table, measured: Sequence[str]) -> list[tuple[str, list[Any], ColumnElement[bool]]]:
    """What may be wrong with the units of rows: the column, the message in parts, and which rows it concerns."""
    found: list[tuple[str, list[Any], ColumnElement[bool]]] = [
        (UNIT, [rows.c.no_factor], rows.c.no_factor.is_not(None))
    ]
    for name in measured:
        given = rows.c[f"given_{name}"]
        exact = given * rows.c.factor
        below = func.trunc(exact)
        said = [func.trim_scale(given).cast(String), " ", rows.c.unit]
        isnt_whole = [*said, " isn't whole in ", rows.c.counted_in, "; the nearest are ", below, " or ", below + 1]
        found.append((name, isnt_whole, and_(exact != below, exact <= _MOST)))
        found.append((name, [*said, " are more than ", literal(str(_MOST), String)], exact > _MOST))
    return found
