"""Subscribers to events: subscribe a URL, look at it, pause it, resume it, send events again, end it."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any, TypeVar

from temporalio.client import WorkflowHandle

from stockkeeper.client.calls import answer, checked, command, read_state, start_and_ask
from stockkeeper.client.document import Part
from stockkeeper.client.lines import Named
from stockkeeper.client.names import with_ids
from stockkeeper.client.questions import ask
from stockkeeper.contracts.errors import InvalidRequest, InvalidState, NotFound, OperationConflict
from stockkeeper.contracts.event import PREFIX, TYPES, type_of
from stockkeeper.contracts.event_subscriber import (
    CHANGE,
    OVERLAP_HOURS,
    PAUSE,
    PROCESS,
    REPLAY,
    RESUME,
    ROTATE_SECRET,
    UNSUBSCRIBE,
    WORKFLOW_TYPE,
    EventSubscriberState,
    ShowWebhookSecret,
    SubscriberStatus,
    SubscribeToEvents,
)
from stockkeeper.contracts.messages import Message
from stockkeeper.contracts.process import Command
from stockkeeper.contracts.question import SHOW_WEBHOOK_SECRET
from stockkeeper.contracts.sealed_secret import Sealed, SealingKey
from stockkeeper.contracts.webhook import default_name, shown

M = TypeVar("M", bound=Message)


class EventSubscribers(Part):
    """Subscribers, to which events are pushed by webhooks (`docs/processes/event_subscriber.md`)."""

    async def subscribe(
        self,
        url: str,
        *,
        name: str | None = None,
        types: Sequence[str] = (),
        products: Sequence[Named] = (),
        after: int | None = None,
        performed_by: str,
    ) -> EventSubscriberState:
        """Send events to a URL, each signed by the subscriber's secret, until it is unsubscribed.

        The same call again finds the same subscriber. Of several databases, each has events and subscribers of its own:
        ask by `at`.

        Args:
            url: Where events are sent: https, unless the workers' settings allow http.
            name: The subscriber's name: letters, digits, points, hyphens and underscores; None: one that is made of the
                URL and the types, and is in the answer.
            types: Only these types of events, such as ``stockkeeper.level.changed``, or ``level.changed``; empty:
                all.
            products: Only about these products; empty: all.
            after: Begin after the event of this number; None: with the next one.
            performed_by: Who subscribes it.

        Raises:
            InvalidRequest: The URL isn't allowed, its host isn't known, there is no such type, or the workers have no
                key.
            EventsForgotten: Events after that number aren't kept any more.
            OperationConflict: A subscriber of this name gets other events, or elsewhere.
            UnknownProduct: There is no such product.
            Unreachable: Temporal doesn't answer, or no worker.
        """
        self._require_one_database()
        wanted = _types(types)
        name = default_name(url, wanted) if name is None else name
        request, _ = await with_ids(
            self.connection,
            SubscribeToEvents,
            name=name,
            url=url,
            types=wanted,
            product_ids=list(products),
            after=after,
            generation=await self._next_generation(name),
            performed_by=performed_by,
        )
        state = await self._start(request)
        if state.status is SubscriberStatus.ENDED:
            # One of this name that was unsubscribed: what is under way to it ends first.
            async with answer(_what(name), self.connection.answer_within):
                await self._subscriber(name).result()
            state = await self._start(request)
        is_same = (state.url, {*state.types}, {*state.product_ids}) == (
            shown(request.url),
            {*request.types},
            {*request.product_ids},
        )
        if not is_same:
            raise OperationConflict(
                f"{_what(name)} gets other events, or at another URL: change it, or take another name"
            )
        return state

    async def subscribers(self) -> list[EventSubscriberState]:
        """All who are subscribed, by name.

        Raises:
            Unreachable: Temporal doesn't answer, or no worker.
        """
        query = f'WorkflowType="{WORKFLOW_TYPE}" AND ExecutionStatus="Running" AND TaskQueue="{{}}"'
        within = self.connection.answer_within
        async with answer("event subscribers", within, if_lost=None):
            listed = self.connection.client.list_workflows(query.format(self.connection.task_queue))
            ids = [run.id async for run in listed]
        found = await asyncio.gather(
            *(
                read_state(self._by_id(each), EventSubscriberState, what="event subscriber", within=within)
                for each in ids
            )
        )
        return sorted((each for each in found if each.name), key=lambda each: each.name)

    async def subscriber(self, name: str) -> EventSubscriberState:
        """Where a subscriber is.

        Raises:
            NotFound: There is none of that name.
            Unreachable: Temporal doesn't answer, or no worker.
        """
        within = self.connection.answer_within
        return await read_state(self._subscriber(name), EventSubscriberState, what=_what(name), within=within)

    async def webhook_secret(self, name: str) -> str:
        """The secret that signs a subscriber's webhooks now, as the Standard Webhooks libraries take it.

        A worker derives it, and seals it to a key that this call makes: Temporal never has it in the clear. It needs
        the extra ``encryption``, and the role ``administer`` where identities are required. While a secret is being
        changed, the former one signs as well; it isn't shown.

        Raises:
            CannotSeal: The extra isn't installed.
            InvalidRequest: Nobody is subscribed under that name, or the workers have no key.
            NotOpened: The answer wasn't made for this question.
            NotPermitted: The identity may not subscribe.
            Unreachable: Temporal doesn't answer, or no worker.
        """
        self._require_one_database()
        key = SealingKey()
        asked = checked(ShowWebhookSecret, name=name, public_key=key.public)
        found = await ask(self.connection, SHOW_WEBHOOK_SECRET, asked)
        return key.open(Sealed(found.public_key, found.sealed), name, found.generation)

    async def pause_subscriber(self, name: str, *, performed_by: str, reason: str) -> EventSubscriberState:
        """Send a subscriber nothing until it is resumed. What is under way may still arrive.

        Raises:
            InvalidState: It is paused already, or has been unsubscribed.
            NotFound, Unreachable: See `subscriber`.
        """
        return await self._command(name, PAUSE, checked(PAUSE.message, performed_by=performed_by, reason=reason))

    async def resume_subscriber(self, name: str, *, performed_by: str) -> EventSubscriberState:
        """Go on with a subscriber where it stopped; one that fails is tried at once.

        Raises:
            InvalidState: It neither fails nor is paused, or has been unsubscribed.
            NotFound, Unreachable: See `subscriber`.
        """
        return await self._command(name, RESUME, checked(RESUME.message, performed_by=performed_by))

    async def replay_events(self, name: str, from_number: int, *, performed_by: str) -> EventSubscriberState:
        """Send a subscriber events again, in their order, from a number on.

        Raises:
            EventsForgotten: They aren't all kept any more.
            InvalidRequest: There is no such number yet.
            InvalidState: It has been unsubscribed.
            NotFound, Unreachable: See `subscriber`.
        """
        message = checked(REPLAY.message, performed_by=performed_by, from_number=from_number)
        return await self._command(name, REPLAY, message)

    async def change_subscriber(
        self,
        name: str,
        *,
        url: str | None = None,
        types: Sequence[str] | None = None,
        products: Sequence[Named] | None = None,
        performed_by: str,
    ) -> EventSubscriberState:
        """Send a subscriber's events elsewhere, or others, from the next one on; None: as it is.

        Raises:
            InvalidRequest, UnknownProduct: As for `subscribe`.
            InvalidState: It has been unsubscribed.
            NotFound, Unreachable: See `subscriber`.
        """
        message, _ = await with_ids(
            self.connection,
            CHANGE.message,
            performed_by=performed_by,
            url=url,
            types=None if types is None else _types(types),
            product_ids=None if products is None else list(products),
        )
        return await self._command(name, CHANGE, message)

    async def rotate_webhook_secret(
        self, name: str, *, overlap_hours: float = OVERLAP_HOURS, performed_by: str
    ) -> EventSubscriberState:
        """Sign a subscriber's events by another secret, and for some hours by the former one as well.

        Raises:
            InvalidState: It has been unsubscribed.
            NotFound, Unreachable: See `subscriber`.
        """
        message = checked(ROTATE_SECRET.message, performed_by=performed_by, overlap_hours=overlap_hours)
        return await self._command(name, ROTATE_SECRET, message)

    async def unsubscribe(self, name: str, *, performed_by: str, reason: str) -> EventSubscriberState:
        """Send a subscriber nothing any more.

        Raises:
            NotFound, Unreachable: See `subscriber`.
        """
        message = checked(UNSUBSCRIBE.message, performed_by=performed_by, reason=reason)
        return await self._command(name, UNSUBSCRIBE, message)

    async def _start(self, request: SubscribeToEvents) -> EventSubscriberState:
        return await start_and_ask(
            self.connection,
            PROCESS,
            request,
            what=_what(request.name),
            workflow_id=PROCESS.id_of(request.name),
            summary=request.summary,
            state=EventSubscriberState,
        )

    async def _command(self, name: str, sent: Command[M], message: M) -> EventSubscriberState:
        handle = self._subscriber(name)
        within = self.connection.answer_within
        return await command(
            handle,
            sent,
            message,
            EventSubscriberState,
            what=_what(name),
            done_already=lambda last: sent.name == UNSUBSCRIBE.name and _is_over(last),
            was_done=_unknown,
            last_state=partial(read_state, handle, EventSubscriberState, what=_what(name), within=within),
            refusal=partial(_refusal, sent.name),
            is_over=_is_over,
            within=within,
        )

    async def _next_generation(self, name: str) -> int:
        """The number of the secret: another one than that of a subscriber of this name that has ended."""
        try:
            last = await self.subscriber(name)
        except NotFound:
            return 1
        return last.generation + 1 if last.status is SubscriberStatus.ENDED else last.generation

    def _require_one_database(self) -> None:
        if self.connection.databases is not None:
            raise InvalidRequest(
                "there are several databases, each with events of its own: subscribe to one of them, by `at` its task "
                "queue (`--database` of the command)"
            )

    def _subscriber(self, name: str) -> "WorkflowHandle[Any, Any]":
        return self._by_id(PROCESS.id_of(name))

    def _by_id(self, workflow_id: str) -> "WorkflowHandle[Any, Any]":
        return self.connection.client.get_workflow_handle(workflow_id)


def _types(named: Sequence[str]) -> list[str]:
    return [each if each in TYPES else type_of(each.removeprefix(PREFIX)) for each in named]


def _what(name: str) -> str:
    return f"{PROCESS.name} {name}"


def _is_over(last: EventSubscriberState) -> bool:
    return PROCESS.is_over(last.status)


def _refusal(name: str, last: EventSubscriberState) -> InvalidState:
    return PROCESS.refusal(last.status, name, last.name)


async def _unknown(_key: str) -> bool:
    """Commands leave no operation in the database; what has become of them shows in the state."""
    return False
