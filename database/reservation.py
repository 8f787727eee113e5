"""The reservation in the database: its table, and what reads it for people.

A reservation has no row above its lines. They are locked by `database.locks`, because the locks of their items guard
them, and change by `database.holds`, because a transfer's hold at its source is made of the same rows.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Column, Connection, ForeignKey, Index, Integer, Row, Table, Text, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import BigInteger

from database.columns import INSTANT, METADATA, closing, counter, identity, item_key, needed, origin
from database.document_list import SKUS_SHOWN, Listed, Which
from database.waiting_looks import LISTED_STATUSES, page_of_waits
from stockkeeper.domain.reservation import ReservationStatus

reservations = Table(
    "reservations",
    METADATA,
    identity("reservation_id"),
    needed("product_id", BigInteger),
    needed("warehouse_id", BigInteger),
    needed("quantity", BigInteger),
    counter("quantity_fulfilled"),
    counter("quantity_released"),
    needed("reference_type", Text),
    needed("reference_id", Text),
    needed("status", Text, server_default=text("'ACTIVE'")),
    Column("expires_at", INSTANT),
    needed("created_at", INSTANT),
    needed("performed_by", Text),
    *origin(),
    *closing(),
    Column("sourced_line", Integer),
    Column("minimum_days_left", Integer),
    item_key("reservations_item"),
    Index("reservations_by_reference", "reference_type", "reference_id"),
    Index("reservations_by_item", "warehouse_id", "product_id", "created_at"),
    Index(
        "reservations_open_by_item",
        "warehouse_id",
        "product_id",
        "expires_at",
        postgresql_where=text("status = 'ACTIVE'"),
    ),
)

reservation_releases = Table(
    "reservation_releases",
    METADATA,
    Column("reservation_id", BigInteger, ForeignKey("reservations.reservation_id"), primary_key=True),
    Column("operation_id", Text, primary_key=True),
    needed("quantity", BigInteger),
    needed("released_at", INSTANT),
    needed("released_by", Text),
    needed("reason", Text),
    needed("workflow_id", Text),
    needed("run_id", Text),
)

_NAMES = text("""
    SELECT reservation_id, sku, warehouses.name AS warehouse
    FROM reservations JOIN products USING (product_id) JOIN warehouses USING (warehouse_id)
    WHERE reference_type = :reference_type AND reference_id = :reference_id
""")


# As `stockkeeper.domain.reservation.status_at` has it.
_STATUS = """
    CASE WHEN bool_or(line.status = 'EXPIRED') THEN 'EXPIRED'
        WHEN bool_or(line.status = 'CANCELLED') THEN 'CANCELLED'
        WHEN bool_or(line.status = 'ACTIVE' AND line.expires_at <= :as_of) THEN 'EXPIRED'
        WHEN bool_or(line.status = 'ACTIVE') THEN 'ACTIVE'
        WHEN bool_and(line.quantity_released = line.quantity) THEN 'CANCELLED'
        ELSE 'FULFILLED' END
"""

# As `stockkeeper.domain.reservation.deadline_of` has it.
_DEADLINE = """
    coalesce(max(line.expires_at) FILTER (WHERE line.status = 'ACTIVE'),
        max(line.expires_at) FILTER (WHERE line.status <> 'FULFILLED'), max(line.expires_at))
"""

# A reservation's first line stands for it.
_LISTED = f"""
    SELECT place, number, whole.status, whole.expires_at AS deadline, whole.warehouses, whole.skus, created_at,
        workflow_id, run_id
    FROM (
        SELECT reservation_id AS place, reference_id AS number, created_at, workflow_id, run_id
        FROM reservations AS first
        WHERE {{conditions}}
        ORDER BY reservation_id DESC
        LIMIT :most
    ) AS latest CROSS JOIN LATERAL (
        SELECT {_DEADLINE} AS expires_at, {_STATUS} AS status,
            array_agg(sku ORDER BY reservation_id) AS skus,
            array_agg(warehouses.name ORDER BY reservation_id) AS warehouses
        FROM reservations AS line JOIN products USING (product_id) JOIN warehouses USING (warehouse_id)
        WHERE (line.reference_type, line.reference_id) = ('ORDER', number)
    ) AS whole
    ORDER BY place DESC
