"""Lots that expire: which items have some, what is held of them, and what was told of them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Connection, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Integer, Text

from database import holds
from database.clock import clock, clocked
from database.columns import INSTANT
from database.events import NewEvent, insert_events
from database.locked_stock import LockedStock
from database.locks import open_holds
from database.operations import Operation
from database.pipeline import send
from database.stock_reading import Wants, locked_stock
from database.stock_rows import StockItem
from stockkeeper.domain.event import EventKind
from stockkeeper.domain.lot import LotOnHand
from stockkeeper.domain.lot_expiry import Expiry, expiry_of, is_news
from stockkeeper.domain.reservation import ItemHold
from stockkeeper.domain.stock import ItemKey

# By the index of lots on hand: what has expired and is gone costs nothing.
ITEMS = clocked(
    """
    SELECT DISTINCT warehouse_id, product_id
    FROM lot_items AS item JOIN lots USING (product_id, lot_number) JOIN today USING (warehouse_id)
    WHERE item.quantity_on_hand > 0
        AND (CAST(:warehouse_id AS bigint) IS NULL OR warehouse_id = :warehouse_id)
        AND (warehouse_id, product_id) > (:after_warehouse_id, :after_product_id)
        AND (lots.expires_on < today AND (item.quantity_reserved > 0 OR told_expired_at IS NULL)
            OR coalesce(lots.expires_on, lots.best_before) <= today + :within_days
                AND told_expiring_at IS NULL AND told_expired_at IS NULL)
    ORDER BY warehouse_id, product_id
    LIMIT :most
    """,
    today=True,
).bindparams(bindparam("within_days", type_=Integer))

_TOLD = text("""
    SELECT warehouse_id, product_id, lot_number, told_expiring_at IS NOT NULL AS was_expiring,
        told_expired_at IS NOT NULL AS was_expired
    FROM lot_items JOIN unnest(:warehouse_ids, :product_ids) AS item (warehouse_id, product_id)
        USING (warehouse_id, product_id)
    WHERE quantity_on_hand > 0
""").bindparams(*(bindparam(name, type_=ARRAY(BigInteger)) for name in ("warehouse_ids", "product_ids")))

_TELL = text("""
    UPDATE lot_items SET
        told_expiring_at = CASE WHEN expiry = 'EXPIRING' THEN :as_of ELSE told_expiring_at END,
        told_expired_at = CASE WHEN expiry = 'EXPIRED' THEN :as_of ELSE told_expired_at END
    FROM unnest(:warehouse_ids, :product_ids, :lot_numbers, :expiries) AS told (
        warehouse_id, product_id, lot_number, expiry)
    WHERE (lot_items.warehouse_id, lot_items.product_id, lot_items.lot_number)
        = (told.warehouse_id, told.product_id, told.lot_number)
