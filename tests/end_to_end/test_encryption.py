"""Encrypted payloads, on a real server: what is hidden, what isn't, and a rotation while runs are open."""

import asyncio
import base64
import json
import re
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType
from temporalio.client import (
    Client,
    Interceptor,
    OutboundInterceptor,
    Schedule,
    ScheduleActionExecutionStartWorkflow,
    ScheduleActionStartWorkflow,
    ScheduleSpec,
    ScheduleUpdate,
    StartWorkflowUpdateWithStartInput,
)
from temporalio.common import HeaderCodecBehavior
from temporalio.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
    ExecuteWorkflowInput,
    HandleUpdateInput,
    Replayer,
    StartLocalActivityInput,
    UnsandboxedWorkflowRunner,
    Worker,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)
from temporalio.worker import Interceptor as WorkerInterceptor

from database.sessions import Database
from devstack.stack import StackInfo
from starter.codec_server import CodecServer, SignIn
from stockkeeper import Line, Stockkeeper, StockkeeperError
from stockkeeper.client.connection import Connection, connect_temporal
from stockkeeper.client.encryption import EncryptionCodec, parse_keys
from stockkeeper.contracts.converter import encrypted_by
from stockkeeper.contracts.encryption import ENCODING, KEY_ID
from tests.support.books import level
from tests.support.encrypted import SOON, Child, Everything, answers, events_of, fails, payloads_of
from tests.support.reservation import Orders
from tests.support.shop import Shop, new_reference
from tests.support.wire import answer, eventually
from worker import WORKFLOW_RUNNER, WORKFLOWS, Settings, working

OLD, NEW = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))
BEFORE, ROTATED, AFTER = f"old:{OLD}", f"new:{NEW} old:{OLD}", f"new:{NEW}"
PERSON = "Ada Lovelace"
ADVICE = "add it to STOCKKEEPER_ENCRYPTION_KEYS_FILE of this process, and start it again; nothing is lost until then"
_WORDS = re.compile(rb"(?:hidden|clear)-[a-z-]+")

Connect = Callable[[str], AbstractAsyncContextManager[Client]]


