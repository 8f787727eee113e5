"""The differences that an audit's comparison yields, and the form of a rule for one kind of document."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, RowMapping, Select, TextClause, bindparam, cast, column, or_, select, text
from sqlalchemy.types import BigInteger

from database.document import Document
from database.receipts import Receipts
from database.sessions import allow_bulk
from stockkeeper.domain.stock_audit import FindingKind


class Difference(NamedTuple):
    """Something that doesn't agree: the value that everything else gives, and the value that is stored."""

    kind: FindingKind
    warehouse_id: int | None
    product_id: int | None
    expected: int
    actual: int
    document: str = ""

    @property
    def key(self) -> tuple[str, int | None, int | None, str]:
        """The same for the same difference, whenever an audit finds it."""
        return self.kind, self.warehouse_id, self.product_id, self.document


@dataclass(frozen=True)
class DocumentRule:
    """A rule for one kind of document: the finding when it is broken, and the query of the documents that break it."""

    finding: FindingKind
    query: Select[Any]

    def broken(
        self, connection: Connection, name: str, after: int, through: int, warehouse_id: int | None
    ) -> list[Difference]:
        """The documents that break it, of those with an id above ``after`` up to ``through``, in one warehouse or all.

        ``name`` is the kind of document in words: a finding's document is ``purchase order PO-7, line 1 received``.
        """
        asked = {"after": after, "through": through, "warehouse_id": warehouse_id}
        return [
            Difference(
                self.finding,
                row["warehouse_id"],
                row["product_id"],
                row["expected"],
                row["actual"],
                f"{name} {row['number']}" + (f", {row['detail']}" if row["detail"] else ""),
            )
            for row in connection.execute(self.query, asked).mappings()
        ]


def document_rule(finding: FindingKind, compared: str) -> DocumentRule:
    """A rule from the query of both numbers.

    Args:
        finding: The finding that an audit reports of a row whose two numbers differ.
        compared: A SELECT of ``id``, ``number``, ``warehouse_id``, ``product_id`` (null: no single product),
            ``detail`` (the part of the document; empty: the whole), ``expected`` and ``actual``. An outer condition on
            ``id`` must reach its table: no grouping at its top.
    """
    columns = ("id", "number", "warehouse_id", "product_id", "detail", "expected", "actual")
    rows = text(compared).columns(*(column(name) for name in columns)).subquery()
    place = bindparam("warehouse_id", type_=BigInteger)
    query = (
        select(
            *(rows.c[name] for name in columns if name not in ("expected", "actual")),
            cast(rows.c.expected, BigInteger).label("expected"),
            cast(rows.c.actual, BigInteger).label("actual"),
        )
        .where(rows.c.id > bindparam("after"), rows.c.id <= bindparam("through"), rows.c.expected != rows.c.actual)
        .where(or_(place.is_(None), rows.c.warehouse_id == place))
        .order_by(rows.c.id, rows.c.warehouse_id, rows.c.product_id, rows.c.detail)
    )
    return DocumentRule(finding, query)


def lines_are_their_receipts(document: Document, receipts: Receipts) -> DocumentRule:
    """The rule that the sums in each line of a document are those of its receipts."""
    key, came = receipts.key, receipts.lines.name
    parts = [
        f"('{total.removeprefix('quantity_')}', {sum_of}, {total})"
        for total, sum_of in ((receipts.sum_accepted, "accepted"), (receipts.sum_unfit, "unfit"))
    ]
    return document_rule(
        FindingKind.LINE_IS_NOT_ITS_ENTRIES,
        f"""
            SELECT {key} AS id, {document.number.name} AS number, warehouse_id, product_id,
                'line ' || line_number || ' ' || part AS detail, expected, actual
            FROM {document.header.name} JOIN {document.lines.name} AS line USING ({key})
            CROSS JOIN LATERAL (
                SELECT coalesce(sum(came.{receipts.accepted}), 0) AS accepted,
                    coalesce(sum(came.{receipts.unfit}), 0) AS unfit
                FROM {came} AS came
                WHERE (came.{key}, came.line_number) = (line.{key}, line.line_number)) AS receipts
            CROSS JOIN LATERAL (VALUES {", ".join(parts)}) AS compared (part, expected, actual)
        """,  # noqa: S608 - names of tables and columns only
    )


def ask(connection: Connection, question: TextClause, asked: Mapping[str, Any]) -> Sequence[RowMapping]:
    """The rows of one question, for which a page of a large warehouse may take minutes."""
    allow_bulk(connection)
    return connection.execute(question, asked).mappings().all()
