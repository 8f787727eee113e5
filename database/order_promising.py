"""What a promise counts on (`stockkeeper.domain.order_promising`): levels, goods on their way, and who waits.

It locks nothing: a promise holds nothing. The caller reads it in one snapshot.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import BigInteger, Connection, RowMapping, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY

from database.clock import day_of
from database.order_terms import review_days_stored
from database.waiting_looks import levels_at, queue_lines
from stockkeeper.domain.arrival import (
    Arrival,
    DeliveryTime,
    NotCounted,
    OwedDelivery,
    arrival_if_ordered,
    arrival_of_transfer,
    delivery_time_from,
)
from stockkeeper.domain.order_promising import Course
from stockkeeper.domain.purchase_order import PurchaseOrderStatus
from stockkeeper.domain.replenishment import LeadTime
from stockkeeper.domain.review_days import ReviewDays, next_review
from stockkeeper.domain.stock import ItemKey
from stockkeeper.domain.supply import ScheduledReceipt, SupplySource

_TERMS = """
    lead_time_days, lead_time_deviation_days, lead_times_measured, measured_lead_time_days,
    measured_lead_time_deviation_days
"""

_OWED = text(f"""
    SELECT po_number AS number, po.status, po.warehouse_id, line.product_id, line.units, expected_delivery_date,
        coalesce(approval_asked_at, created_at) AS asked_at, submitted_at, longest_lead_time_days, {_TERMS}
    FROM (
        SELECT po_id, product_id, sum(qty - quantity_received)::bigint AS units FROM purchase_order_lines
        WHERE product_id = ANY (:products) AND quantity_received < qty
        GROUP BY po_id, product_id
    ) AS line
    JOIN purchase_orders AS po USING (po_id)
    LEFT JOIN product_suppliers AS terms ON (terms.product_id, terms.supplier_id) = (line.product_id, po.supplier_id)
    WHERE po.status IN ('DRAFT', 'SUBMITTED', 'CONFIRMED')
    ORDER BY po_id, line.product_id
""").bindparams(bindparam("products", type_=ARRAY(BigInteger)))  # noqa: S608 - constants only

_IN_TRANSIT = text("""
    SELECT transfer_number AS number, to_warehouse_id AS warehouse_id, line.product_id, line.units, due_at,
        expected_transit_hours
    FROM (
        SELECT transfer_id, product_id, sum(in_transit)::bigint AS units FROM transfer_order_lines
        WHERE product_id = ANY (:products) AND in_transit > 0
        GROUP BY transfer_id, product_id
    ) AS line
    JOIN transfer_orders USING (transfer_id)
    ORDER BY transfer_id, line.product_id
""").bindparams(bindparam("products", type_=ARRAY(BigInteger)))

# A transfer's hold is a hold like any other, and found by the items that it is on.
_NOT_SENT = text("""
    SELECT transfer_number AS number, to_warehouse_id AS warehouse_id, item.product_id,
        sum(held.quantity - held.quantity_fulfilled - held.quantity_released)::bigint AS units
    FROM inventory_items AS item
    JOIN reservations AS held ON (held.warehouse_id, held.product_id) = (item.warehouse_id, item.product_id)
        AND held.status = 'ACTIVE' AND held.reference_type = 'TRANSFER'
    JOIN transfer_orders ON transfer_number = held.reference_id
    WHERE item.product_id = ANY (:products)
    GROUP BY transfer_id, item.product_id
    ORDER BY transfer_id, item.product_id
""").bindparams(bindparam("products", type_=ARRAY(BigInteger)))

# As planning and reordering choose (ADR 0017).
_SUPPLIERS = text(f"""
    SELECT DISTINCT ON (product_id) product_id, supplier_id, name AS supplier, review_days, {_TERMS}
    FROM product_suppliers JOIN suppliers USING (supplier_id)
    WHERE product_id = ANY (:products)
    ORDER BY product_id, is_preferred DESC, unit_cost, supplier_id