@pytest.fixture
async def connected(stack: StackInfo, our_client: Client, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Connects as a process with these keys does."""
    del our_client  # The search attributes are there.

    async def connect(keys: str) -> Client:
        monkeypatch.setenv("STOCKKEEPER_ENCRYPTION_KEYS", keys)
        return await connect_temporal(stack.temporal_address, stack.namespace)

    return connect


@asynccontextmanager
async def _works(client: Client, database: Database, settings: Settings, queue: str) -> AsyncIterator[str]:
    async with working(client, database, settings.model_copy(update={"task_queue": queue})):
        yield queue


@pytest.fixture
def works(database: Database, settings: Settings) -> Callable[[Client], AbstractAsyncContextManager[str]]:
    """A worker on a task queue of this test's own, whose name it gives."""
    return partial(_works, database=database, settings=settings, queue=new_reference("queue"))


def _words(*messages: Any) -> set[str]:
    return {word.decode() for each in messages for word in _WORDS.findall(each.SerializeToString())}


async def _decrypted(client: Client, payloads: Sequence[Payload]) -> list[Payload]:
    codec = client.data_converter.payload_codec
    assert codec is not None
    return await codec.decode(payloads)


async def test_of_a_run_these_names_stay_in_the_clear_and_every_word_is_hidden(connected: Callable[[str], Any]) -> None:
    client, queue, workflow_id = await connected(AFTER), new_reference("clear-queue"), new_reference("clear-id")
    kinds: Any = {"workflows": [Everything, Child], "activities": [answers, fails]}
    async with Worker(client, task_queue=queue, workflow_runner=UnsandboxedWorkflowRunner(), **kinds):
        first = await client.start_workflow(
            "clear-workflow-type",
            "hidden-start",
            id=workflow_id,
            task_queue=queue,
            memo={"clear-memo-key": "hidden-memo"},
            static_summary="hidden-static-summary",
            static_details="hidden-static-details",
        )
        run = client.get_workflow_handle(workflow_id)
        await eventually(run.describe, lambda described: described.run_id != first.first_execution_run_id)
        assert await answer(run.query("clear-query-name", "hidden-query")) == "hidden-query, hidden-query-answer"
        await run.signal("clear-signal-name", "hidden-signal")
        told = run.execute_update("clear-update-name", "hidden-update", id="clear-update-id")
        assert await answer(told) == "hidden-update-answer"
        failure = "clear-error-type: hidden-message of"
        assert await answer(run.result()) == [
            "hidden-start local, hidden-answer",
            f"hidden-activity-argument, hidden-answer, {failure} locally, {failure} queue",
            "hidden-child-argument, hidden-child-answer",
            "hidden-signal",
            "hidden-update",
            "hidden-result",
        ]
        described = await run.describe()
        assert await described.memo() == {"clear-memo-key": "hidden-memo"}
    events = await events_of(client, workflow_id, runs=2)
    events += await events_of(client, f"{workflow_id}-child", runs=1)
    kept = [*events, described.raw_description]
    assert {re.sub(r"^(clear-(?:queue|id))-.*", r"\1", word) for word in _words(*kept)} == {
        "clear-activity-id",
        "clear-activity-type",
        "clear-child-type",
        "clear-error-type",
        "clear-failing-type",
        "clear-id",
        "clear-memo-key",
        "clear-queue",
        "clear-search-attribute",
        "clear-signal-name",
        "clear-update-id",
        "clear-update-name",
        "clear-workflow-type",
    }
    payloads = [each for message in kept for each in payloads_of(message)]
    assert _words(*await _decrypted(client, payloads)) == {
        "hidden-activity-argument",
        "hidden-activity-summary",
        "hidden-answer",
        "hidden-child-answer",
        "hidden-child-argument",
        "hidden-child-summary",
        "hidden-continued",
        "hidden-detail",
        "hidden-memo",
        "hidden-message",
        "hidden-result",
        "hidden-signal",
        "hidden-start",
        "hidden-static-details",
        "hidden-static-summary",
        "hidden-timer-summary",
        "hidden-update",
        "hidden-update-answer",
        "hidden-upserted-memo",
        # What the core of the SDK notes of a local activity, its name and times, never comes by the codec.
        "clear-activity-type",
        "clear-failing-type",
        # An error's stack ends with its type.
        "clear-error-type",
    }
    encodings = {(each.metadata["encoding"], each.metadata.get(KEY_ID)) for each in payloads}
    assert encodings == {(ENCODING, b"new"), (b"json/plain", None)}


async def test_the_temporal_command_shows_what_is_encrypted_by_the_codec_server(
    stack: StackInfo, connected: Callable[[str], Any]
) -> None:
    client, workflow_id, token = await connected(AFTER), new_reference("shown"), "a token of more than 20 letters"
    await client.start_workflow(
        "clear-workflow-type", "hidden-start", id=workflow_id, task_queue=new_reference("queue")
    )
    server = CodecServer(("127.0.0.1", 0), EncryptionCodec(parse_keys(AFTER)), SignIn(token, "http://localhost:8233"))
    serving = asyncio.create_task(asyncio.to_thread(server.serve_forever, 0.01))
    try:
        shown = {}
        for authorization in ("", f"Bearer {token}"):
            process = await asyncio.create_subprocess_exec(
                *(str(Path(sys.executable).with_name("temporal")), "workflow", "show", "--workflow-id", workflow_id),
                *("--output", "json", "--address", stack.temporal_address, "--namespace", stack.namespace),
                *("--codec-endpoint", f"http://127.0.0.1:{server.server_port}", "--codec-auth", authorization),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            shown[authorization] = (await answer(process.communicate()))[0]
    finally:
        await asyncio.to_thread(server.shutdown)
        await serving
        server.server_close()
        await client.get_workflow_handle(workflow_id).terminate()
    assert base64.b64encode(b'"hidden-start"') not in shown[""]
    started = json.loads(shown[f"Bearer {token}"])["events"][0]["workflowExecutionStartedEventAttributes"]
    assert [base64.b64decode(each["data"]) for each in started["input"]["payloads"]] == [b'"hidden-start"']


async def test_schedules_and_standalone_activities_are_hidden_too(connected: Callable[[str], Any]) -> None:
    client, queue = await connected(AFTER), new_reference("queue")
    action = ScheduleActionStartWorkflow(
        "clear-child-type",
        "hidden-scheduled",
        id=new_reference("scheduled"),
        task_queue=queue,
        memo={"clear-memo-key": "hidden-memo"},
    )
    kinds: Any = {"workflows": [Child], "activities": [answers]}
    async with Worker(client, task_queue=queue, workflow_runner=UnsandboxedWorkflowRunner(), **kinds):
        schedule = await client.create_schedule(new_reference("schedule"), Schedule(action, ScheduleSpec()))
        # As whoever changes a schedule does, who gets its payloads as they are kept.
        await schedule.update(lambda found: ScheduleUpdate(found.description.schedule))
        await schedule.trigger()
        ran = await eventually(schedule.describe, lambda described: bool(described.info.recent_actions))
        [result] = ran.info.recent_actions
        assert isinstance(result.action, ScheduleActionExecutionStartWorkflow)
        run = client.get_workflow_handle(result.action.workflow_id)
        assert await answer(run.result()) == "hidden-scheduled, hidden-child-answer"
        asked = await client.start_activity(
            answers,
            "hidden-alone",
            id=new_reference("alone"),
            task_queue=queue,
            start_to_close_timeout=SOON,
        )
        assert await answer(asked.result()) == "hidden-alone, hidden-answer"
        described = await asked.describe()
    assert _words(ran.raw_description, described.raw_info) == {
        "clear-child-type",
        "clear-memo-key",
        "clear-activity-type",
    }
    await schedule.delete()


class _Naive(EncryptionCodec):
    """The codec without its protection against being called twice for one payload."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [self._encrypted(each, "new") for each in payloads]


class _Who(Interceptor, WorkerInterceptor):
    """Sends a header along, one payload for all requests of a call, and writes down what arrives of it."""

    def __init__(self, client: Client) -> None:
        self.payload = client.data_converter.payload_converter.to_payload("hidden-header")
        self.seen: list[tuple[str, bool]] = []

    def see(self, where: str, headers: Mapping[str, Payload]) -> None:
        self.seen.append((where, headers["clear-header"] == self.payload))

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002 - the SDK's name
        who = self

        class Outbound(OutboundInterceptor):
            async def start_update_with_start_workflow(self, input: StartWorkflowUpdateWithStartInput) -> Any:  # noqa: A002
                for each in (input.start_workflow_input, input.update_workflow_input):
                    each.headers = {**each.headers, "clear-header": who.payload}
                return await super().start_update_with_start_workflow(input)

        return Outbound(next)

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:  # noqa: A002
        who = self

        class Outbound(WorkflowOutboundInterceptor):
            def start_local_activity(self, input: StartLocalActivityInput) -> Any:  # noqa: A002
                input.headers = {**input.headers, "clear-header": who.payload}
                return super().start_local_activity(input)

        class Inbound(WorkflowInboundInterceptor):
            def init(self, outbound: WorkflowOutboundInterceptor) -> None:
                super().init(Outbound(outbound))

            async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:  # noqa: A002
                who.see("start", input.headers)
                return await super().execute_workflow(input)

            async def handle_update_handler(self, input: HandleUpdateInput) -> Any:  # noqa: A002
                who.see("update", input.headers)
                return await super().handle_update_handler(input)

        return Inbound

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002
        who = self

        class Inbound(ActivityInboundInterceptor):
            async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002
                who.see("step", input.headers)
                return await super().execute_activity(input)

        return Inbound(next)


@pytest.mark.parametrize("codec", [EncryptionCodec, _Naive], ids=["our codec", "any codec"])
async def test_a_header_that_start_and_update_share_is_encrypted_once_and_read_once(
    connected: Callable[[str], Any],
    works: Callable[[Client], AbstractAsyncContextManager[str]],
    shop: Shop,
    codec: type[EncryptionCodec],
) -> None:
    """temporalio/sdk-python 1769: it was encrypted twice, and nobody could read it."""
    ours = await connected(AFTER)
    who = _Who(ours)
    client = Client(**ours.config() | {"data_converter": encrypted_by(codec(parse_keys(AFTER))), "interceptors": [who]})
    item, reference = shop.item(10), new_reference()
    async with works(client) as queue:
        stock = Stockkeeper(Connection(client, queue))
        await stock.reserve(reference, [Line(item.product_id, item.warehouse_id, quantity=3)], performed_by=PERSON)
    assert sorted(who.seen) == [("start", True), ("step", True), ("update", True)]
    assert who.payload.data == b'"hidden-header"'
    [started, *_, accepted] = await Orders(client, queue).history(
        reference,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED,
    )
    headers = [
        started.workflow_execution_started_event_attributes.header,
        accepted.workflow_execution_update_accepted_event_attributes.accepted_request.input.header,
    ]
    kept = [header.fields["clear-header"] for header in headers]
    assert await _decrypted(client, kept) == [who.payload] * 2


def _keys_in(events: Sequence[Any]) -> list[str]:
    """The keys that a history's payloads are encrypted with, in the order in which they came first."""
    payloads = [each for event in events for each in payloads_of(event)]
    return list(dict.fromkeys(each.metadata[KEY_ID].decode() for each in payloads if KEY_ID in each.metadata))


async def test_keys_are_rotated_while_runs_are_open_and_a_run_waits_for_a_key_that_is_missing(
    connected: Callable[[str], Any],
    works: Callable[[Client], AbstractAsyncContextManager[str]],
    shop: Shop,
    engine: Engine,
) -> None:
    item, reference = shop.item(10), new_reference()
    plain, before, rotated, after = [await connected(keys) for keys in ("", BEFORE, ROTATED, AFTER)]

    # It begins in the clear, and encryption is switched on in the middle of its life.
    async with works(plain) as queue:
        # A task that the worker without the key has taken with it comes again when its time is over.
        order = Orders(plain, queue, task_timeout=timedelta(seconds=1))
        await order.reserve(reference, (item, 3), performed_by=PERSON)
    orders = Orders(before, queue)
    run = orders.handle(reference)
    async with works(before):
        hold = await Stockkeeper(Connection(before, queue)).hold(reference)
        await hold.extend(performed_by=PERSON, ttl_minutes=60)
        with pytest.raises(StockkeeperError) as caught:
            await Stockkeeper(Connection(plain, queue)).hold(reference)
        assert str(caught.value).endswith(f"with key 'old', and there are no keys here: {ADVICE}")

    # A worker without the old key can't go on with it: its tasks fail, and say why to whoever has no key at all.
    async with works(after):
        await before.get_workflow_handle(run.id).signal("fulfill", {"performed_by": PERSON, "lines": None})
        failed = EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
        [why, *_] = await eventually(lambda: orders.history(reference, failed), bool)
    assert why.workflow_task_failed_event_attributes.failure.message == (
        f"a payload is encrypted with key 'old', and the keys here are new: {ADVICE}"
    )
    assert level(engine, item) == (10, 3)

    # With both keys it goes on from there, and nothing was lost.
    async with works(rotated):
        result = await answer(rotated.get_workflow_handle(run.id).result())
    assert (result["status"], level(engine, item)) == ("FULFILLED", (7, 0))
    history = await run.fetch_history()
    assert _keys_in(history.events) == ["old", "new"]
    told = b"".join(event.SerializeToString() for event in history.events)
    assert told.count(PERSON.encode()) == 1
    for client, fails_with in ((rotated, None), (after, "with key 'old'")):
        replayer = Replayer(
            workflows=WORKFLOWS,
            data_converter=client.data_converter,
            header_codec_behavior=HeaderCodecBehavior.CODEC,
            workflow_runner=WORKFLOW_RUNNER,
        )
        replayed = await replayer.replay_workflow(history, raise_on_replay_failure=False)
        assert (fails_with or "") in str(replayed.replay_failure)
        assert (replayed.replay_failure is None) == (fails_with is None)
