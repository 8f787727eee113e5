"""Pushes events to subscribers: a page after the cursor, in order per subject, and then the next one.

It runs in the event loop on the queue of those who read events (ADR 0093), where no order waits for its slot; only
requests under way take threads, and only of this subscriber.
"""

import asyncio
import contextvars
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from temporalio import activity

from activities.event import EventQuestions
from activities.heartbeats import report
from activities.webhook import Lane, NotTaken
from activities.webhook_guard import Guard, NoSuchHost, NotAllowed, Target
from stockkeeper.contracts.event import WAIT_AT_MOST_SECONDS, Event, ReadEvents
from stockkeeper.contracts.event_subscriber import (
    Delivered,
    DeliverEvents,
    EventSubscriberActivities,
    Subscription,
    SubscriptionChecked,
)
from stockkeeper.contracts.webhook import KEY, shown, signing_secret
from stockkeeper.domain.errors import InvalidRequest
from stockkeeper.domain.event_subscriber import LANES, Lanes

EVENTS_AT_ONCE = 100
"""Events of a page: so many may be known to be taken above the cursor."""
REPORTS_AFTER_SECONDS = 30.0
"""How old a subscriber's state may be while events are delivered."""
WAITS_AT_MOST_SECONDS = 3600.0
"""How long one activity waits for events, before the next one does."""
NO_KEY = f"the workers have no key for webhooks: set {KEY}, or {KEY}_FILE, for all of them (docs/operations.md)"

R = TypeVar("R")

_log = logging.getLogger("stockkeeper.webhooks")


# Without a repr: no message may show the key.
@dataclass(frozen=True, repr=False)
class WebhookSettings:
    """What the settings say of webhooks.

    Attributes:
        key: What the secrets of subscribers are derived from; empty: webhooks aren't set up.
        guard: Where they may go.
        give_up_after_hours: How long a receiver may fail before it is paused.
    """

    key: str = ""
    guard: Guard = field(default_factory=Guard)
    give_up_after_hours: float = 72.0


class EventSubscriberSteps(EventSubscriberActivities):
    """`EventSubscriberActivities` by HTTP.

    Args:
        questions: Reads events, and waits for the next ones.
        settings: The settings of webhooks.
    """

    def __init__(self, questions: EventQuestions, settings: WebhookSettings) -> None:
        self._questions = questions
        self._settings = settings

    @activity.defn(name="check_subscription")
    async def check_subscription(self, wanted: Subscription) -> SubscriptionChecked:
        """Whether events may be sent there, and from which number on. Nothing is sent.

        Raises:
            InvalidRequest: There is no key, the URL isn't allowed or its host isn't known, or the number is beyond the
                last one.
            EventsForgotten: Some events after that number aren't kept any more.
        """
        if not self._settings.key:
            raise InvalidRequest(NO_KEY)
        try:
            await asyncio.to_thread(self._settings.guard.target, wanted.url)
        except (NotAllowed, NoSuchHost) as refusal:
            raise InvalidRequest(f"url: {refusal}") from None
        page = await self._questions.read_events(ReadEvents(after=wanted.after, limit=1))
        return SubscriptionChecked(cursor=page.cursor if wanted.after is None else wanted.after)

    @activity.defn(name="deliver_events")
    async def deliver_events(self, wanted: DeliverEvents) -> Delivered:
        """Send the events after the cursor, and those that come, until one isn't taken or it is time to report.

        What was taken is reported by heartbeats, and isn't sent again by the next attempt. When it is cancelled, what
        is under way ends first, and the answer has what was taken.

        Raises:
            EventsForgotten: Some events after the cursor aren't kept any more.
        """
        delivery = _Delivery(wanted, self._questions, self._settings)
        try:
            await delivery.go_on()
        except asyncio.CancelledError:
            await delivery.settle()
        finally:
            delivery.close()
        return delivery.outcome


