"""Names of the catalogue: the ids behind them, in any case, and the nearest ones. Nothing is locked."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import ARRAY, Column, Connection, Table, Text, and_, cast, func, or_, select

from database.tables import former_skus, products, suppliers, warehouses
from stockkeeper.domain.names import nearest

_LOOKED_AT = 5_000
"""Names that are compared with a wrong one; with more in the catalogue, those that begin like it come first."""

_SUGGESTED = 3
_LONGEST_ID = 18
_BY_ID = re.compile(r"id:([0-9]{1,18})", re.ASCII)


@dataclass(frozen=True)
class Named:
    """A table of the catalogue, by the columns with its names and its ids."""

    name: Column[str]
    id: Column[int]
    former: Table | None = None
    """Names that its rows had, each with the id; those that were taken up again are no former ones any more."""


PRODUCTS = Named(products.c.sku, products.c.product_id, former_skus)
WAREHOUSES = Named(warehouses.c.name, warehouses.c.warehouse_id)
SUPPLIERS = Named(suppliers.c.name, suppliers.c.supplier_id)


@dataclass(frozen=True)
class FoundNames:
    """What names stand for.

    Attributes:
        ids: By name as it was asked for.
        several: Names that stand for several rows, in other cases each.
        unknown: Names of nothing.
    """

    ids: dict[str, int]
    several: dict[str, list[str]]
    unknown: list[str]


def find_names(connection: Connection, where: Named, wanted: Sequence[str], *, digits_are_ids: bool) -> FoundNames:
    """The ids behind names: the very name, a former one, ``id:7``, or the only name that differs by case alone.

    Args:
        connection: The transaction.
        where: The table.
        wanted: The names.
        digits_are_ids: Whether a number that is no name is taken for an id.
    """
    asked = list(dict.fromkeys(wanted))
    found = _exactly(connection, where, asked)
    found |= _formerly(connection, where, [name for name in asked if name not in found])
    by_id = {
        name: int(match[1])
        for name in asked
        if name not in found
        and ((match := _BY_ID.fullmatch(name)) or (digits_are_ids and (match := re.fullmatch(r"([0-9]{1,18})", name))))
    }
    there = set(connection.execute(select(where.id).where(where.id.in_(by_id.values()))).scalars()) if by_id else set()
    found |= {name: number for name, number in by_id.items() if number in there}
    several: dict[str, list[str]] = {}
    for name, rows in _in_any_case(connection, where, [name for name in asked if name not in found]).items():
        if len(rows) == 1:
            found[name] = rows[0][1]
        else:
            several[name] = [spelled for spelled, _ in rows]
    return FoundNames(found, several, [name for name in asked if name not in found and name not in several])


def suggestions(connection: Connection, where: Named, unknown: Sequence[str]) -> dict[str, str]:
    """The nearest name for each of the first few unknown ones that have one."""
    near = {name: nearest(name, _like(connection, where, name)) for name in unknown[:_SUGGESTED]}
    return {name: found for name, found in near.items() if found is not None}


def _exactly(connection: Connection, where: Named, wanted: Iterable[str]) -> dict[str, int]:
    rows = connection.execute(select(where.name, where.id).where(where.name.in_(list(wanted))))
    return {row[0]: row[1] for row in rows}


def _formerly(connection: Connection, where: Named, wanted: Sequence[str]) -> dict[str, int]:
    """The ids of the rows that had these names. In any case: no other row has one that differs by that alone."""
    if where.former is None or not wanted:
        return {}
    asked = select(func.unnest(cast(list(wanted), ARRAY(Text))).label("wanted")).subquery()
    had = where.former.c
    same = and_(func.lower(had[where.name.name]) == func.lower(asked.c.wanted), had.taken_back_at.is_(None))
    rows = connection.execute(select(asked.c.wanted, had[where.id.name]).join_from(asked, where.former, same))
    return {row[0]: row[1] for row in rows}


def _in_any_case(connection: Connection, where: Named, wanted: Sequence[str]) -> dict[str, list[tuple[str, int]]]:
    """Names and ids by the wanted name that they differ from by case alone. Case is the database's, as in the index."""
    if not wanted:
        return {}
    asked = select(func.unnest(cast(list(wanted), ARRAY(Text))).label("wanted")).subquery()
    rows = connection.execute(
        select(asked.c.wanted, where.name, where.id)
        .join_from(asked, where.name.table, func.lower(where.name) == func.lower(asked.c.wanted))
        .order_by(where.name)
    )
    found: dict[str, list[tuple[str, int]]] = {}
    for name, spelled, number in rows:
        found.setdefault(name, []).append((spelled, number))
    return found


def _like(connection: Connection, where: Named, wanted: str) -> list[str]:
    """Names to compare with a wrong one: of about its length, or its number with other leading zeros."""
    same_number = where.name.in_([wanted.lstrip("0").zfill(length) for length in range(1, _LONGEST_ID + 1)])
    begins_alike = func.lower(func.left(where.name, 2)) == func.lower(wanted[:2])
    about_as_long = func.length(where.name).between(len(wanted) - 3, len(wanted) + 3)
    rows = connection.execute(
        select(where.name)
        .where(or_(same_number, about_as_long))
        .order_by(same_number.desc(), begins_alike.desc(), where.name)
        .limit(_LOOKED_AT)
    )
    return list(rows.scalars())
