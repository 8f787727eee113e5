"""What is on its way to an item: open purchase orders, and transfers to its warehouse."""

from datetime import datetime

from sqlalchemy import Connection

from database.order_promising import read_on_its_way, read_places
from stockkeeper.domain.arrival import NotCounted
from stockkeeper.domain.outlook import Arrival
from stockkeeper.domain.stock import ItemKey


def read_arrivals(connection: Connection, item: ItemKey, *, as_of: datetime, confidence: float) -> list[Arrival]:
    """Units on their way to an item, the earliest first, those without a day last. Locks nothing.

    The day is the one that a promise counts on with this confidence. What no promise counts on, such as a draft, has
    the day that it was given.
    """
    places = read_places(connection, as_of)
    found = [
        Arrival(each.number, each.units, each.given, each.arrival is NotCounted.DRAFT)
        if isinstance(each.arrival, NotCounted)
        else Arrival(each.number, each.units, each.arrival.day, basis=each.arrival.basis)
        for each in read_on_its_way(connection, [item.product_id], places, confidence)
        if each.item == item
    ]
    return sorted(found, key=lambda each: (each.expected is None, each.expected, each.document))
