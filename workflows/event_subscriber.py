"""A subscriber: events are pushed to it in their order, and tried again until it takes them (ADR 0094)."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import SearchAttributeUpdate
from temporalio.exceptions import FailureError
from temporalio.workflow import ActivityCancellationType

from stockkeeper.contracts import policies, search_attributes
from stockkeeper.contracts.converter import as_domain_error
from stockkeeper.contracts.event_subscriber import (
    CHANGE,
    PAUSE,
    PROCESS,
    REPLAY,
    RESUME,
    ROTATE_SECRET,
    UNSUBSCRIBE,
    WORKFLOW_TYPE,
    ChangeSubscriber,
    Delivered,
    DeliverEvents,
    EventSubscriberActivities,
    EventSubscriberState,
    PauseSubscriber,
    ReplayEvents,
    ResumeSubscriber,
    RotateSecret,
    SubscribeToEvents,
    Subscription,
    Unsubscribe,
)
from stockkeeper.contracts.messages import parse, utc
from stockkeeper.contracts.webhook import shown as shown_url
from stockkeeper.domain.errors import DomainError
from stockkeeper.domain.event_subscriber import SUBSCRIBER, SubscriberEvent, SubscriberStatus, wait_after
from workflows import event_subscriber_texts as texts
from workflows.commands import command, signal_of
from workflows.notices import Notices
from workflows.process import Carried, Process
from workflows.steps import through_the_queue


class _Carried(Carried):
    state: EventSubscriberState
    url: str
    ahead: list[int]


@workflow.defn(name=WORKFLOW_TYPE, failure_exception_types=[DomainError])
class EventSubscriberWorkflow(Process[EventSubscriberState]):
    """Sends events to a URL until it is unsubscribed.

    Answers: update ``subscribed`` (use it with update-with-start). Commands: ``pause``, ``resume``, ``replay``,
    ``change``, ``rotate_secret``, ``unsubscribe``. Ends ENDED; a start that is wrong fails the run.
    """

    @workflow.init
    def __init__(self, *payload: Any) -> None:
        super().__init__(EventSubscriberState(), payload)
        self._url = ""
        self._ahead: list[int] = []
        self._commands = 0
        """How many commands have changed what is delivered, so that a delivery under way is interrupted."""
        self._replays = 0
        self._began = False
        self._notices = Notices(self)
        if (carried := self.left_by_the_run_before(_Carried)) is not None:
            self.state = carried.state
            self._url = carried.url
            self._ahead = carried.ahead
            self._began = True

    @workflow.run
    async def run(self, *_payload: Any) -> EventSubscriberState:
        """Deliver, wait where it fails or is paused, and end once it is unsubscribed."""
        if self.last_word is not None:
            return await self.say_the_last_word(self.last_word)
        await self.run_to_the_end(self._life(), give_up=self.give_up)
        if not self._is_over:
            carried = _Carried(state=self.state, signals=self.signals, url=self._url, ahead=self._ahead)
            self.continue_in_another_run(carried)
        return await self.ended()

    @workflow.update(name="subscribed", description="Waits until it is known whether events can be sent there.")
    async def subscribed(self, *_payload: Any) -> EventSubscriberState:
        """The answer to the start."""
        await self.vouch_for_look("subscribed", self.take_brought())
        self.keep_no_answer()
        await self.answer_to_start()
        return self.state

    @subscribed.validator
    def validate_subscribed(self, *_payload: Any) -> None:
        """Refuse what isn't to be kept."""
        self.refuse_unkept(SubscribeToEvents)

    @command(PAUSE)
    async def pause(self, message: PauseSubscriber, key: str) -> None:
        """Send nothing until it is resumed; what is under way ends. `{performed_by, reason}`."""
        del key
        self._pause(f"paused by {message.performed_by}: {message.reason}")

    @command(RESUME)
    async def resume(self, message: ResumeSubscriber, key: str) -> None:
        """Go on after the last event that was taken, at once. `{performed_by}`."""
        del key
        self._go(SubscriberEvent.RESUME)
        self.state.paused_because = None
        self._failed_no_more()
        self._changed(f"resumed by {message.performed_by}")

    @command(REPLAY)
    async def replay(self, message: ReplayEvents, key: str) -> None:
        """Send events again from a number on. `{performed_by, from_number}`."""
        del key
        self._require(SubscriberEvent.REPLAY)
        after = message.from_number - 1
        await self._check(Subscription(url=self._url, after=after), f"are events from {message.from_number} on kept?")
        self._require(SubscriberEvent.REPLAY)
        self._replays += 1
        self.state.cursor, self._ahead = after, []
        self._changed(f"events from {message.from_number} on are sent again, asked for by {message.performed_by}")

    @command(CHANGE)
    async def change(self, message: ChangeSubscriber, key: str) -> None:
        """Send events elsewhere, or others. `{performed_by, url, types, product_ids}`."""
        del key
        self._require(SubscriberEvent.CHANGE)
        if message.url is not None:
            await self._check(Subscription(url=message.url), "may events be sent there?")
            self._require(SubscriberEvent.CHANGE)
            self._url, self.state.url = message.url, shown_url(message.url)
        if message.types is not None:
            self.state.types = message.types
        if message.product_ids is not None:
            self.state.product_ids = message.product_ids
        self._changed(f"changed by {message.performed_by}")

    @command(ROTATE_SECRET)
    async def rotate_secret(self, message: RotateSecret, key: str) -> None:
        """Sign by another secret, and for some hours by the former one as well. `{performed_by, overlap_hours}`."""
        del key
        self._require(SubscriberEvent.ROTATE_SECRET)
        self.state.generation += 1
        until = workflow.now() + timedelta(hours=message.overlap_hours)
        self.state.signed_twice_until = until if message.overlap_hours else None
        self._changed(f"secret no. {self.state.generation} signs, asked for by {message.performed_by}")

    @command(UNSUBSCRIBE)
    async def unsubscribe(self, message: Unsubscribe, key: str) -> None:
        """Send nothing any more; what is under way ends. `{performed_by, reason}`."""
        del key
        self._end(f"unsubscribed by {message.performed_by}: {message.reason}")

    async def give_up(self) -> None:
        """End it, when an operator cancels the workflow."""
        async with self.command_lock:
            if not self._is_over:
                self._end("the workflow was cancelled")

    async def _life(self) -> None:
        try:
            await self._begin()
        except DomainError as failure:
            await self.failed(failure)
        self.start_answered()
        while not self._is_over and not self.history_is_long:
            await self._go_on()
        await workflow.wait_condition(self.drained)

    async def _begin(self) -> None:
        """Check the start, and find out where to begin.

        Raises:
            DomainError: The start is wrong, or events can't be sent there.
        """
        if self._began:
            self.publish()
            return
        await self.vouch_for_start()
        request = parse(SubscribeToEvents, self.payload)
        state = self.state
        state.name, state.url = request.name, shown_url(request.url)
        state.types, state.product_ids = request.types, request.product_ids
        state.generation, state.performed_by = request.generation, request.performed_by
        self.require_workflow_id(PROCESS.id_of(request.name), of=PROCESS.name)
        self._url = request.url
        checked = Subscription(url=request.url, after=request.after)
        state.cursor = await self._check(checked, "can events be sent there, and from which number on?")
        state.since = workflow.now()
        self._began = True
        self.publish()

    async def _go_on(self) -> None:
        """Wait while it is paused, or until the next attempt; otherwise deliver."""
        before = self._commands
        if self.state.status is SubscriberStatus.PAUSED:
            await workflow.wait_condition(lambda: self._commands != before or self.history_is_long)
            return
        if (at := self.state.next_attempt_at) is not None:
            due = await self.wait_until(
                at, unless=lambda: self._commands != before, summary=f"next attempt at {at:%Y-%m-%d %H:%M:%S} UTC"
            )
            if due:
                self.state.next_attempt_at = None
            return
        await self._deliver()

    async def _deliver(self) -> None:
        commands, replays, state = self._commands, self._replays, self.state
        if state.signed_twice_until is not None and state.signed_twice_until <= workflow.now():
            state.signed_twice_until = None
            self.publish()
        wanted = DeliverEvents(
            name=state.name,
            url=self._url,
            types=state.types,
            product_ids=state.product_ids,
            cursor=state.cursor,
            ahead=self._ahead,
            generation=state.generation,
            former_generation=state.generation - 1 if state.signed_twice_until is not None else None,
        )
        with self.waits.step(EventSubscriberActivities.deliver_events):
            under_way = workflow.start_activity_method(
                EventSubscriberActivities.deliver_events,
                wanted,
                summary=f"send events after number {state.cursor}",
                # What is under way ends first: two deliveries at once would mix up the order.
                cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
                **self._policy(policies.DELIVERY),
            )
            await workflow.wait_condition(
                lambda: under_way.done() or self._commands != commands or self.history_is_long
            )
            if not under_way.done():
                under_way.cancel()
            try:
                delivered = await under_way
            except FailureError as error:
                if self._commands != commands or self.history_is_long:
                    return
                if (refusal := as_domain_error(error)) is None:
                    raise
                self._give_up_on(refusal.message)
                return
        state.delivered += delivered.taken
        if self._replays == replays:
            self._ahead = delivered.ahead
            if delivered.cursor > state.cursor:
                self._failed_no_more()
                state.cursor = delivered.cursor
        if self._commands == commands:
            self._judge(delivered)
        self.publish()

    def _judge(self, delivered: Delivered) -> None:
        """Go by what has become of a delivery that no command has interrupted."""
        state = self.state
        if delivered.error is None:
            if state.status is SubscriberStatus.FAILING:
                self._go(SubscriberEvent.RECOVER)
            self._failed_no_more()
            return
        state.failures += 1
        state.last_error = delivered.error
        state.failing_since = state.failing_since or workflow.now()
        if delivered.is_gone:
            self._give_up_on("its receiver says that it is gone (410)")
        elif workflow.now() - state.failing_since >= delivered.give_up_after:
            self._give_up_on(f"it failed since {utc(state.failing_since)}, at last because: {delivered.error}")
        else:
            self._go(SubscriberEvent.FAIL)
            state.next_attempt_at = workflow.now() + wait_after(state.failures)

    def _give_up_on(self, why: str) -> None:
        self._pause(why)
        self._notices.send(texts.paused(self.state))

    def _pause(self, why: str) -> None:
        self._go(SubscriberEvent.PAUSE)
        self.state.paused_because, self.state.next_attempt_at = why, None
        self._changed(why)

    def _end(self, why: str) -> None:
        self._go(SubscriberEvent.UNSUBSCRIBE)
        self.state.next_attempt_at = None
        self._changed(why)

    def _failed_no_more(self) -> None:
        self.state.failures, self.state.failing_since, self.state.next_attempt_at = 0, None, None

    def _changed(self, note: str) -> None:
        """A command has changed what is delivered: tell, and interrupt a delivery that goes by what was before."""
        self._commands += 1
        self.state.next_attempt_at = None
        self.note(note)

    def _go(self, event: SubscriberEvent) -> None:
        after = SUBSCRIBER.next(self.state.status, event, of=self.state.name)
        if after is not self.state.status:
            self.state.status, self.state.since = after, workflow.now()

    def _require(self, event: SubscriberEvent) -> None:
        SUBSCRIBER.next(self.state.status, event, of=self.state.name)

    async def _check(self, wanted: Subscription, summary: str) -> int:
        """The number after which events begin.

        Raises:
            DomainError: Events can't be sent there, or aren't kept any more from that number on.
        """
        check = EventSubscriberActivities.check_subscription
        return (await through_the_queue(check, wanted, summary, self._policy(policies.LOCKED_WRITE))).cursor

    def _policy(self, policy: Mapping[str, Any]) -> Mapping[str, Any]:
        return {**policy, "task_queue": policies.events_queue(workflow.info().task_queue)}

    @property
    def _is_over(self) -> bool:
        return SUBSCRIBER.is_final(self.state.status)

    def read_summary(self) -> str:
        """The summary of the start."""
        return parse(SubscribeToEvents, self.payload[:1]).summary

    def found_by(self) -> Sequence[SearchAttributeUpdate[Any]]:
        """The subscriber's name, if the start could be read."""
        name = search_attributes.keyword(self.state.name)
        return [search_attributes.REFERENCE.value_set(name)] if name else []

    def publish(self) -> None:
        """Bring details and search attributes up to date."""
        status = search_attributes.STATUS.value_set(str(self.state.status))
        self.show(texts.shown(self.state), [status, *self.found_by()])

    # The signals of the commands.
    pause_signal = signal_of(pause)
    resume_signal = signal_of(resume)
    replay_signal = signal_of(replay)
    change_signal = signal_of(change)
    rotate_secret_signal = signal_of(rotate_secret)
    unsubscribe_signal = signal_of(unsubscribe)
