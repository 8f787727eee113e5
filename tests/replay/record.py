"""Records a history of each way that a process can go: `python -m tests.replay.record`.

The histories stand in the repository. A version of the code that can't replay them can't take over the runs that are
under way when it is deployed; that is what `test_histories.py` finds out. So record anew only what has changed on
purpose, and look at the difference.
"""

import asyncio
import json
import re
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHistory

from database.migrate import upgrade
from database.sessions import connect
from devstack.stack import running_stack
from starter.connection import connect_temporal
from starter.namespace import register_search_attributes
from tests.outages import Outages
from tests.shop import Shop
from tests.wire import Json, Orders, at_once, eventually, line, refusal, request
from worker import Settings, build_database, build_worker

HISTORIES = Path(__file__).parent / "histories"
_WORKER_NAME = re.compile(r"\d+@.+")


class Scenes:
    """What is played: each method is one history, and its name is the order's reference."""

    def __init__(self, client: Client, task_queue: str, shop: Shop, outages: Outages) -> None:
        self._orders = Orders(client, task_queue)
        self._shop = shop
        self._outages = outages

    async def held(self, reference: str) -> None:
        """Under way: this is where a deployment finds most runs."""
        await self._orders.reserve(reference, (self._shop.item(5), 2))
        await eventually(lambda: self._events(reference), lambda kinds: EventType.EVENT_TYPE_TIMER_STARTED in kinds)

    async def fulfilled(self, reference: str) -> None:
        first, second = self._shop.items(2, units=5)
        await self._orders.reserve(reference, (first, 2), (second, 1))
        await self._orders.fulfill(reference)

    async def fulfilled_in_parts(self, reference: str) -> None:
        item = self._shop.item(5)
        held = await self._orders.reserve(reference, (item, 3), (item, 2))
        await self._orders.fulfill(reference, [line(item, 1)], fulfillment_id="parcel-1")
        last = {"reservation_id": held["lines"][1]["reservation_id"], "quantity": 2}
        await self._orders.fulfill(reference, [last])
        await self._orders.fulfill(reference)

    async def cancelled(self, reference: str) -> None:
        item = self._shop.item(5)
        await self._orders.reserve(reference, (item, 2))
        await self._orders.fulfill(reference, [line(item, 1)])
        await self._orders.cancel(reference)

    async def expired(self, reference: str) -> None:
        await self._orders.reserve(reference, (self._shop.item(5), 2), ttl_minutes=0.01)

    async def extended(self, reference: str) -> None:
        await self._orders.reserve(reference, (self._shop.item(5), 2))
        await self._orders.extend(reference, 60)
        await self._orders.extend(reference, 0.01)

    async def rejected(self, reference: str) -> None:
        await refusal(self._orders.reserve(reference, (self._shop.item(5), 6)))

    async def invalid(self, reference: str) -> None:
        await refusal(self._orders.reserve(reference, (self._shop.item(5), 0)))

    async def unknown_product(self, reference: str) -> None:
        item = self._shop.item(5)._replace(product_id=10**12)
        await refusal(self._orders.reserve(reference, (item, 1)))

    async def released_by_signal(self, reference: str) -> None:
        item = self._shop.item(5)
        await self._orders.reserve(reference, (item, 2))
        await self._orders.signal(reference, "approve", {"approver": "ann"})
        await self._orders.signal(reference, "fulfill", {"performed_by": "picker", "lines": [line(item, 9)]})
        await self._orders.signal(reference, "cancel", {"performed_by": "shop"})
        await eventually(lambda: self._orders.state(reference), lambda state: len(state["notes"]) == 3)
        await self._orders.signal(reference, "cancel", {"performed_by": "shop", "reason": "customer called"})

    async def refused_commands(self, reference: str) -> None:
        item = self._shop.item(5)
        await self._orders.reserve(reference, (item, 2))
        await refusal(self._orders.fulfill(reference, [line(item, 3)]))
        await refusal(self._orders.extend(reference, -1))
        await self._orders.fulfill(reference)

    async def cancelled_by_operator(self, reference: str) -> None:
        await self._orders.reserve(reference, (self._shop.item(5), 2))
        await self._orders.handle(reference).cancel()

    async def adopted(self, reference: str) -> None:
        """The second run for one order, which finds what the first has held."""
        item = self._shop.item(5)
        await self._orders.reserve(reference, (item, 2))
        await self._orders.handle(reference).terminate("by mistake")
        await self._orders.reserve(reference, (item, 2))
        await self._orders.fulfill(reference)

    async def adopted_too_late(self, reference: str) -> None:
        """The second run for one order whose hold is over, though a buyer has released only one of its lines."""
        needed, other = self._shop.items(2, 5)
        await self._orders.reserve(reference, (needed, 5), (other, 5), ttl_minutes=0.01)
        await self._orders.handle(reference).terminate("by mistake")
        await self._orders.reserve(f"{reference}-waits-as-long", (self._shop.item(1), 1), ttl_minutes=0.01)
        await self._orders.result(f"{reference}-waits-as-long")
        await self._orders.reserve(f"{reference}-buyer", (needed, 5))
        await refusal(self._orders.reserve(reference, (needed, 5), (other, 5)))

    async def continued(self, reference: str) -> None:
        """The second run of an order with so many parcels that one history isn't enough."""
        item = self._shop.item(10_000)
        await self._orders.reserve(reference, *[(item, 20)] * 200)
        first = await self._run_of(reference)
        while await self._run_of(reference) == first:
            await at_once(*(self._orders.fulfill(reference, [line(item, 1)]) for _ in range(5)))
        await self._orders.signal(reference, "cancel", {"performed_by": "shop"})
        await self._orders.fulfill(reference, [line(item, 1)])
        await self._orders.cancel(reference)

    async def _run_of(self, reference: str) -> str | None:
        return (await self._orders.handle(reference).describe()).run_id

    async def database_away(self, reference: str) -> None:
        """The steps go by the task queue."""
        item = self._shop.item(5)
        with self._outages.database_away():
            await self._orders.start(reference, [request(reference, (item, 2))])
            scheduled = EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
            await eventually(lambda: self._events(reference), lambda kinds: scheduled in kinds)
        await self._orders.update(reference, "reserved")
        await self._orders.fulfill(reference)

    async def _events(self, reference: str) -> "list[EventType.ValueType]":
        return [event.event_type async for event in self._orders.handle(reference).fetch_history_events()]