""").bindparams(bindparam("products", type_=ARRAY(BigInteger)))  # noqa: S608 - constants only

_PLACES = text("SELECT warehouse_id, name, timezone, priority FROM warehouses")

_PRODUCTS = text("SELECT product_id, sku, is_active FROM products WHERE product_id = ANY (:products)").bindparams(
    bindparam("products", type_=ARRAY(BigInteger))
)


class Place(NamedTuple):
    """A warehouse, and the day that it has."""

    name: str
    timezone: str
    priority: int
    today: date


class LeftOut(NamedTuple):
    """Units on their way that a promise doesn't count on."""

    source: SupplySource
    number: str
    item: ItemKey
    units: int
    reason: NotCounted


class OnItsWay(NamedTuple):
    """Units of an item on an order or in transit.

    Attributes:
        given: The day that the document has; None: it has none.
        arrival: The day by which they are there, or why a promise doesn't count on them.
    """

    source: SupplySource
    number: str
    item: ItemKey
    units: int
    given: date | None
    arrival: Arrival | NotCounted


class Reorderable(NamedTuple):
    """The supplier of a product that is ordered today, and its lead time."""

    supplier_id: int
    supplier: str
    review_days: ReviewDays
    delivery_time: DeliveryTime
    confidence: float

    def by(self, today: date) -> date:
        """The day by which it would be there; the order goes out on the supplier's next review day."""
        return arrival_if_ordered(next_review(self.review_days, today), self.delivery_time, self.confidence)


class KnownProduct(NamedTuple):
    """A product in the catalogue."""

    sku: str
    is_active: bool


@dataclass(frozen=True)
class Prospect:
    """What can be foreseen of some products.

    Attributes:
        course: The course of their stock.
        left_out: What is on its way and isn't counted on, by number.
        places: All warehouses, by id.
        suppliers: The supplier of each product, by product_id; a product without a supplier is left out.
        products: The products that exist, by id.
    """

    course: Course
    left_out: Sequence[LeftOut]
    places: Mapping[int, Place]
    suppliers: Mapping[int, Reorderable]
    products: Mapping[int, KnownProduct]


def coming(connection: Connection, product_ids: Iterable[int]) -> set[int]:
    """Those of these products that are on order or in transit, wherever to."""
    of = {"products": sorted(set(product_ids))}
    return {row["product_id"] for statement in (_OWED, _IN_TRANSIT) for row in _rows(connection, statement, of)}


def read_prospect(
    connection: Connection, product_ids: Iterable[int], *, as_of: datetime, confidence: float
) -> Prospect:
    """What can be foreseen of these products at an instant.

    Orders that wait for one of them may wait for others as well, whose stock and receipts are read, too: it decides
    when they have their turn.

    Args:
        connection: A snapshot.
        product_ids: The products.
        as_of: The present.
        confidence: The probability with which an order's goods have come by their day.
    """
    asked = sorted(set(product_ids))
    waiting = queue_lines(connection, asked)
    concerned = sorted({*asked, *(line.product_id for line in waiting)})
    places = read_places(connection, as_of)
    zones = {warehouse_id: ZoneInfo(place.timezone) for warehouse_id, place in places.items()}
    receipts = []
    left_out = [
        LeftOut(
            SupplySource.TRANSFER,
            row["number"],
            ItemKey(row["warehouse_id"], row["product_id"]),
            row["units"],
            NotCounted.NOT_SENT,
        )
        for row in _rows(connection, _NOT_SENT, {"products": asked})
    ]
    for source, number, item, units, _, arrival in read_on_its_way(connection, concerned, places, confidence):
        if isinstance(arrival, NotCounted):
            left_out.append(LeftOut(source, number, item, units, arrival))
        else:
            begins = datetime.combine(arrival.day, time(), tzinfo=zones[item.warehouse_id])
            receipts.append(ScheduledReceipt(source, number, item, units, arrival.day, begins, arrival.basis))
    return Prospect(
        Course(levels_at(connection, concerned, as_of), receipts, waiting, as_of, zones),
        [each for each in left_out if each.item.product_id in asked],
        places,
        {
            row["product_id"]: Reorderable(
                row["supplier_id"],
                row["supplier"],
                review_days_stored(row["review_days"]),
                _time_of(row),
                confidence,
            )
            for row in _rows(connection, _SUPPLIERS, {"products": asked})
        },
        {
            row["product_id"]: KnownProduct(row["sku"], row["is_active"])
            for row in _rows(connection, _PRODUCTS, {"products": asked})
        },
    )


