"""One worker: settings to engine to activities to Worker. Run as many as you like: `python worker.py`."""

import asyncio
import inspect
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import timedelta
from importlib import import_module
from typing import Any, TypeAlias, TypedDict, cast

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError
from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.runtime import Runtime
from temporalio.service import RPCError
from temporalio.worker import Interceptor, Worker, WorkerDeploymentConfig

from activities.adjustment import AdjustmentSteps
from activities.attempts import AttemptsToldToRuns, log_attempts_in_one_line
from activities.audit_findings import AuditFindings
from activities.barcode import BarcodeQuestions
from activities.buffer import ItemBuffers
from activities.count_questions import CountQuestions
from activities.cycle_count import CycleCountSteps
from activities.cycle_count_plan import CycleCountPlanSteps
from activities.differences import WithGoods, WithLimit
from activities.documents import DocumentQuestions
from activities.edge import at_the_edge
from activities.ending_whole import ending_whole
from activities.event import EventQuestions
from activities.event_numbering import EventNumbering
from activities.event_subscriber import EventSubscriberSteps
from activities.events_worker import events_worker
from activities.following import Following, following_of
from activities.garbage import keep_what_is_loaded
from activities.gauges import Gauges
from activities.health import Health, database_look, search_attributes_look, temporal_look, work_look
from activities.health_server import answering, host_and_port
from activities.homes import Homes
from activities.identity import IdentityChecks, QuestionsVouchedFor, verifier_of
from activities.import_preview import ImportPreviews
from activities.inspection import InspectionSteps
from activities.item_reasons import ItemReasons
from activities.ledger import LedgerQuestions
from activities.lot_expiry import LotExpirySteps
from activities.lot_questions import LotQuestions
from activities.lot_trace import LotTraces
from activities.measured import MeasuredAttempts, PendingNotices
from activities.metrics import Metrics
from activities.metrics_server import serve_metrics
from activities.niceness import give_way
from activities.notice import NoticeSteps
from activities.operations import OperationQuestions
from activities.order_promising import OrderPromises
from activities.pacing import Paced
from activities.plan_questions import PlanQuestions
from activities.product import ProductNaming
from activities.purchase_order import PurchaseOrderSteps
from activities.recall import RecallSteps
from activities.reorder import ReorderSteps
from activities.replenishment_plan import ReplenishmentPlanSteps
from activities.runs import Runs
from activities.settings import Serves, WorkerSettings
from activities.standing import Watch
from activities.stock import StockQuestions
from activities.supply import SupplyQuestions
from activities.transfer_mirror import TransferMirror
from activities.waiting import WaitingQuestions
from activities.waking import Waking
from activities.webhook_secret import WebhookSecrets
from database.migrate import newest_revision, require_schema
from database.sessions import TRANSACTION_SECONDS, Database, connect
from starter.ending import run_to_the_end
from starter.logs import log_as
from starter.namespace import missing_search_attributes
from starter.secret_files import read_secret_files
from stockkeeper.client import tracing
from stockkeeper.client.connection import connect_by, settings_of_connection, status_within
from stockkeeper.client.inventory_service import InventoryHandlers
from stockkeeper.client.renewal import Renewal, renewable, taking_tasks
from stockkeeper.contracts import (
    adjustment,
    cycle_count,
    cycle_count_plan,
    inspection,
    lot_expiry,
    purchase_order,
    recall,
    reorder,
    replenishment_plan,
)
from stockkeeper.contracts.policies import bulk_queue
from stockkeeper.contracts.process import ProcessSpec
from stockkeeper.contracts.processes import PROCESSES
from stockkeeper.contracts.settings import LogFormat, queues_of, require_known
from stockkeeper.domain.errors import StockkeeperError
from workflows import patches
from workflows.brought_identity import BringsIdentity
from workflows.event_subscriber import EventSubscriberWorkflow
from workflows.failed_before import TellsOfFailuresBefore
from workflows.order_in_parts import OrderInPartsWorkflow
from workflows.question import QuestionWorkflow
from workflows.runner import RecordableRunner


def workflow_of(process: ProcessSpec) -> type[Any]:
    """The workflow class of a process, from ``workflows.{kind}``."""
    members = vars(import_module(f"workflows.{process.kind}")).values()
    [found] = [member for member in members if _workflow_name(member) == process.workflow_type]
    return cast("type[Any]", found)