UNDER_WAY = {"held"}
SCENES: Mapping[str, Callable[[Scenes, str], Awaitable[None]]] = {
    name: scene for name, scene in vars(Scenes).items() if not name.startswith("_")
}


def path_of(scene: str) -> Path:
    """Where a scene's history is."""
    return HISTORIES / f"reservation_{scene}.json"


def load(path: Path) -> WorkflowHistory:
    """A recorded history, under the workflow id that it had."""
    started = json.loads(path.read_text())["events"][0]["workflowExecutionStartedEventAttributes"]
    return WorkflowHistory.from_json(started["workflowId"], path.read_text())


def without_names(value: Json) -> Json:
    """The history less what names the machine that it was recorded on."""
    if isinstance(value, dict):
        if value.get("kind") == "TASK_QUEUE_KIND_STICKY":
            return value | {"name": "sticky"}
        # Where in which directory an error arose says nothing to a replay.
        return {key: "" if key == "stackTrace" else without_names(each) for key, each in value.items()}
    if isinstance(value, list):
        return [without_names(each) for each in value]
    return "worker" if isinstance(value, str) and _WORKER_NAME.fullmatch(value) else value


async def record(directory: Path) -> None:
    """Play every scene on a stack of its own, and keep the histories."""
    with tempfile.TemporaryDirectory() as data:
        async with running_stack(Path(data), fast=True, headless=True, environ={}) as stack:
            engine = connect(stack.database_url)
            upgrade(engine)
            client = await connect_temporal(stack.temporal_address, stack.namespace)
            await register_search_attributes(client)
            settings = Settings(database_url=SecretStr(stack.database_url), database_role="stockkeeper_worker")
            database = build_database(settings)
            plain = await Client.connect(stack.temporal_address, namespace=stack.namespace)
            scenes = Scenes(plain, settings.task_queue, Shop(engine), Outages(stack.database_url))
            async with build_worker(client, database, settings):
                for name, scene in SCENES.items():
                    await scene(scenes, name)
                    (directory / path_of(name).name).write_text(await _history(plain, name))
            engine.dispose()
            database.engine.dispose()


async def _history(client: Client, reference: str) -> str:
    handle: Any = client.get_workflow_handle(f"reservation-{reference}")
    if reference not in UNDER_WAY:
        # However it ends; this only waits until it has.
        await asyncio.wait({asyncio.ensure_future(handle.result())}, timeout=30)
    history = without_names(json.loads((await handle.fetch_history()).to_json()))
    return json.dumps(history, indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    asyncio.run(record(HISTORIES))