class _Delivery:
    """One attempt to deliver."""

    def __init__(self, wanted: DeliverEvents, questions: EventQuestions, settings: WebhookSettings) -> None:
        self._wanted = wanted
        self._questions = questions
        self._settings = settings
        cursor, ahead, taken = _left_by_the_attempt_before(wanted)
        self.outcome = Delivered(
            cursor=cursor, ahead=ahead, taken=taken, give_up_after_hours=settings.give_up_after_hours
        )
        self._threads = ThreadPoolExecutor(LANES, thread_name_prefix="webhooks")
        self._free: list[Lane] = []
        self._under_way: dict[asyncio.Future[None], int] = {}
        self._lanes = Lanes(())
        self._secrets = [
            signing_secret(settings.key, wanted.name, generation)
            for generation in (wanted.generation, wanted.former_generation)
            if generation is not None
        ]

    async def go_on(self) -> None:
        """Deliver page after page."""
        if not self._settings.key:
            self._fail(NO_KEY)
            return
        try:
            target = await self._in_a_thread(lambda: self._settings.guard.target(self._wanted.url))
        except (NotAllowed, NoSuchHost) as refusal:
            self._fail(str(refusal))
            return
        loop = asyncio.get_running_loop()
        begun = loop.time()
        while True:
            page = await self._questions.read_events(
                ReadEvents(
                    after=self.outcome.cursor,
                    types=self._wanted.types,
                    product_ids=self._wanted.product_ids,
                    wait_seconds=WAIT_AT_MOST_SECONDS,
                    limit=EVENTS_AT_ONCE,
                )
            )
            await self._deliver(page.events, target)
            if self.outcome.error is not None:
                return
            self.outcome.cursor, self.outcome.ahead = page.cursor, []
            self._report()
            passed = loop.time() - begun
            if passed >= (REPORTS_AFTER_SECONDS if self.outcome.taken else WAITS_AT_MOST_SECONDS):
                return
            if activity.is_worker_shutdown():
                return

    async def settle(self) -> None:
        """Begin nothing more, and wait for what is under way."""
        self._lanes.stop()
        while self._under_way:
            await self._take_answers()

    def close(self) -> None:
        """Close the connections."""
        for lane in self._free:
            lane.close()
        self._threads.shutdown(wait=False)

    async def _deliver(self, events: Sequence[Event], target: Target) -> None:
        """Send a page: of each partition key one event after the other, and several keys at a time."""
        by_number = {each.number: each for each in events}
        self._lanes = Lanes(((each.number, each.partitionkey) for each in events), self.outcome.ahead)
        while True:
            while (number := self._lanes.next()) is not None:
                event = by_number[number]
                # Bound now: the loop goes on.
                sending = self._in_a_thread(lambda event=event: self._send(event, target))  # type: ignore[misc]
                self._under_way[sending] = number
            if not self._under_way:
                return
            await self._take_answers()

    async def _take_answers(self) -> None:
        done, _ = await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)
        for each in done:
            number = self._under_way.pop(each)
            error = each.exception()
            if error is None:
                self._lanes.took(number)
                self.outcome.taken += 1
                self.outcome.ahead = self._lanes.taken
            else:
                self._lanes.failed(number)
                self._fail_by(number, error)
        self._report()

    def _send(self, event: Event, target: Target) -> None:
        try:
            lane = self._free.pop()
        except IndexError:
            lane = Lane(target, self._secrets, self._settings.guard.trusted)
        try:
            lane.send(f"{event.source}/{event.id}", event.as_json())
        finally:
            self._free.append(lane)

    def _fail_by(self, number: int, error: BaseException) -> None:
        if not isinstance(error, NotTaken):
            raise error
        self.outcome.is_gone = self.outcome.is_gone or error.is_gone
        if error.is_gone:
            self._lanes.stop()
        self._fail(f"event {number}: {error}")

    def _fail(self, why: str) -> None:
        _log.warning("%s isn't reached at %s: %s", self._wanted.name, shown(self._wanted.url), why)
        # The first one: the others that are under way fail for the same reason.
        self.outcome.error = self.outcome.error or why

    def _report(self) -> None:
        report(self.outcome.cursor, self.outcome.ahead, self.outcome.taken)

    def _in_a_thread(self, work: Callable[[], R]) -> "asyncio.Future[R]":
        context = contextvars.copy_context()
        return asyncio.get_running_loop().run_in_executor(self._threads, context.run, work)


def _left_by_the_attempt_before(wanted: DeliverEvents) -> tuple[int, list[int], int]:
    """Cursor, numbers ahead of it and number of events taken, as an attempt has reported them that was lost."""
    match tuple(activity.info().heartbeat_details):
        case (int(cursor), list(ahead), int(taken)):
            return cursor, [int(each) for each in ahead], taken
        case _:
            return wanted.cursor, list(wanted.ahead), 0