def _workflow_name(member: object) -> str | None:
    name: str | None = getattr(getattr(member, "__temporal_workflow_definition", None), "name", None)
    return name


def steps_of(process: ProcessSpec) -> type[Any]:
    """The class in ``activities.{kind}`` that implements the activities of a process."""
    members = vars(import_module(f"activities.{process.kind}")).values()
    [found] = [each for each in members if isinstance(each, type) and process.activities in each.__bases__]
    return found


WORKFLOWS = [
    *(workflow_of(process) for process in PROCESSES),
    OrderInPartsWorkflow,
    EventSubscriberWorkflow,
    QuestionWorkflow,
]

# Without the sandbox, which would load each workflow's module again for every run and watch each activation: what it
# watches for, tests keep out of all that is replayed, and they replay every history in the sandbox as well (ADR 0026).
WORKFLOW_RUNNER = RecordableRunner()

REPLAYED_WITH: Sequence[Interceptor] = (BringsIdentity(required=False),)
"""What a replay needs of a worker's interceptors: with it, a run sees what its messages have brought along."""


CONNECTION_WITHIN_SECONDS = 3.0
"""How long a step waits for a connection, if all are taken: then it is tried again. With the five seconds that it may
wait for a row (`database.sessions`) that is less than a local attempt has (`policies.LOCAL_WRITE`)."""
GRACEFUL_SHUTDOWN = timedelta(seconds=10)
"""How long running activities may finish when the worker is told to stop: a transaction takes milliseconds. One that is
in the database then still has the rest of `database.sessions.TRANSACTION_SECONDS`."""


class Settings(WorkerSettings, BaseSettings):
    """A worker's settings, from its environment (`STOCKKEEPER_...`, and `DATABASE_URL`)."""

    # A rejected value may be a password.
    model_config = SettingsConfigDict(env_prefix="STOCKKEEPER_", populate_by_name=True, hide_input_in_errors=True)


def build_database(settings: Settings) -> Database:
    """The database that the activities use."""
    return Database(
        connect(
            settings.database_url.get_secret_value(),
            pool_size=settings.connections,
            within_seconds=CONNECTION_WITHIN_SECONDS,
            role=settings.database_role,
            application_name="stockkeeper-worker",
            transaction_seconds=TRANSACTION_SECONDS,
        ),
        measures=metrics_of(settings),
    )


def metrics_of(settings: Settings) -> Metrics | None:
    """The worker's own metrics, on the SDK's meter; None: nobody asks for any.

    Made again, they are the same ones.
    """
    return Metrics(Runtime.default().metric_meter) if settings.metrics_address else None


def activities_of(*implementations: object, following: Following | None = None) -> list[Callable[..., Any]]:
    """Every method that is an activity, for any payload, where its warehouse is."""
    return [
        at_the_edge(member, following)
        for implementation in implementations
        for _, member in inspect.getmembers(implementation, inspect.ismethod)
        if hasattr(member, "__temporal_activity_definition")
    ]


def build_steps(database: Database, settings: Settings) -> list[object]:
    """The implementations of all activities: a process takes the database, and the settings it needs."""
    with_settings: dict[str, object] = {
        purchase_order.PROCESS.kind: PurchaseOrderSteps(
            database,
            approval=settings.approval,
            over_delivery_percent=settings.over_delivery_percent,
            limits=settings.adjustment,
            short_dated_receipts=settings.short_dated_receipts,
        ),
        reorder.PROCESS.kind: ReorderSteps(
            database,
            approval=settings.approval,
            over_delivery_percent=settings.over_delivery_percent,
            task_queue=settings.task_queue,
            own_suffix=settings.own_suffix,
            limits=settings.adjustment,
        ),
        adjustment.PROCESS.kind: AdjustmentSteps(database, policy=settings.adjustment),
        inspection.PROCESS.kind: InspectionSteps(database, settings.adjustment),
        replenishment_plan.PROCESS.kind: ReplenishmentPlanSteps(
            database,
            order_cost=settings.order_cost,
            holding_cost_rate=settings.holding_cost_rate,
            bulk_factor=settings.bulk_factor,
            forecast=settings.forecast,
        ),
        cycle_count.PROCESS.kind: CycleCountSteps(database, settings.counting, settings.adjustment),
        cycle_count_plan.PROCESS.kind: CycleCountPlanSteps(database, settings.counting),
        lot_expiry.PROCESS.kind: LotExpirySteps(database, settings.expiry_notice_days),
        recall.PROCESS.kind: RecallSteps(database, others=settings.other_queues),
    }
    events = EventQuestions(database, settings.task_queue, one_of_several=bool(settings.databases))
    return [
        *(with_settings.get(process.kind) or _steps(process, database, settings) for process in PROCESSES),
        StockQuestions(database),
        DocumentQuestions(database),
        LedgerQuestions(database),
        ItemReasons(database),
        LotQuestions(database),
        LotTraces(database),
        ImportPreviews(database),
        ProductNaming(database),
        Homes(database),
        TransferMirror(database),
        ItemBuffers(database),
        CountQuestions(database),
        PlanQuestions(database),
        AuditFindings(database),
        OperationQuestions(database),
        WaitingQuestions(database),
        OrderPromises(database),
        SupplyQuestions(database),
        BarcodeQuestions(database),
        events,
        EventSubscriberSteps(events, settings.webhooks),
        WebhookSecrets(settings.webhook_key.get_secret_value(), settings.task_queue),
        NoticeSteps(database, settings.notice_ways, settings.console_url),
        _runs(settings),
        IdentityChecks(verifier_of(settings)),
    ]