def read_places(connection: Connection, as_of: datetime) -> dict[int, Place]:
    """All warehouses, by id."""
    return {
        row.warehouse_id: Place(row.name, row.timezone, row.priority, day_of(as_of, row.timezone))
        for row in connection.execute(_PLACES)
    }


def read_on_its_way(
    connection: Connection, product_ids: Sequence[int], places: Mapping[int, Place], confidence: float
) -> list[OnItsWay]:
    """What is on order and in transit of these products, wherever to."""
    of = {"products": product_ids}
    ordered = [
        _on_its_way(SupplySource.PURCHASE_ORDER, row, row["expected_delivery_date"], _of_order(row, places, confidence))
        for row in _rows(connection, _OWED, of)
    ]
    sent = [
        _on_its_way(SupplySource.TRANSFER, row, _due_on(row, places), _of_transfer(row, places))
        for row in _rows(connection, _IN_TRANSIT, of)
    ]
    return [*ordered, *sent]


def _on_its_way(source: SupplySource, row: RowMapping, given: date | None, arrival: Arrival | NotCounted) -> OnItsWay:
    item = ItemKey(row["warehouse_id"], row["product_id"])
    return OnItsWay(source, row["number"], item, row["units"], given, arrival)


def _rows(connection: Connection, statement: Any, of: Mapping[str, Any]) -> Sequence[RowMapping]:
    rows: Sequence[RowMapping] = connection.execute(statement, of).mappings().all()
    return rows


def _of_order(row: RowMapping, places: Mapping[int, Place], confidence: float) -> Arrival | NotCounted:
    if row["status"] == PurchaseOrderStatus.DRAFT:
        return NotCounted.DRAFT
    place = places[row["warehouse_id"]]
    ordered_on = day_of(row["submitted_at"], place.timezone)
    owed = OwedDelivery(
        ordered_on=ordered_on,
        expected_on=row["expected_delivery_date"],
        is_confirmed=row["status"] == PurchaseOrderStatus.CONFIRMED,
        delivery_time=None if row["lead_time_days"] is None else _time_of(row),
        longest_days=float(row["longest_lead_time_days"] or 0),
        approval_days=max((ordered_on - day_of(row["asked_at"], place.timezone)).days, 0),
    )
    return owed.arrival(place.today, confidence)


def _of_transfer(row: RowMapping, places: Mapping[int, Place]) -> Arrival | NotCounted:
    today = places[row["warehouse_id"]].today
    return arrival_of_transfer(_due_on(row, places), row["expected_transit_hours"], today)


def _due_on(row: RowMapping, places: Mapping[int, Place]) -> date | None:
    return None if row["due_at"] is None else day_of(row["due_at"], places[row["warehouse_id"]].timezone)


def _time_of(row: RowMapping) -> DeliveryTime:
    agreed = LeadTime(float(row["lead_time_days"]), _float(row["lead_time_deviation_days"]))
    return delivery_time_from(
        agreed,
        row["lead_times_measured"],
        _float(row["measured_lead_time_days"]),
        _float(row["measured_lead_time_deviation_days"]),
    )


def _float(value: Any) -> float | None:
    return None if value is None else float(value)
