"""Lists of documents: the latest of one kind, page by page, whatever has become of the runs that made them.

The room of a kind of document has a `DocumentList` as ``LIST``: ``database.transfer.LIST``. A reservation, which has no
row above its lines, has a list of its own with the same method.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from sqlalchemy import Connection, RowMapping, literal_column, or_, select

from database.document import Document, number_alike

SKUS_SHOWN = 200
"""SKUs of one document in a list; a longer document is found by all of its products nevertheless."""


class Which(NamedTuple):
    """The documents that are asked for, of one kind.

    Attributes:
        most: Rows at most.
        as_of: The instant whose deadlines count: from its own on, a hold is over.
        status: Only in this status.
        product_id: Only with this product on a line.
        warehouse_id: Only of this warehouse; of a transfer, its source or its destination.
        numbers: Only these numbers; None: all.
        before: Only documents stored before the one in this place.
    """

    most: int
    as_of: datetime
    status: str | None = None
    product_id: int | None = None
    warehouse_id: int | None = None
    numbers: Sequence[str] | None = None
    before: int | None = None


class Listed(NamedTuple):
    """A document in a list.

    Attributes:
        place: Its place in the order in which documents of its kind were stored.
        number: Its number.
        status: Its status.
        skus: Its products, in the order of its lines, each once.
        warehouses: The names of its warehouses.
        created_at: When it was stored, by its workflow's clock.
        deadline: The next instant at which something is due; None: there is none.
        workflow_id: Its workflow.
        run_id: The run that stored it; empty: none has it yet.
        facts: The fields that only this kind has, by name.
    """

    place: int
    number: str
    status: str
    skus: list[str]
    warehouses: list[str]
    created_at: datetime
    deadline: datetime | None
    workflow_id: str
    run_id: str
    facts: dict[str, Any]


class Lists(Protocol):
    """The list of one kind of document."""

    def page(self, connection: Connection, which: Which) -> list[Listed]:
        """Documents, the latest first. Locks nothing."""
        ...

    def alike(self, connection: Connection, number: str) -> str | None:
        """A stored number that differs from this one by upper and lower case alone, if there is one."""
        ...


def _never(row: RowMapping) -> datetime | None:
    del row
    return None


@dataclass(frozen=True)
class DocumentList:
    """The list of a kind of document with a header.

    Attributes:
        document: The kind.
        warehouses: The header's columns with its warehouses.
        facts: The fields that only this kind has: SQL by name, in the scope of the header.
        deadline: The next instant at which something is due, from the header's columns and `further`.
        further: More columns for that: SQL by name.
        several: The header's column with all of its warehouses, if it may have any number of them.
    """

    document: Document
    warehouses: Sequence[str]
    facts: Mapping[str, str]
    deadline: Callable[[RowMapping], datetime | None] = _never
    further: Mapping[str, str] = field(default_factory=dict)
    several: str | None = None

    def page(self, connection: Connection, which: Which) -> list[Listed]:
        """Documents, the latest first. Locks nothing."""
        header, lines, key = self.document.header, self.document.lines, self.document.key
        names = {f"fact_{name}": sql for name, sql in self.facts.items()} | dict(self.further)
        found = select(
            header,
            literal_column(self._skus()).label("skus"),
            literal_column(self._warehouses()).label("warehouses"),
            *(literal_column(f"({sql})").label(name) for name, sql in names.items()),
        )
        if which.status is not None:
            found = found.where(header.c.status == which.status)
        if which.product_id is not None:
            with_it = select(lines.c[key.name]).where(lines.c.product_id == which.product_id)
            found = found.where(key.in_(with_it))
        if which.warehouse_id is not None:
            among = [header.c[self.several].any(which.warehouse_id)] if self.several else []
            found = found.where(or_(*among, *(header.c[name] == which.warehouse_id for name in self.warehouses)))
        if which.numbers is not None:
            found = found.where(self.document.number.in_(list(which.numbers)))
        if which.before is not None:
            found = found.where(key < which.before)
        rows = connection.execute(found.order_by(key.desc()).limit(which.most)).mappings()
        return [self._listed(row) for row in rows]

    def alike(self, connection: Connection, number: str) -> str | None:
        """A stored number that differs from this one by upper and lower case alone, if there is one."""
        return number_alike(connection, self.document, number)

    def _listed(self, row: RowMapping) -> Listed:
        return Listed(
            place=row[self.document.key.name],
            number=row[self.document.number.name],
            status=row["status"],
            skus=list(dict.fromkeys(row["skus"])),
            warehouses=row["warehouses"],
            created_at=row["created_at"],
            deadline=self.deadline(row),
            workflow_id=row["workflow_id"],
            run_id=row["run_id"],
            facts={name: row[f"fact_{name}"] for name in self.facts},
        )

    def _skus(self) -> str:
        header, lines, key = self.document.header.name, self.document.lines.name, self.document.key.name
        return (
            f"ARRAY(SELECT sku FROM {lines} AS listed JOIN products USING (product_id) "  # noqa: S608 - names only
            f"WHERE listed.{key} = {header}.{key} ORDER BY line_number LIMIT {SKUS_SHOWN})"
        )

    def _warehouses(self) -> str:
        header = self.document.header.name
        if self.several:
            return (
                "ARRAY(SELECT name FROM warehouses "  # noqa: S608 - names only
                f"WHERE warehouses.warehouse_id = ANY ({header}.{self.several}) ORDER BY name)"
            )
        return f"ARRAY[{', '.join(name_of_warehouse(f'{header}.{column}') for column in self.warehouses)}]"


def name_of_warehouse(key: str) -> str:
    """SQL for the name of the warehouse with this key."""
    return f"(SELECT name FROM warehouses WHERE warehouses.warehouse_id = {key})"  # noqa: S608 - a column's name


def over_lines(document: Document, total: str) -> str:
    """SQL for an aggregate over a document's lines: ``sum(quantity)``."""
    header, lines, key = document.header.name, document.lines.name, document.key.name
    return (
        f"SELECT coalesce({total}, 0)::bigint FROM {lines} AS listed "  # noqa: S608 - names only
        f"WHERE listed.{key} = {header}.{key}"
    )