def _runs(settings: Settings) -> Runs:
    """Runs as Temporal has them: of one database, or of this one of several."""
    return Runs(settings.task_queue, settings.other_queues) if settings.databases else Runs()


def _on_another(settings: Settings) -> tuple[Database, list[object]]:
    database = build_database(settings)
    return database, build_steps(database, settings)


def _steps(process: ProcessSpec, database: Database, settings: Settings) -> object:
    """The implementation of a process's activities that needs no settings, or those of differences and of goods."""
    steps = steps_of(process)
    if issubclass(steps, WithGoods):
        return steps(database, settings.adjustment, settings.goods)
    return steps(database, settings.adjustment) if issubclass(steps, WithLimit) else steps(database)


@asynccontextmanager
async def working(client: Client, database: Database, settings: Settings) -> AsyncIterator[None]:
    """Work, for as long as the block lasts: on the queues that the settings name, with one worker for each.

    Where orders are served, followers of events are, too, on a queue of their own.

    There is a thread for each activity that may run, local or regular: with fewer, an activity's timeout would run out
    while it waits in a queue inside the worker, which Temporal can't see.

    Raises:
        RuntimeError: A worker has failed, and with it the block was cancelled.
    """
    log_attempts_in_one_line()
    measuring, beside = _measured(client, database, settings)
    following = following_of(database, settings, _on_another)
    steps = build_steps(database, settings)
    [events] = [each for each in steps if isinstance(each, EventQuestions)]
    common = _Common(
        activities=activities_of(*_everywhere(steps), following=following),
        deployment_config=_deployment(settings.version),
        interceptors=[
            *_traced(database),
            *measuring,
            *_vouching(settings),
            AttemptsToldToRuns(client),
            TellsOfFailuresBefore(),
        ],
        # There is no storage for payloads outside Temporal. With more than one call to it at once, the SDK makes a task
        # of each payload all the same.
        max_workflow_task_external_storage_concurrency=1,
        graceful_shutdown_timeout=GRACEFUL_SHUTDOWN,
    )
    beside = [*beside, database.stalled.while_working, EventNumbering(database, settings.events_kept).while_working]
    if following is not None:
        beside.append(following.while_working)
    if settings.serves is not Serves.BULK:
        beside += [Waking(database, client).while_working, events.while_working]
    # Not as plugins of a worker: one that couldn't begin would keep the block from ever ending.
    async with AsyncExitStack() as begun:
        for each in beside:
            await begun.enter_async_context(each())
        if settings.serves is not Serves.ORDERS:
            await _begin(begun, _bulk_worker(client, settings, common))
        if settings.serves is not Serves.BULK:
            waiting = activities_of(
                *(each for each in steps if isinstance(each, EventQuestions | EventSubscriberSteps))
            )
            await _begin(begun, events_worker(client, settings.task_queue, waiting, common))
            await _begin(begun, _worker(client, settings, common))
        yield


def _everywhere(steps: Sequence[object]) -> list[object]:
    """Those of every queue: what sends events to subscribers waits for them, which it may on one queue only."""
    return [each for each in steps if not isinstance(each, EventSubscriberSteps)]