""").bindparams(
    *(bindparam(name, type_=ARRAY(BigInteger)) for name in ("warehouse_ids", "product_ids")),
    *(bindparam(name, type_=ARRAY(Text)) for name in ("lot_numbers", "expiries")),
    bindparam("as_of", type_=INSTANT),
)

_KINDS = {Expiry.EXPIRING: EventKind.LOT_EXPIRING, Expiry.EXPIRED: EventKind.LOT_EXPIRED}


class ToldLot(NamedTuple):
    """A lot in one warehouse of which is told that it has expired, or soon will."""

    item: ItemKey
    sku: str
    warehouse: str
    lot_number: str
    expiry: Expiry
    expires_on: date | None
    best_before: date | None
    days_left: int
    quantity_on_hand: int


@dataclass
class Passed:
    """What has become of some items with lots that expire.

    Attributes:
        lots: The lots that are told.
        units_given_up: Units of expired lots that were held.
        gave_way: The holds that ended, by item, and whose workflows have to be notified.
    """

    lots: list[ToldLot] = field(default_factory=list)
    units_given_up: int = 0
    gave_way: dict[ItemKey, list[ItemHold]] = field(default_factory=dict)


def items_with_lots_that_expire(
    connection: Connection, *, warehouse_id: int | None, within_days: int, as_of: datetime, after: ItemKey, most: int
) -> list[ItemKey]:
    """The next items with expired lots that are held or not told yet, or with lots to be told ahead. Locks nothing.

    Args:
        connection: The transaction.
        warehouse_id: Only in this warehouse; None: in all.
        within_days: The most days left of a lot that is told ahead.
        as_of: The workflow's time.
        after: The item after which they come, by warehouse and product.
        most: How many items.
    """
    asked = {
        "warehouse_id": warehouse_id,
        "within_days": within_days,
        "as_of": as_of,
        "after_warehouse_id": after.warehouse_id,
        "after_product_id": after.product_id,
        "most": most,
    }
    return [ItemKey(*row) for row in connection.execute(ITEMS, asked | clock(connection, as_of, as_of))]


def pass_items(
    connection: Connection, operation: Operation, items: Sequence[ItemKey], *, within_days: int, as_of: datetime
) -> Passed:
    """Give those who hold units of expired lots other lots, or let them give way; and tell lots near their end.

    Locks: the items.

    Args:
        connection: The transaction.
        operation: The run behind it.
        items: The items.
        within_days: The most days left of a lot that is told ahead.
        as_of: The workflow's time, which decides which day it is in each warehouse.
    """
    passed = Passed()
    with locked_stock(connection, Wants(items=items, as_of=as_of), operation) as stock:
        told = _told(connection, items)
        for key in sorted(items):
            item = stock.items[key]
            news = _news(item, told, within_days)
            passed.lots += news
            # To others, what has expired since they were told the level was available still.
            if free := sum(item.lots[each.lot_number].free for each in news if each.expiry is Expiry.EXPIRED):
                item.told = replace(item.told, unavailable=item.told.unavailable - free)
                stock.change_item(item)
            if over := [lot for lot in item.lots.values() if lot.reserved and lot.has_expired(item.today)]:
                _give_up(stock, operation, item, over, passed, as_of)
    if passed.lots:
        connection.execute(_TELL, _columns(passed.lots) | {"as_of": as_of})
        send(connection, [insert_events([_event(operation, lot) for lot in passed.lots])])
    return passed


def _give_up(
    stock: LockedStock,
    operation: Operation,
    item: StockItem,
    lots: Sequence[LotOnHand],
    passed: Passed,
    as_of: datetime,
) -> None:
    """Let those who hold units of an item's expired lots have other ones, or give way."""
    # Read once for all lots: an expired lot isn't given in exchange, so that nobody comes to hold it meanwhile.
    holders: dict[str, list[ItemHold]] = defaultdict(list)
    for hold in open_holds(stock.connection, item.key):
        for number in {held.lot_number for line in hold.lines for held in line.lots if held.quantity_held}:
            holders[number].append(hold)
    for lot in lots:
        passed.units_given_up += lot.reserved
        ended = holds.give_up_lot(
            stock,
            operation,
            item.key,
            lot.number,
            lot.reserved,
            reason=f"gave way, lot {lot.number} of {item.sku} expired on {lot.facts.expires_on}",
            as_of=as_of,
            document=f"lot {lot.number}",
            of=holders[lot.number],
        )
        if ended:
            passed.gave_way.setdefault(item.key, []).extend(ended)


_Told = Mapping[tuple[ItemKey, str], tuple[bool, bool]]
"""Of each lot in a warehouse, whether it was told ahead, and whether it was told that it has expired."""


def _told(connection: Connection, items: Iterable[ItemKey]) -> _Told:
    listed = list(items)
    asked = {"warehouse_ids": [each[0] for each in listed], "product_ids": [each[1] for each in listed]}
    return {
        (ItemKey(row.warehouse_id, row.product_id), row.lot_number): (row.was_expiring, row.was_expired)
        for row in connection.execute(_TOLD, asked)
    }


def _news(item: StockItem, told: _Told, within_days: int) -> list[ToldLot]:
    """The lots of an item of which something has to be told."""
    news = []
    for lot in item.lots.values():
        expiry = expiry_of(lot, item.today, within_days)
        was_expiring, was_expired = told.get((item.key, lot.number), (False, False))
        if not lot.on_hand or expiry is None or not is_news(expiry, was_expiring=was_expiring, was_expired=was_expired):
            continue
        news.append(
            ToldLot(
                item.key,
                item.sku or "",
                item.warehouse or "",
                lot.number,
                expiry,
                lot.facts.expires_on,
                lot.facts.best_before,
                (lot.use_by - item.today).days,
                lot.on_hand,
            )
        )
    return sorted(news, key=lambda each: (each.days_left, each.lot_number))


def _columns(lots: Sequence[ToldLot]) -> dict[str, list[Any]]:
    return {
        "warehouse_ids": [lot.item.warehouse_id for lot in lots],
        "product_ids": [lot.item.product_id for lot in lots],
        "lot_numbers": [lot.lot_number for lot in lots],
        "expiries": [str(lot.expiry) for lot in lots],
    }


def _event(operation: Operation, lot: ToldLot) -> NewEvent:
    data = {
        **lot.item._asdict(),
        "sku": lot.sku,
        "warehouse": lot.warehouse,
        "lot_number": lot.lot_number,
        "expires_on": lot.expires_on,
        "best_before": lot.best_before,
        "days_left": lot.days_left,
        "quantity_on_hand": lot.quantity_on_hand,
    }
    subject = f"lot/{lot.item.product_id}/{lot.lot_number}"
    return NewEvent(_KINDS[lot.expiry], subject, data, operation, *lot.item)
