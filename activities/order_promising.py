"""The question when units can be there. It locks nothing and changes nothing."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime

from sqlalchemy import Connection
from temporalio import activity

from activities.catalogue import require_active
from activities.stock import StockQuestions, require_ids
from activities.writes import OnDatabase, database_errors
from database.order_promising import LeftOut, Prospect, coming, read_prospect
from database.waiting import Wait
from stockkeeper.contracts.order_promising import (
    DEFAULT_CONFIDENCE,
    DOCUMENTS_OF_ALL,
    DOCUMENTS_SHOWN,
    NOT_COUNTED_SHOWN,
    AskPromise,
    CountedOn,
    DeliveryPromise,
    NotCountedOn,
    OrderPromisingActivities,
    PromisedLine,
)
from stockkeeper.contracts.reservation import Holding
from stockkeeper.contracts.stock import FindItems, FoundItems
from stockkeeper.domain import order_promising as domain
from stockkeeper.domain.errors import UnknownProduct, UnknownWarehouse
from stockkeeper.domain.sourcing import RequestedLine
from stockkeeper.domain.waiting import WaitStatus


class OrderPromises(OnDatabase, OrderPromisingActivities):
    """`OrderPromisingActivities` on PostgreSQL."""

    @activity.defn(name="promise", no_thread_cancel_exception=True)
    def promise(self, question: AskPromise) -> DeliveryPromise:
        """The day by which each line is there, and what that counts on.

        Raises:
            UnknownProduct, UnknownWarehouse: The catalogue hasn't got one in the question.
            InvalidRequest: A product isn't sold any more.
        """
        found = self._found(question)
        lines = [
            RequestedLine(
                line.product_id or found.products[line.product or ""],
                found.warehouses[line.warehouse] if line.warehouse is not None else line.warehouse_id,
                line.quantity,
            )
            for line in question.lines
        ]
        as_of = question.as_of or datetime.now(UTC)
        with database_errors(), self._database.snapshot() as connection:
            prospect = read_prospect(
                connection, (line.product_id for line in lines), as_of=as_of, confidence=question.confidence
            )
            require_active({each.sku for each in prospect.products.values() if not each.is_active})
        priorities = {warehouse_id: place.priority for warehouse_id, place in prospect.places.items()}
        promised = prospect.course.promise(lines, priorities)
        shown = max(min(DOCUMENTS_OF_ALL // len(lines), DOCUMENTS_SHOWN), 1)
        days = [line.day for line in promised]
        return DeliveryPromise(
            available_on=None if None in days else max(day for day in days if day is not None),
            confidence=question.confidence,
            lines=[_line(line, prospect, shown, as_of) for line in promised],
            not_counted=[_left_out(each, prospect) for each in _of_lines(prospect.left_out, lines)],
        )

    def _found(self, question: AskPromise) -> FoundItems:
        product_ids = sorted({line.product_id for line in question.lines if line.product_id is not None})
        warehouse_ids = sorted({line.warehouse_id for line in question.lines if line.warehouse_id is not None})
        found = StockQuestions(self._database).find_items(
            FindItems(
                products=sorted({line.product for line in question.lines if line.product is not None}),
                warehouses=sorted({line.warehouse for line in question.lines if line.warehouse is not None}),
                product_ids=product_ids,
                warehouse_ids=warehouse_ids,
            )
        )
        require_ids(UnknownProduct, product_ids, found.skus)
        require_ids(UnknownWarehouse, warehouse_ids, found.warehouse_names)
        return found


def with_day(connection: Connection, answer: Holding, wait: Wait, as_of: datetime) -> Holding:
    """The answer about an order with the day by which it has its turn, if it waits and that can be foreseen.

    Args:
        connection: A snapshot.
        answer: The order as it is.
        wait: Its latest wait.
        as_of: The present.
    """
    products = {line.product_id for line in wait.lines}
    if wait.status is not WaitStatus.WAITING or not coming(connection, products):
        return answer
    prospect = read_prospect(connection, products, as_of=as_of, confidence=DEFAULT_CONFIDENCE)
    if (found := prospect.course.foreseen(wait.wait_id)) is None:
        return answer
    numbers = dict.fromkeys(each.number for each in found.counted if each.number is not None)
    return answer.model_copy(update={"available_on": found.day, "counts_on": list(numbers)[:DOCUMENTS_SHOWN]})


def days_of_waits(connection: Connection, waits: Mapping[int, Collection[int]], as_of: datetime) -> dict[int, date]:
    """The days by which orders that wait have their turn, as `with_day` has them; without those not foreseeable.

    Args:
        connection: A snapshot.
        waits: All products of each, by wait_id.
        as_of: The present.
    """
    products = {product for of_wait in waits.values() for product in of_wait}
    expected = coming(connection, products)
    meant = [wait_id for wait_id, of_wait in waits.items() if not expected.isdisjoint(of_wait)]
    if not meant:
        return {}
    turns = read_prospect(connection, products, as_of=as_of, confidence=DEFAULT_CONFIDENCE).course.turns()
    return {wait_id: turns[wait_id].day for wait_id in meant if wait_id in turns}


def _line(line: domain.LinePromise, prospect: Prospect, shown: int, as_of: datetime) -> PromisedLine:
    place = None if line.warehouse_id is None else prospect.places[line.warehouse_id]
    today = as_of.astimezone(UTC).date() if place is None else place.today
    reorderable = prospect.suppliers.get(line.product_id) if line.missing else None
    return PromisedLine(
        product_id=line.product_id,
        sku=prospect.products[line.product_id].sku,
        warehouse_id=line.warehouse_id,
        warehouse=place.name if place else None,
        quantity=line.quantity,
        missing=line.missing,
        available_on=line.day,
        counts_on=[
            CountedOn(
                source=each.source,
                number=each.number,
                quantity=each.units,
                available_on=each.day,
                basis=each.basis,
            )
            for each in line.counted[:shown]
        ],
        further_documents=max(len(line.counted) - shown, 0),
        if_ordered_today=reorderable.by(today) if reorderable else None,
        supplier_id=reorderable.supplier_id if reorderable else None,
        supplier=reorderable.supplier if reorderable else None,
    )


def _of_lines(left_out: Sequence[LeftOut], lines: Sequence[RequestedLine]) -> list[LeftOut]:
    """Those that would concern a line, if they were counted on."""
    items = {(line.product_id, line.warehouse_id) for line in lines}
    concerned = [
        each
        for each in left_out
        if {(each.item.product_id, None), (each.item.product_id, each.item.warehouse_id)} & items
    ]
    return sorted(concerned, key=lambda each: (each.number, each.item, each.reason))[:NOT_COUNTED_SHOWN]


def _left_out(each: LeftOut, prospect: Prospect) -> NotCountedOn:
    return NotCountedOn(
        source=each.source,
        number=each.number,
        product_id=each.item.product_id,
        sku=prospect.products[each.item.product_id].sku,
        warehouse_id=each.item.warehouse_id,
        warehouse=prospect.places[each.item.warehouse_id].name,
        quantity=each.units,
        reason=each.reason,
    )
