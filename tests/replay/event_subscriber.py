"""The ways that a subscriber can go."""

from contextlib import AbstractContextManager

from tests.replay.recording import Scenes
from tests.support.webhooks import News, Receiver
from tests.support.wire import Caller, Json, eventually

_BY = {"performed_by": "recorder"}
_WHY = {"performed_by": "recorder", "reason": "recorded"}


class Subscribers(Caller):
    """Who subscribes, by the names of subscribers."""

    workflow_type = "EventSubscriberWorkflow"
    prefix = "event-subscriber-"
    answer_to_start = "subscribed"


class EventSubscriberScenes(Scenes[Subscribers]):
    """Each scene's name is that of its subscriber, whose receiver takes everything unless the scene says otherwise."""

    service = Subscribers
    under_way = frozenset({"paused"})

    async def unsubscribed(self, name: str) -> None:
        """After each command."""
        receiver = Receiver()
        with receiver.open():
            numbers = await self._subscribed(name, receiver)
            await receiver.has(numbers)
            await self._caller.update(name, "pause", _WHY)
            await eventually(lambda: self._caller.state(name), lambda state: state["delivered"] == len(numbers))
            await self._caller.update(name, "replay", _BY | {"from_number": numbers[1]})
            await self._caller.update(name, "change", _BY | {"url": receiver.url, "types": []})
            await self._caller.update(name, "rotate_secret", _BY)
            await self._caller.signal(name, "pause", _WHY)
            await self._caller.update(name, "resume", _BY)
            await receiver.has([*numbers, *numbers[1:]])
            await self._caller.update(name, "unsubscribe", _WHY)
            await self._caller.result(name)

    async def failed_and_recovered(self, name: str) -> None:
        receiver = Receiver(lambda came: 503 if came.requests == 1 else 200)
        with receiver.open():
            numbers = await self._subscribed(name, receiver, products=1)
            await receiver.has(numbers)
            await self._caller.update(name, "unsubscribe", _WHY)
            await self._caller.result(name)

    async def gone(self, name: str) -> None:
        """Its receiver wants nothing more: it is paused, and operators are told."""
        with self._refusing() as receiver:
            await self._subscribed(name, receiver, products=1)
            await self._told(name)
            await self._caller.update(name, "unsubscribe", _WHY)

    async def paused(self, name: str) -> None:
        with self._refusing() as receiver:
            await self._subscribed(name, receiver, products=1)
            await self._told(name)

    async def cancelled(self, name: str) -> None:
        """An operator has cancelled the workflow."""
        with Receiver().open() as receiver:
            await receiver.has(await self._subscribed(name, receiver))
            await self._caller.handle(name).cancel()
            await self._caller.result(name)

    async def continued(self, name: str) -> None:
        """The run that goes on after a long one."""
        with self._refusing() as receiver:
            await self._subscribed(name, receiver, products=1)
            await self._told(name)
            await self._continue(name)
            await self._caller.update(name, "unsubscribe", _WHY)

    async def refused(self, name: str) -> None:
        """Its URL leads inside the network."""
        await self._fail(name, name=name, url="https://169.254.1.1/hooks", performed_by="recorder")

    def _refusing(self) -> AbstractContextManager[Receiver]:
        return Receiver(lambda _: 410).open()

    async def _subscribed(self, name: str, receiver: Receiver, products: int = 2) -> list[int]:
        """Subscribe, and let something happen; the numbers of the events."""
        news = News(self._engine, [self._shop.product() for _ in range(products)])
        request: dict[str, Json] = {
            "name": name,
            "url": receiver.url,
            "product_ids": list(news.product_ids),
            "performed_by": "recorder",
        }
        await self._caller.start(name, [request])
        await self._caller.update(name, "subscribed")
        return news.happen(3)

    async def _told(self, name: str) -> None:
        await eventually(
            lambda: self._caller.state(name), lambda state: [each["outcome"] for each in state["notices"]] == ["LOGGED"]
        )
