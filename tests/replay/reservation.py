"""The ways that a reservation can go."""

import asyncio
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from temporalio.api.enums.v1 import EventType

from stockkeeper.domain.stock import ItemKey
from tests.replay.recording import Scenes
from tests.support.corrections import FOUND, correct_stock
from tests.support.identity import Provider, carrying
from tests.support.reservation import Orders, request
from tests.support.wire import eventually, line, refusal


class ReservationScenes(Scenes[Orders]):
    """Each scene's name is the order's reference."""

    service = Orders
    under_way = frozenset({"held", "waiting"})
    followed = frozenset({"named"})

    async def held(self, reference: str) -> None:
        await self._caller.reserve(reference, (self._shop.item(5), 2))

    async def fulfilled(self, reference: str) -> None:
        first, second = self._shop.items(2, units=5)
        await self._caller.reserve(reference, (first, 2), (second, 1))
        await self._caller.fulfill(reference)

    async def fulfilled_in_parts(self, reference: str) -> None:
        item = self._shop.item(5)
        held = await self._caller.reserve(reference, (item, 3), (item, 2))
        await self._caller.fulfill(reference, [line(item, 1)], fulfillment_id="parcel-1")
        last = {"reservation_id": held["lines"][1]["reservation_id"], "quantity": 2}
        await self._caller.fulfill(reference, [last])
        await self._caller.fulfill(reference)

    async def lowered(self, reference: str) -> None:
        """A part is given up twice under one number, more than is held is refused, and the rest leaves."""
        item = self._shop.item(5)
        await self._caller.reserve(reference, (item, 3), (item, 2))
        less = {"performed_by": "shop", "reason": "one less", "lines": [line(item, 4)], "release_id": "less-1"}
        for _ in range(2):
            await self._caller.update(reference, "release", less)
        await refusal(self._caller.update(reference, "release", less | {"release_id": None}))
        await self._caller.fulfill(reference)

    async def given_up(self, reference: str) -> None:
        """All of it is given up line by line, by a signal at last."""
        item = self._shop.item(5)
        await self._caller.reserve(reference, (item, 3))
        less = {"performed_by": "shop", "reason": "one less", "lines": [line(item, 1)]}
        await self._caller.update(reference, "release", less)
        await self._caller.signal(reference, "release", less | {"lines": [line(item, 2)]})

    async def cancelled(self, reference: str) -> None:
        item = self._shop.item(5)
        await self._caller.reserve(reference, (item, 2))
        await self._caller.fulfill(reference, [line(item, 1)])
        await self._caller.cancel(reference)

    async def identified(self, reference: str) -> None:
        """A seller is vouched for; signals without an identity and with somebody else's change nothing."""
        with tempfile.TemporaryDirectory() as place:
            provider = Provider(Path(place) / "keys.json")
            async with self._stage.worker("identified", **provider.settings):
                seller = Orders(carrying(self._stage.client, provider.token("Shop", "sell")), "identified")
                await seller.reserve(reference, (self._shop.item(5), 2))
                stranger = Orders(self._stage.client, "identified")
                await stranger.signal(reference, "cancel", {"performed_by": "shop", "reason": "no more"})
                eve = Orders(carrying(self._stage.client, provider.token("eve", "sell")), "identified")
                await eve.signal(reference, "cancel", {"performed_by": "shop", "reason": "no more"})
                await seller.noted(reference, 2)
                await seller.update(reference, "cancel", {"performed_by": "shop", "reason": "no more"})
                await seller.result(reference)

    async def expired(self, reference: str) -> None:
        await self._caller.reserve(reference, (self._shop.item(5), 2), ttl_minutes=0.01)

    async def extended(self, reference: str) -> None:
        await self._caller.reserve(reference, (self._shop.item(5), 2))
        await self._caller.extend(reference, 60)
        await self._caller.extend(reference, 0.01)

    async def rejected(self, reference: str) -> None:
        await refusal(self._caller.reserve(reference, (self._shop.item(5), 6)))

    async def invalid(self, reference: str) -> None:
        await refusal(self._caller.reserve(reference, (self._shop.item(5), 0)))

    async def unknown_product(self, reference: str) -> None:
        item = self._shop.item(5)._replace(product_id=10**12)
        await refusal(self._caller.reserve(reference, (item, 1)))

    async def refused_start(self, reference: str) -> None:
        """Since such a run says in its status that it is refused."""
        await self.unknown_product(reference)

    async def released_by_signal(self, reference: str) -> None:
        item = self._shop.item(5)
        await self._caller.reserve(reference, (item, 2))
        await self._caller.signal(reference, "approve", {"approver": "ann"})
        await self._caller.signal(reference, "fulfill", {"performed_by": "picker", "lines": [line(item, 9)]})
        await self._caller.signal(reference, "cancel", {"performed_by": "shop"})
        await self._caller.noted(reference, 3)
        await self._caller.signal(reference, "cancel", {"performed_by": "shop", "reason": "customer called"})

    async def refused_commands(self, reference: str) -> None:
        item = self._shop.item(5)
        await self._caller.reserve(reference, (item, 2))
        await refusal(self._caller.fulfill(reference, [line(item, 3)]))
        await refusal(self._caller.extend(reference, -1))
        await self._caller.fulfill(reference)

    async def cancelled_by_operator(self, reference: str) -> None:
        await self._caller.reserve(reference, (self._shop.item(5), 2))
        await self._caller.handle(reference).cancel()

    async def adopted(self, reference: str) -> None:
        """The second run for one order, which finds what the first has held."""
        item = self._shop.item(5)
        await self._caller.reserve(reference, (item, 2))
        await self._caller.handle(reference).terminate("by mistake")
        await self._caller.reserve(reference, (item, 2))
        await self._caller.fulfill(reference)

    async def adopted_too_late(self, reference: str) -> None:
        """The second run for one order whose hold is over, though a buyer has released only one of its lines."""
        needed, other = self._shop.items(2, 5)
        await self._caller.reserve(reference, (needed, 5), (other, 5), ttl_minutes=0.01)
        await self._caller.handle(reference).terminate("by mistake")
        await self._caller.reserve(f"{reference}-waits-as-long", (self._shop.item(1), 1), ttl_minutes=0.01)
        await self._caller.result(f"{reference}-waits-as-long")
        await self._caller.reserve(f"{reference}-buyer", (needed, 5))
        await refusal(self._caller.reserve(reference, (needed, 5), (other, 5)))

    async def gave_way(self, reference: str) -> None:
        """What one of its lines was promised isn't there. It is told once too early."""
        gone, other = self._shop.items(2, units=5)
        told = {"performed_by": "carl", "reason": FOUND}
        await self._caller.reserve(reference, (gone, 2), (other, 2))
        await self._caller.signal(reference, "give_way", told)
        await self._caller.noted(reference, 1)
        correct_stock(self._engine, {gone: -4}, datetime.now(UTC))
        await self._caller.update(reference, "give_way", told)

    async def held_again(self, reference: str) -> None:
        """The second run for one order, whose units are back."""
        item = self._shop.item(5)
        await self._caller.reserve(reference, (item, 4))
        correct_stock(self._engine, {item: -4}, datetime.now(UTC))
        await self._caller.update(reference, "give_way", {"performed_by": "carl", "reason": FOUND})
        await self._caller.result(reference)
        correct_stock(self._engine, {item: 4}, datetime.now(UTC))
        await self._caller.reserve(reference, (item, 4), hold_again=True)
        await self._caller.fulfill(reference)

    async def adopted_giving_way(self, reference: str) -> None:
        """The second run for one order, of which a line gave way while nobody could be told."""
        gone, other = self._shop.items(2, units=5)
        await self._caller.reserve(reference, (gone, 2), (other, 2))
        await self._caller.handle(reference).terminate("by mistake")
        correct_stock(self._engine, {gone: -4}, datetime.now(UTC))
        await refusal(self._caller.reserve(reference, (gone, 2), (other, 2)))

    async def continued(self, reference: str) -> None:
        """The run that goes on after a long one, with what has left before and the number of the next signal."""
        item = self._shop.item(5)
        await self._caller.reserve(reference, (item, 4))
        await self._caller.fulfill(reference, [line(item, 1)])
        await self._continue(reference)
        await self._caller.signal(reference, "cancel", {"performed_by": "shop"})
        await self._caller.fulfill(reference, [line(item, 1)])
        await self._caller.cancel(reference)

    async def database_away(self, reference: str) -> None:
        """The steps go by the task queue."""
        item = self._shop.item(5)
        with self._stage.outages.database_away():
            await self._caller.start(reference, [request(reference, (item, 2))])
            await self._scheduled(reference)
        await self._caller.update(reference, "reserved")
        await self._caller.fulfill(reference)

    async def told_of_attempts(self, reference: str) -> None:
        """An attempt tells the run that the database is still away, and the run shows it."""
        signals = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED
        await self._caller.reserve(reference, (self._shop.item(5), 2))
        with self._stage.outages.database_away():
            shipping = asyncio.ensure_future(self._caller.fulfill(reference))
            await eventually(lambda: self._caller.history(reference, signals), lambda told: len(told) == 1)
        await shipping

    async def named(self, reference: str) -> None:
        """The run that has answered a start under a fixed update id, and that another one follows for this reason."""
        await self._caller.reserve(reference, (self._shop.item(5), 2), update_id="the-order")

    async def named_rejected(self, reference: str) -> None:
        """The run that ends in place of the one that has told of the shortage."""
        await refusal(self._caller.reserve(reference, (self._shop.item(5), 6), update_id="the-order"))

    async def named_unknown_product(self, reference: str) -> None:
        """The run that fails in place of the one that has told why."""
        item = self._shop.item(5)._replace(product_id=10**12)
        await refusal(self._caller.reserve(reference, (item, 1), update_id="the-order"))

    async def named_refused_start(self, reference: str) -> None:
        """Since such a run says in its status that it is refused."""
        await self.named_unknown_product(reference)

    async def named_short_and_begun_anew(self, reference: str) -> None:
        """The run that was to end with the shortage, and is asked again once there is stock."""
        item = self._shop.item(5)
        await refusal(self._caller.reserve(reference, (item, 6), update_id="the-order"))
        self._shop.move(item, 1)
        await self._caller.reserve(reference, (item, 6))
        await self._caller.cancel(reference)

    async def waiting(self, reference: str) -> None:
        """Told once, and short nevertheless, it waits on."""
        item = self._shop.item(1)
        await self._wait(reference, (item, 3))
        await self._caller.signal(reference, "stock_came")
        await refusal(self._caller.fulfill(reference))

    async def waited(self, reference: str) -> None:
        """It is short, waits, and is held when stock comes."""
        item, other = self._shop.items(2, units=1)
        await self._wait(reference, (item, 3), (other, 1))
        self._shop.move(item, 2)
        await self._caller.update(reference, "reserved")
        await self._caller.fulfill(reference)

    async def waited_in_vain(self, reference: str) -> None:
        await refusal(self._caller.reserve(reference, (self._shop.item(1), 3), wait_minutes=0.01))

    async def wait_cancelled(self, reference: str) -> None:
        """By a signal, while somebody asks for the answer."""
        await self._wait(reference, (self._shop.item(1), 3))
        asking = asyncio.ensure_future(refusal(self._caller.update(reference, "reserved")))
        await self._caller.accepted(reference, 2)
        await self._caller.signal(reference, "cancel", {"performed_by": "shop", "reason": "changed my mind"})
        await asking

    async def wait_cancelled_by_operator(self, reference: str) -> None:
        await self._wait(reference, (self._shop.item(1), 3))
        await self._caller.handle(reference).cancel()

    async def wait_continued(self, reference: str) -> None:
        """The run that waits on after a long one."""
        item = self._shop.item(1)
        await self._wait(reference, (item, 3))
        await self._continue(reference)
        self._shop.move(item, 2)
        await self._caller.update(reference, "reserved")
        await self._caller.cancel(reference)

    async def wait_adopted(self, reference: str) -> None:
        """The second run for one order, which finds its place in the queue."""
        item = self._shop.item(1)
        await self._wait(reference, (item, 3))
        await self._caller.handle(reference).terminate("by mistake")
        await self._wait(reference, (item, 3))
        self._shop.move(item, 2)
        await self._caller.update(reference, "reserved")
        await self._caller.cancel(reference)

    async def sourced(self, reference: str) -> None:
        """A line without a warehouse comes from two, and leaves from one after the other; its start is repeated."""
        product = self._shop.product()
        items = [self._shop.item(3, product=product) for _ in range(2)]
        start = request(reference) | {"lines": [{"product_id": product, "warehouse_id": None, "quantity": 5}]}
        await self._caller.ask_raw(reference, [start])
        await self._caller.fulfill(reference, [line(items[0], 3)])
        await self._caller.update(reference, "reserved", {"ttl_minutes": 60})
        await self._caller.ask_raw(reference, [start])
        await self._caller.fulfill(reference)

    async def sourced_later(self, reference: str) -> None:
        """One that waits for a product in any warehouse."""
        product = self._shop.product()
        item, other = (self._shop.item(1, product=product) for _ in range(2))
        start = request(reference, wait_minutes=30) | {
            "lines": [{"product_id": product, "warehouse_id": None, "quantity": 3}]
        }
        await self._caller.ask_raw(reference, [start], command=("placed", None))
        self._shop.move(other, 1)
        await self._caller.update(reference, "reserved")
        await self._caller.fulfill(reference, [line(item, 1)])
        await self._caller.cancel(reference)

    async def withdrawn(self, reference: str) -> None:
        """Cancelled before the run had its first task."""
        await self._withdraw(reference, self._shop.item(5))

    async def withdrawn_after_another_run(self, reference: str) -> None:
        """The same, of a hold that an earlier run has left."""
        item = self._shop.item(5)
        await self._caller.reserve(reference, (item, 2))
        await self._caller.handle(reference).terminate("by mistake")
        await self._withdraw(reference, item)

    async def too_late(self, reference: str) -> None:
        past = datetime(2026, 1, 1, tzinfo=UTC).isoformat()
        await refusal(self._caller.reserve(reference, (self._shop.item(5), 2), not_after=past))

    async def waited_too_long(self, reference: str) -> None:
        """Its wait ends when nobody wants it any more."""
        soon = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
        await refusal(self._caller.reserve(reference, (self._shop.item(1), 3), wait_minutes=30, not_after=soon))

    async def _withdraw(self, reference: str, item: ItemKey) -> None:
        await self._caller.client.start_workflow(
            self._caller.workflow_type,
            request(reference, (item, 2)),
            id=f"reservation-{reference}",
            task_queue=self._caller.task_queue,
            start_signal="cancel",
            start_signal_args=[{"performed_by": "shop", "reason": "the shopper left"}],
        )

    async def _wait(self, reference: str, *lines: tuple[ItemKey, int]) -> None:
        start = [request(reference, *lines, wait_minutes=30)]
        await self._caller.ask_raw(reference, start, command=("placed", None))
