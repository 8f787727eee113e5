"""Reorder runs and plans: which items are ordered, how many units, at which point, as the contract says."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from statistics import NormalDist, stdev
from typing import Any

from tests.faults.simulation.model.books import Key, Level
from tests.faults.simulation.model.document import Place
from tests.faults.simulation.model.outcome import ANYTHING, InAnyOrder
from tests.faults.simulation.model.purchase_order import PurchaseOrder

Json = Any
REQUESTER = "reorder"
_DAYS_A_YEAR = 365
_ENOUGH = 10
"""Units missing for each unit on order above which the order is too small to count."""


@dataclass
class Item:
    """An item that is reordered; without a supplier it is skipped.

    Attributes:
        point: It is below when fewer units are available.
        quantity: Units that are ordered at once.
        is_planned: Whether point and quantity are a plan's.
    """

    key: Key
    point: int
    quantity: int
    supplier: int | None
    cost: Decimal = Decimal(0)
    pack: int = 1
    is_planned: bool = False


class Reorders:
    """The items of one warehouse, and the orders that were drafted for them. Their runs have names of their own."""

    def __init__(self, place: Place, warehouse: int, items: Sequence[Item]) -> None:
        self._place = place
        self._warehouse = warehouse
        self.items = list(items)
        self.orders: list[PurchaseOrder] = []
        self._days: dict[str, str | None] = {}

    def level(self, item: Item) -> Level:
        """Its stock."""
        return self._place.model.books.items[item.key]

    def below(self) -> list[Item]:
        """Items of which fewer units than their point are available."""
        return [item for item in self.items if self.level(item).available < item.point]

    def open_orders(self, item: Item) -> list[PurchaseOrder]:
        """Open orders that owe units of it."""
        of = item.key.product_id
        return [each for each in self.orders if not each.is_over and each.lines[0].product == of and self.owed(each)]

    def covering(self, item: Item) -> list[PurchaseOrder]:
        """Those that come in time: on the day of the draft, which is as early as a new order would come."""
        return [each for each in self.open_orders(item) if each.expected == self._days[each.number]]

    def owed(self, order: PurchaseOrder) -> int:
        """Units that an order has still to bring."""
        return sum(line.owed for line in order.lines)

    def needs_order(self, item: Item) -> bool:
        """Whether the next run orders it."""
        missing = item.point - self.level(item).available
        on_order = sum(self.owed(order) for order in self.covering(item))
        return item.supplier is not None and missing > 0 and missing > on_order * _ENOUGH

    def wanted(self) -> list[Item]:
        """Items that the next run orders."""
        return [item for item in self.below() if self.needs_order(item)]

    def draft(self, item: Item, number: str, expected: str | None) -> PurchaseOrder:
        """The order that a run has drafted; which run, and under which number, is open."""
        position = self.level(item).available + sum(self.owed(order) for order in self.covering(item))
        units = max(item.quantity, item.point if item.is_planned else 0, item.point - position, 1)
        line = {"product_id": item.key.product_id, "qty": -(-units // item.pack) * item.pack, "unit_cost": item.cost}
        start = {
            "po_number": number,
            "supplier_id": item.supplier,
            "warehouse_id": self._warehouse,
            "line_items": [line],
            "expected_delivery_date": expected,
            "requested_by": REQUESTER,
            "approval": None,
        }
        order = PurchaseOrder(self._place, start)
        order.begin()
        self.orders.append(order)
        self._days[number] = expected
        return order

    def result(self) -> Json:
        """The result of a run that finds nothing to order."""
        below = self.below()
        skipped = [item for item in below if item.supplier is None]
        return {
            "status": "DONE",
            "items_below": len(below),
            "items_covered": len(below) - len(skipped),
            "covered": [self._covered(item) for item in below if item.supplier is not None],
            "orders_drafted": 0,
            "purchase_orders": [],
            "skipped": [{**item.key._asdict(), "reason": ANYTHING} for item in skipped],
            "items_skipped": len(skipped),
        }

    def _covered(self, item: Item) -> Json:
        orders = [
            {
                "po_number": order.number,
                "quantity": self.owed(order),
                "expected_delivery_date": order.expected,
            }
            for order in self.covering(item)
        ]
        numbers = {"quantity_available": self.level(item).available, "reorder_point": item.point}
        return {**item.key._asdict(), **numbers, "purchase_orders": InAnyOrder(orders), "transfers": []}


def planned(week: Sequence[int], weeks: int, lead_time_days: int, item: Item, terms: Json) -> tuple[int, int]:
    """The point and the quantity of a plan, from the units sold on each day of a week that repeats.

    Args:
        week: Units of each day.
        weeks: Weeks that are looked at.
        lead_time_days: The supplier's.
        item: The item.
        terms: The plan's request.
    """
    days = [*week] * weeks
    mean = sum(days) / len(days)
    safety = NormalDist().inv_cdf(terms["service_level"]) * stdev(days) * math.sqrt(lead_time_days)
    holding = terms["holding_cost_rate"] * float(item.cost)
    lot = math.sqrt(2 * mean * _DAYS_A_YEAR * float(terms["order_cost"]) / holding)
    return math.ceil(round(mean * lead_time_days + safety, 9)), -(-math.ceil(round(lot, 9)) // item.pack) * item.pack
