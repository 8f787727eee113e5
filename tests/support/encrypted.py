"""Workflows and activities that show what becomes of each thing that Temporal keeps, where payloads are encrypted.

What starts with ``hidden-`` is said in a place that the codec reaches, and ``clear-`` in one that it doesn't.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from google.protobuf.message import Message
from temporalio import activity, workflow
from temporalio.api.common.v1 import Payload
from temporalio.client import Client, WorkflowHandle
from temporalio.common import RetryPolicy, SearchAttributeKey
from temporalio.exceptions import ActivityError, ApplicationError

ONCE = RetryPolicy(maximum_attempts=1)
REFERENCE = SearchAttributeKey.for_keyword("StockReference")
SOON = timedelta(seconds=20)


@activity.defn(name="clear-activity-type")
async def answers(word: str) -> str:
    """Answer with the same word and another one."""
    return f"{word}, hidden-answer"


@activity.defn(name="clear-failing-type")
async def fails(word: str) -> None:
    """Fail with words and details."""
    if not activity.info().is_local:
        activity.heartbeat("hidden-heartbeat")
    raise ApplicationError(f"hidden-message of {word}", "hidden-detail", type="clear-error-type")


@workflow.defn(name="clear-child-type")
class Child:
    """Answers with what it was given."""

    @workflow.run
    async def run(self, word: str) -> str:
        """Answer."""
        return f"{word}, hidden-child-answer"


@workflow.defn(name="clear-workflow-type")
class Everything:
    """Says something wherever a workflow can, in its first run, and is answered to in its second."""

    def __init__(self) -> None:
        """Begin with nothing heard."""
        self.heard: list[str] = []

    @workflow.run
    async def run(self, word: str, *before: str) -> list[str]:
        """Do all that a run can do, go on in another run, and end there once it has heard a signal and an update."""
        if before:
            await workflow.wait_condition(lambda: len(self.heard) == 2 and workflow.all_handlers_finished())
            return [*before, *self.heard, "hidden-result"]
        workflow.upsert_memo({"clear-memo-key": "hidden-upserted-memo"})
        workflow.upsert_search_attributes([REFERENCE.value_set("clear-search-attribute")])
        workflow.set_current_details("hidden-current-details")
        local = await workflow.execute_local_activity(answers, f"{word} local", start_to_close_timeout=SOON)
        queued = await workflow.execute_activity(
            answers,
            "hidden-activity-argument",
            activity_id="clear-activity-id",
            start_to_close_timeout=SOON,
            summary="hidden-activity-summary",
        )
        for fail in (self._fail_locally, self._fail):
            try:
                await fail()
            except (ActivityError, ApplicationError) as error:
                queued += f", {error.cause or error}"
        child = await workflow.execute_child_workflow(
            Child.run,
            "hidden-child-argument",
            id=f"{workflow.info().workflow_id}-child",
            static_summary="hidden-child-summary",
        )
        await workflow.sleep(0.001, summary="hidden-timer-summary")
        return workflow.continue_as_new(args=["hidden-continued", local, queued, child])

    async def _fail(self) -> None:
        await workflow.execute_activity(fails, "queue", start_to_close_timeout=SOON, retry_policy=ONCE)

    async def _fail_locally(self) -> None:
        await workflow.execute_local_activity(fails, "locally", start_to_close_timeout=SOON, retry_policy=ONCE)

    @workflow.signal(name="clear-signal-name")
    async def hear(self, word: str) -> None:
        """Hear a word."""
        self.heard.append(word)

    @workflow.update(name="clear-update-name")
    async def tell(self, word: str) -> str:
        """Hear a word, and answer."""
        self.heard.append(word)
        return "hidden-update-answer"

    @workflow.query(name="clear-query-name")
    def ask(self, word: str) -> str:
        """Answer with the word."""
        return f"{word}, hidden-query-answer"


def payloads_of(message: Message) -> Iterable[Payload]:
    """All payloads within a message, but those of search attributes."""
    if isinstance(message, Payload):
        yield message
        return
    for field, value in message.ListFields():
        if field.name in ("search_attributes", "indexed_fields") or field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            values: Iterable[Any] = value.values()
        else:
            values = value if field.is_repeated else [value]
        for each in values:
            if isinstance(each, Message):
                yield from payloads_of(each)


async def events_of(client: Client, workflow_id: str, *, runs: int) -> list[Message]:
    """The events of a workflow's runs, from the latest back."""
    run_id, events = None, list[Message]()
    for _ in range(runs):
        handle: WorkflowHandle[Any, Any] = client.get_workflow_handle(workflow_id, run_id=run_id)
        history = [event async for event in handle.fetch_history_events()]
        run_id = history[0].workflow_execution_started_event_attributes.continued_execution_run_id
        events += history
    return events