"""  # noqa: S608 - constants only
_LINE = "SELECT reference_id FROM reservations AS line WHERE reference_type = 'ORDER' AND"
_FIRST = f"""
    first.reference_type = 'ORDER'
    AND NOT EXISTS ({_LINE} reference_id = first.reference_id AND line.reservation_id < first.reservation_id)
"""
_ONLY = {
    "product_id": f"first.reference_id IN ({_LINE} product_id = :product_id)",
    "warehouse_id": f"first.reference_id IN ({_LINE} warehouse_id = :warehouse_id)",
    "numbers": "first.reference_id = ANY (:numbers)",
    "before": "first.reservation_id < :before",
    "status": f"""(
        SELECT {_STATUS} FROM reservations AS line
        WHERE (line.reference_type, line.reference_id) = ('ORDER', first.reference_id)
    ) = :status""",  # noqa: S608 - constants only
}
# Few reservations are in some of the statuses, so those with a line that may lead to it are found first. The statuses
# are literals, because a partial index has to know them.
_MAY_BE: dict[str, str] = {
    ReservationStatus.EXPIRED: f"""
        {_LINE} status = 'EXPIRED' UNION ALL {_LINE} status = 'ACTIVE' AND expires_at <= :as_of""",
    ReservationStatus.CANCELLED: f"""
        {_LINE} status = 'CANCELLED' UNION ALL {_LINE} status = 'FULFILLED' AND quantity_released = quantity""",
    ReservationStatus.ACTIVE: f"{_LINE} status = 'ACTIVE'",
    ReservationStatus.FULFILLED: f"{_LINE} status = 'FULFILLED'",
}


class _Reservations:
    """The list of reservations, which have no header."""

    def page(self, connection: Connection, which: Which) -> list[Listed]:
        """Reservations, held or waiting, the latest first. Locks nothing."""
        waiting = page_of_waits(connection, which) if which.status in LISTED_STATUSES else []
        found = [*self._held(connection, which), *waiting]
        return sorted(found, key=lambda listed: listed.place, reverse=True)[: which.most]

    def _held(self, connection: Connection, which: Which) -> list[Listed]:
        asked = {name: value for name, value in which._asdict().items() if value is not None}
        only = [condition for name, condition in _ONLY.items() if name in asked]
        if which.status is not None:
            if (may_be := _MAY_BE.get(which.status)) is None:
                return []  # Nothing of it is stored.
            only.append(f"first.reference_id IN ({may_be})")
        found = text(_LISTED.format(conditions=" AND ".join((_FIRST, *only)))).bindparams(
            bindparam("as_of", type_=reservations.c.expires_at.type)
        )
        if which.numbers is not None:
            found = found.bindparams(bindparam("numbers", list(which.numbers), type_=ARRAY(Text)))
        return [
            Listed(
                **{
                    **row,
                    "skus": list(dict.fromkeys(row["skus"]))[:SKUS_SHOWN],
                    "warehouses": list(dict.fromkeys(row["warehouses"])),
                },
                facts={},
            )
            for row in connection.execute(found, asked).mappings()
        ]

    def alike(self, connection: Connection, number: str) -> str | None:
        """The order's number in upper or in lower case, if that one is stored; other spellings have no index."""
        spellings = [each for each in (number.upper(), number.lower()) if each != number]
        found = self.page(connection, Which(most=1, as_of=datetime.now(UTC), numbers=spellings))
        return found[0].number if found else None


LIST = _Reservations()


def read_names(connection: Connection, reference_type: str, reference_id: str) -> dict[int, Row[Any]]:
    """The ``sku`` and the ``warehouse`` of each line, by reservation_id. Locks nothing."""
    found = connection.execute(_NAMES, {"reference_type": reference_type, "reference_id": reference_id})
    return {row.reservation_id: row for row in found}


_ASKED_FOR = text("""
    SELECT performed_by, waiting_until FROM waits WHERE reference_id = :reference_id AND is_waiting
    UNION ALL (
        SELECT performed_by, NULL FROM reservations
        WHERE reference_type = 'ORDER' AND reference_id = :reference_id ORDER BY reservation_id LIMIT 1)
    LIMIT 1
""")


def read_asked_for(connection: Connection, reference_id: str) -> tuple[str, datetime | None]:
    """Who asked for an order that waits or is held, and until when it waits; None: it doesn't."""
    row = connection.execute(_ASKED_FOR, {"reference_id": reference_id}).one()
    return row.performed_by, row.waiting_until