async def _begin(begun: AsyncExitStack, worker: Worker) -> None:
    await begun.enter_async_context(ending_whole(worker))
    await begun.enter_async_context(taking_tasks(worker))


def _worker(client: Client, settings: Settings, common: "_Common") -> Worker:
    """The worker of runs, and of the steps that a person or an order waits for."""
    return Worker(
        client,
        task_queue=settings.task_queue,
        workflows=WORKFLOWS,
        nexus_service_handlers=(
            [InventoryHandlers(settings.task_queue, queues_of(settings.databases))] if settings.nexus_endpoint else []
        ),
        activity_executor=ThreadPoolExecutor(settings.threads, thread_name_prefix="activity"),
        max_concurrent_activities=settings.concurrency,
        max_concurrent_local_activities=settings.local_slots,
        workflow_runner=WORKFLOW_RUNNER,
        patch_activation_callback=lambda asked: patches.begins(
            asked.patch_id, identity_required=settings.requires_identity
        ),
        **common,
    )


def _bulk_worker(client: Client, settings: Settings, common: "_Common") -> Worker:
    """The worker of bulk work."""
    paced: _Common = {**common, "interceptors": [*common["interceptors"], Paced(settings.bulk_share)]}
    return Worker(
        client,
        task_queue=bulk_queue(settings.task_queue),
        activity_executor=ThreadPoolExecutor(settings.bulk_concurrency, thread_name_prefix="bulk"),
        max_concurrent_activities=settings.bulk_concurrency,
        **paced,
    )


_Beside: TypeAlias = Callable[[], AbstractAsyncContextManager[None]]
"""What goes on beside a worker for as long as it works."""


class _Common(TypedDict):
    """What the workers of a process have in common."""

    activities: list[Callable[..., Any]]
    deployment_config: WorkerDeploymentConfig | None
    interceptors: list[Interceptor]
    max_workflow_task_external_storage_concurrency: int
    graceful_shutdown_timeout: timedelta


def _traced(database: Database) -> list[Interceptor]:
    """What makes spans of runs, steps and statements, if this process makes traces; otherwise nothing is imported.

    Raises:
        StockkeeperError: OpenTelemetry was set up in a way that isn't safe for replays.
    """
    if not tracing.is_set_up():
        return []
    from activities.tracing import TracedSteps  # noqa: PLC0415 - an extra
    from database.spans import make_spans  # noqa: PLC0415
    from workflows.tracing import TracedRuns  # noqa: PLC0415

    tracing.require_safe_for_replays()
    make_spans(database.engine)
    return [TracedSteps(), TracedRuns()]


def _vouching(settings: Settings) -> list[Interceptor]:
    """What takes tokens to those who judge them (ADR 0070)."""
    verifier = verifier_of(settings)
    asked = [] if verifier is None else [QuestionsVouchedFor(verifier)]
    return [*asked, BringsIdentity(required=settings.requires_identity)]


def _measured(
    client: Client, database: Database, settings: Settings
) -> tuple[Sequence[Interceptor], Sequence["_Beside"]]:
    """What counts the worker's attempts and shows its gauges, if anybody asks for metrics."""
    if (metrics := metrics_of(settings)) is None:
        return [], []
    metrics.begin(client.namespace, settings.task_queue)
    pending = PendingNotices()
    gauges = Gauges(metrics, database, pending)
    return [MeasuredAttempts(metrics, pending)], [gauges.while_working]


def _deployment(version: WorkerDeploymentVersion | None) -> WorkerDeploymentConfig | None:
    """Runs move to the current version with their next task: they may be open for months (ADR 0051)."""
    if version is None:
        return None
    return WorkerDeploymentConfig(
        version=version, use_worker_versioning=True, default_versioning_behavior=VersioningBehavior.AUTO_UPGRADE
    )


