"""What happens before and between the backups: every kind of document, caught at every turn of its life."""

import asyncio
import functools
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from stockkeeper.domain.stock import ItemKey
from tests.faults.restore.place import Place
from tests.support.adjustment import priced
from tests.support.customer_return import found
from tests.support.inspection import aside
from tests.support.lots import lot_item
from tests.support.purchase_order import came
from tests.support.shop import Shop
from tests.support.transfer import arrived
from tests.support.wire import ANSWER_SECONDS, Json, eventually, few_at_once

DAY = 24 * 60
UNITS = 1_000


@dataclass(frozen=True)
class Items:
    """What is sold, ordered, carried and counted, by one document of each turn."""

    short: ItemKey
    bought: ItemKey
    carried: ItemKey
    counted: ItemKey
    given: ItemKey
    broken: ItemKey
    suspect: ItemKey
    of_lots: ItemKey


class Life:
    """Documents of all kinds, several of each turn.

    Args:
        place: Where.
        each: How many of each.
    """

    def __init__(self, place: Place, each: int = 1) -> None:
        shop = Shop(place.engine)
        self.place = place
        self.each = each
        self.sold = shop.item(UNITS * each)
        self.supplier = shop.supplier("sales@example.com")
        self.items = [
            Items(
                short=shop.item(0),
                bought=shop.item(0),
                carried=shop.item(UNITS),
                counted=shop.item(UNITS),
                given=shop.item(UNITS),
                broken=shop.item(7, product=priced(shop, "1000.00")),
                suspect=shop.item(UNITS),
                of_lots=lot_item(shop, ("BAD", None, 5), ("BAD-TOO", None, 5), ("GOOD", None, 9)),
            )
            for _ in range(each)
        ]
        self._elsewhere = shop.warehouse()
        self._files = uuid.uuid4().hex[:8]
        self.answered = 0

    async def before(self) -> None:
        """What both backups know."""
        await few_at_once(*(functools.partial(self._begin, number) for number in range(self.each)), lanes=4)

    async def between(self) -> None:
        """What only the later of two backups knows."""
        await few_at_once(*(functools.partial(self._go_on, number) for number in range(self.each)), lanes=4)
        await self._new_products()

    @asynccontextmanager
    async def load(self, lanes: int = 2) -> AsyncIterator[None]:
        """Orders are held and shipped all the while."""
        is_over = asyncio.Event()

        async def one_after_another() -> None:
            while not is_over.is_set():
                name = f"load-{uuid.uuid4().hex[:12]}"
                await self.place.orders.reserve(name, (self.sold, 1), ttl_minutes=DAY)
                await self.place.orders.fulfill(name, fulfillment_id="all")
                self.answered += 1

        async with asyncio.TaskGroup() as tasks:
            for _ in range(lanes):
                tasks.create_task(one_after_another())
            try:
                yield
            finally:
                is_over.set()

    async def some_load(self, orders: int) -> None:
        """Return once so many more orders of the load were shipped."""
        enough = self.answered + orders
        while self.answered < enough:  # noqa: ASYNC110 - the senders go on however long it takes
            await asyncio.sleep(0.02)

    async def _begin(self, number: int) -> None:
        place, items, sold = self.place, self.items[number], self.sold
        for turn in ("kept", "shipped", "parts", "signals", "cancelled", "extended"):
            await self._hold(f"{turn}-{number}", sold, 3)
        await place.orders.signal(f"signals-{number}", "fulfill", _shipment(sold))
        await self._shipped(f"signals-{number}", 1)
        await self._hold(f"promised-{number}", items.broken, 7)
        await place.orders.reserve(f"ends-{number}", (sold, 3), ttl_minutes=0.05)
        for turn in ("served", "waits"):
            await self._wait(f"{turn}-{number}", items.short, 2 if turn == "served" else UNITS)
        await place.purchasing.draft(f"part-{number}", self.supplier, [(items.bought, 9)])
        await place.purchasing.draft(f"approved-{number}", self.supplier, [(items.bought, 9_000)])
        await place.purchasing.draft(f"serves-{number}", self.supplier, [(items.short, 2)])
        await place.transfers.create(f"held-{number}", self._elsewhere, [(items.carried, 4)])
        await place.transfers.dispatched(f"on-its-way-{number}", self._elsewhere, [(items.carried, 4)])
        await place.counts.open(f"counted-{number}", items.counted)
        await place.counts.open(f"to-be-counted-{number}", items.counted)
        await place.returns.create(f"comes-{number}", (items.given, 3))
        await place.inspecting.open(f"looked-at-{number}", (items.suspect, 3))
        await self._hold(f"of-lots-{number}", items.of_lots, 4)
        await place.recalling.block(f"stopped-{number}", items.of_lots, "BAD")
        state = await place.adjusting.adjust(f"broken-{number}", (items.broken, -7))
        assert state["status"] == "PENDING", state

    async def _go_on(self, number: int) -> None:
        place, items, sold = self.place, self.items[number], self.sold
        await place.orders.fulfill(f"shipped-{number}", fulfillment_id="all")
        await place.orders.fulfill(f"parts-{number}", [_line(sold, 2)], fulfillment_id="first")
        await place.orders.signal(f"signals-{number}", "fulfill", _shipment(sold))
        await self._shipped(f"signals-{number}", 2)
        await place.orders.cancel(f"cancelled-{number}")
        await place.orders.extend(f"extended-{number}", 2 * DAY)
        await self._hold(f"new-{number}", sold, 3)
        await self._hold(f"come-and-gone-{number}", sold, 3)
        await place.orders.fulfill(f"come-and-gone-{number}", fulfillment_id="all")
        await self._wait(f"waits-too-{number}", items.short, UNITS)
        await place.purchasing.receive(f"part-{number}", "first", came(items.bought, 5, 1))
        await place.purchasing.approve(f"approved-{number}", "ann")
        await place.purchasing.draft(f"drafted-{number}", self.supplier, [(items.bought, 9_000)])
        await place.purchasing.receive(f"serves-{number}", "all", came(items.short, 2))
        await eventually(
            lambda: place.orders.state(f"served-{number}"), lambda state: bool(state["status"] == "ACTIVE")
        )
        await place.transfers.dispatch(f"held-{number}")
        await place.transfers.receive(f"held-{number}", "first", arrived(items.carried, 1))
        await place.transfers.receive(f"on-its-way-{number}", "all", arrived(items.carried, 4))
        await place.transfers.create(f"held-too-{number}", self._elsewhere, [(items.carried, 4)])
        await place.counts.record(f"counted-{number}", items.counted, UNITS - 5)
        await place.counts.open(f"counted-too-{number}", items.given)
        await place.returns.inspect(f"comes-{number}", found(items.given, 1), inspection_id="first")
        await place.returns.create(f"comes-too-{number}", (items.given, 3))
        await place.inspecting.release(f"looked-at-{number}", aside(items.suspect, 1), decision_id="first")
        await place.inspecting.open(f"looked-at-too-{number}", (items.suspect, 2))
        await place.recalling.release(f"stopped-{number}")
        await place.recalling.block(f"stopped-too-{number}", items.of_lots, "BAD-TOO")
        await place.adjusting.approve(f"broken-{number}", "ann")
        state = await place.adjusting.adjust(f"missing-{number}", (items.given, -200))
        assert state["status"] == "PENDING", state
        await self._is(f"promised-{number}", "CANCELLED")
        await self._is(f"ends-{number}", "EXPIRED")

    async def _new_products(self) -> None:
        """Files, and an order for what they have brought."""
        sku, warehouse = f"NEW-{self._files}", f"New {self._files}"
        await self.place.imports.send("products", "sku,name", f"{sku},New")
        await self.place.imports.send("warehouses", "name,timezone", f"{warehouse},UTC")
        await self.place.imports.send("stock", "sku,warehouse,quantity", f"{sku},{warehouse},10")
        query = """
            SELECT warehouse_id, product_id FROM inventory_items JOIN products USING (product_id) WHERE sku = :sku
        """
        [(warehouse_id, product_id)] = self.place.imports.rows(query, sku=sku)
        await self._hold("of-a-new-product", ItemKey(warehouse_id, product_id), 4)

    async def _hold(self, name: str, item: ItemKey, units: int) -> None:
        state = await self.place.orders.reserve(name, (item, units), ttl_minutes=DAY)
        assert state["status"] == "ACTIVE", state

    async def _wait(self, name: str, item: ItemKey, units: int) -> None:
        order = self.place.orders
        start = {
            "reference_type": "ORDER",
            "reference_id": name,
            "lines": [_line(item, units)],
            "wait_minutes": DAY,
            "ttl_minutes": DAY,
            "performed_by": "shop",
        }
        await order.start(name, [start])
        assert (await order.update(name, "placed"))["status"] == "WAITING"

    async def _shipped(self, name: str, units: int) -> None:
        await eventually(
            lambda: self.place.orders.state(name),
            lambda state: sum(line["quantity_fulfilled"] for line in state["lines"]) == units,
        )

    async def _is(self, name: str, status: str) -> None:
        state = await asyncio.wait_for(self.place.orders.result(name), ANSWER_SECONDS)
        assert state["status"] == status, state


def _line(item: ItemKey, units: int) -> dict[str, Json]:
    return {"product_id": item.product_id, "warehouse_id": item.warehouse_id, "quantity": units}


def _shipment(item: ItemKey) -> dict[str, Json]:
    return {"performed_by": "picker", "lines": [_line(item, 1)]}


def kinds_of(report: Json) -> dict[str, int]:
    """How many gaps of each kind a report has."""
    counts: dict[str, int] = {}
    for gap in report["gaps"]:
        counts[gap["kind"]] = counts.get(gap["kind"], 0) + 1
    return counts


def documents_of(report: Json, kind: str, *, but: str = "load-") -> Sequence[str]:
    """The workflows of the gaps of a kind, each once, less those of the load."""
    found = {gap["workflow_id"] for gap in report["gaps"] if gap["kind"] == kind}
    return sorted(each for each in found if not each.removeprefix("reservation-").startswith(but))