async def run(settings: Settings) -> None:
    """Work until SIGINT or SIGTERM.

    Raises:
        StockkeeperError: Something isn't there or isn't ready, in one line.
    """
    if not settings.database_url.get_secret_value():
        raise StockkeeperError("DATABASE_URL isn't set: postgresql://user:password@host:port/database")
    metrics = serve_metrics(settings)
    database = build_database(settings)
    tell_schema(database)
    client = renewable(await connect_by(connected_by := settings_of_connection()))
    await require_search_attributes(client)
    watch = Watch(client, database.engine, settings.queue, settings.version)
    await watch.begin()
    if settings.serves is Serves.BULK:
        # Whoever waits for an answer comes first, where both are on one machine.
        give_way()
    stop = asyncio.Event()
    for signum in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    try:
        async with (
            serve_health(client, settings, metrics, stop),
            working(client, database, settings),
            Renewal(client, connected_by).while_working(),
        ):
            keep_what_is_loaded()
            logging.getLogger("stockkeeper").info("working on task queue %s", settings.queue)
            await watch.until(stop)
    except (RuntimeError, asyncio.CancelledError) as error:
        if (status := _told_by_the_server(error)) is None:
            raise
        raise StockkeeperError(f"Temporal doesn't let this worker work: {status[1]}") from error


def _told_by_the_server(error: BaseException | None) -> tuple[str, str] | None:
    """What the server has said to a worker that failed; None: nothing.

    The SDK's words are about the part of the worker that failed; what the server said is behind them. Where several
    workers fail, one may be cancelled by another while it ends.
    """
    while error is not None:
        if (status := status_within(error.__cause__ or error)) is not None:
            return status
        error = error.__context__
    return None


@asynccontextmanager
async def serve_health(
    client: Client, settings: Settings, metrics: tuple[str, int] | None, stop: asyncio.Event
) -> AsyncIterator[None]:
    """Answer whether the worker lives and is ready, as long as it works, if the settings say where.

    Args:
        client: Its connection to Temporal.
        settings: Its settings.
        metrics: Where its metrics can be read, by `serve_metrics`.
        stop: Set when it is to stop.

    Raises:
        StockkeeperError: The address can't be listened on.
    """
    if not settings.health_address or metrics is None:
        yield
        return
    # Beside the worker's pool, whose connections may all be in use; for a moment at a time.
    engine = connect(
        settings.database_url.get_secret_value(),
        pool_size=1,
        role=settings.database_role,
        application_name="stockkeeper-health",
    )
    looks = [
        database_look(engine),
        temporal_look(client),
        search_attributes_look(lambda: missing_search_attributes(client)),
        work_look(client, settings.queue, settings.version),
    ]
    health = Health(metrics, looks, stop, for_workflows=settings.serves is not Serves.BULK)
    routes = {"/livez": health.live, "/readyz": health.ready}
    with answering(host_and_port(settings.health_address), routes):
        async with health.while_working():
            yield


def tell_schema(database: Database) -> None:
    """Refuse to work on a schema that doesn't serve this version, and tell of a newer one that does.

    Raises:
        StockkeeperError: With what to do.
    """
    found, ours = require_schema(database.engine), newest_revision()
    if found != ours:
        logging.getLogger("stockkeeper").info(
            "the database is at revision %s, newer than this version's %s, and serves it", found, ours
        )


async def require_search_attributes(client: Client) -> None:
    """Refuse to work where the search attributes aren't registered: the first workflow to set one would be stuck.

    Raises:
        StockkeeperError: With what to do.
    """
    try:
        missing = await missing_search_attributes(client)
    except RPCError as error:
        # Not every account may read them; Temporal Cloud, for one, has another API.
        logging.getLogger("stockkeeper").warning("can't see the search attributes: %s", error.message)
        return
    if missing:
        raise StockkeeperError(f"{', '.join(missing)} not registered with Temporal: run `stockkeeper setup`")


def event_loop() -> asyncio.AbstractEventLoop:
    """The loop of a worker's process: libuv's, which hands results between threads in less time (ADR 0044)."""
    if sys.platform == "win32":
        return asyncio.new_event_loop()
    from uvloop import new_event_loop  # noqa: PLC0415 - there is none for Windows

    return new_event_loop()


def main() -> None:
    """Work, or say in one line what is missing; where logs are JSON, that is one, too."""
    form = LogFormat.TEXT
    try:
        require_known(os.environ)
        read_secret_files(os.environ)
        settings = Settings()
        log_as(form := settings.log_format)
        tracing.set_up("stockkeeper-worker")
        with asyncio.Runner(loop_factory=event_loop) as runner:
            runner.run(run(settings))
    except (StockkeeperError, ValidationError, SettingsError) as error:
        if form is LogFormat.JSON:
            logging.getLogger("stockkeeper").critical("%s", error)
            sys.exit(1)
        sys.exit(str(error))


if __name__ == "__main__":
    run_to_the_end(main)
