"""A real worker under load, as Prometheus sees it; the alert rules on that, and on the same made bad; the dashboard."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.error import URLError

import pytest
from sqlalchemy import Connection, Engine, text
from temporalio import workflow
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError
from temporalio.runtime import MetricBuffer, Runtime, TelemetryConfig
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from database.figures import read_figures
from database.sessions import Database
from devstack.processes import free_port
from devstack.stack import StackInfo
from stockkeeper.contracts.reorder import REQUESTED_BY
from tests.faults.workplace import worker_process, workers_environment
from tests.support import promql
from tests.support.adjustment import Adjusting, priced
from tests.support.cycle_count import Counts
from tests.support.database_apart import database_apart
from tests.support.inspection import Inspecting
from tests.support.lots import lot_item
from tests.support.purchase_order import Purchasing
from tests.support.recall import Recalling
from tests.support.reservation import Orders, request
from tests.support.rules import REPOSITORY, Rule, fires, rules
from tests.support.scrapes import Change, Scrape, each_series, scrape, sustained
from tests.support.shop import Shop
from tests.support.transfer import Transfers, moved, transfer
from tests.support.wire import eventually, refusal
from worker import Settings

SECOND = 1 / 60
NOBODY = "json://127.0.0.1:1/"
"""A webhook that nobody serves."""


@dataclass(frozen=True)
class Watched:
    """What Prometheus has read of a worker.

    Attributes:
        before: Before its load.
        after: After it.
        ill: Once it was asked for a workflow that it doesn't know.
        of_a_failure: The metrics of another program's worker, whose run has failed by a fault.
        database: The worker's, as its owner.
        until: The end of the load.
    """

    before: Scrape
    after: Scrape
    ill: Scrape
    of_a_failure: set[str]
    database: Engine
    until: datetime


def _looked(address: str) -> Scrape | None:
    """What a worker says that has looked at its gauges."""
    with suppress(URLError, ConnectionError):
        found = scrape(address)
        if found.of("stockkeeper_figures_read_timestamp_seconds"):
            return found
    return None


def _notice_refused(found: Scrape) -> bool:
    """Whether the service that isn't there has been asked for: no document waits for its notice."""
    return any(found.of("stockkeeper_notices_refused_total").values())


@pytest.fixture(scope="module")
async def watched(
    stack: StackInfo,
    engine: Engine,
    settings: Settings,
    our_client: Client,
    plain_client: Client,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Watched]:
    """A worker in a process and on a database of its own, which has done a little of everything."""
    del our_client  # It registers the search attributes.
    address = f"127.0.0.1:{free_port()}"
    with database_apart(engine, settings) as (apart, here):
        shop = Shop(apart)
        shop.set_point(shop.item(2), 5, 10)
        environment = workers_environment(
            here.database_url.get_secret_value(), stack.temporal_address, stack.namespace, here.task_queue
        )
        told = {"STOCKKEEPER_METRICS_ADDRESS": address, "STOCKKEEPER_WAREHOUSE_NOTICE_URLS": NOBODY}
        log = tmp_path_factory.mktemp("metrics") / "worker.log"
        worker = worker_process({**environment, **told}, log)
        try:
            before = await eventually(lambda: asyncio.to_thread(_looked, address), lambda found: found is not None)
            assert before is not None, log.read_text()
            await load(plain_client, here.task_queue, shop)
            until = datetime.now(UTC)
            after = await eventually(lambda: asyncio.to_thread(scrape, address), _notice_refused)
            ill = await meet_faults(plain_client, here.task_queue, address)
            of_a_failure = await fail(stack, here.task_queue)
            yield Watched(before, after, ill, of_a_failure, apart, until)
        finally:
            worker.kill()
            await worker.wait()


async def load(client: Client, queue: str, shop: Shop) -> None:
    """Orders, transfers, documents that wait for people, and refusals."""
    orders, transfers = Orders(client, queue), Transfers(client, queue)
    await sell(orders, shop)
    source, destination = shop.item(9), shop.warehouse()
    await transfers.dispatched("T-1", destination, [(source, 4)], expected_transit_hours=1)
    wrong = transfer("T-2", destination, destination, moved(source, 1))
    assert (await refusal(transfers.ask_raw("T-2", [wrong]))).type == "InvalidRequest"
    await buy(Purchasing(client, queue), shop)
    broken = shop.item(12, product=priced(shop, "100.00"))
    await Adjusting(client, queue).adjust("A-1", (broken, -10))
    counts, counted = Counts(client, queue), shop.item(10)
    await counts.open("C-1", counted)
    assert (await counts.record("C-1", counted, 5))["status"] == "REVIEW"
    await Inspecting(client, queue).open("I-1", (shop.item(3), 2))
    await Recalling(client, queue).block("R-1", lot_item(shop, ("BAD", None, 1)), "BAD")


async def sell(orders: Orders, shop: Shop) -> None:
    """One order ships, one is cancelled, one expires, one is refused, one waits and gives up, one stays."""
    tea, pot = shop.items(2, units=10)
    await orders.reserve("shipped", (tea, 3))
    await orders.fulfill("shipped")
    await orders.reserve("cancelled", (tea, 2))
    await orders.cancel("cancelled")
    await orders.reserve("expires", (tea, 1), ttl_minutes=SECOND)
    await orders.result("expires")
    assert (await refusal(orders.reserve("too-much", (tea, 20)))).type == "InsufficientStock"
    await orders.start("waits", [request("waits", (tea, 20), wait_minutes=30)])
    await eventually(lambda: orders.state("waits"), lambda state: state["status"] == "WAITING")
    await orders.cancel("waits")
    await orders.reserve("stays", (tea, 1), (pot, 2))
    refused = await refusal(orders.update("stays", "extend", {"performed_by": "shop", "ttl_minutes": "soon"}))
    assert refused.type == "InvalidRequest"


async def buy(purchasing: Purchasing, shop: Shop) -> None:
    """One order waits for an approval, a reorder run's, too, and one is on its way."""
    item, supplier = shop.item(0), shop.supplier("sales@example.com")
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()
    await purchasing.draft("PO-1", supplier, [(item, 2_000)])
    await purchasing.draft("PO-2", supplier, [(item, 20)], expected_delivery_date=tomorrow)
    await purchasing.quiet("PO-2", notices=1)
    await purchasing.signal("PO-2", "ask_a_friend", "tea")
    await purchasing.noted("PO-2", 1)
    assert (await refusal(purchasing.update("PO-1", "approve", {"approver": "rita", "note": ""}))).type == (
        "NotPermitted"
    )
    await purchasing.quiet("PO-1", notices=1)


async def meet_faults(client: Client, queue: str, address: str) -> Scrape:
    """Let runs come that no version knows, and say what the worker says then."""
    strange = await client.start_workflow("OfAnotherProgram", id="strange", task_queue=queue)
    failed = "temporal_workflow_task_execution_failed"
    ill = await eventually(lambda: asyncio.to_thread(scrape, address), lambda found: bool(found.of(failed)))
    await strange.terminate()
    return ill


@workflow.defn
class Failing:
    """Fails by a fault, which none of ours does."""

    @workflow.run
    async def run(self) -> None:
        raise ApplicationError("no refusal")


async def fail(stack: StackInfo, queue: str) -> set[str]:
    """Let a run fail, and say which metrics the SDK has then."""
    buffer = MetricBuffer(10_000)
    runtime = Runtime(telemetry=TelemetryConfig(metrics=buffer))
    client = await Client.connect(stack.temporal_address, namespace=stack.namespace, runtime=runtime)
    elsewhere = f"{queue}-elsewhere"
    async with Worker(client, task_queue=elsewhere, workflows=[Failing], workflow_runner=UnsandboxedWorkflowRunner()):
        with pytest.raises(WorkflowFailureError):
            await client.execute_workflow(Failing.run, id=elsewhere, task_queue=elsewhere)
    return {each.metric.name for each in buffer.retrieve_updates() if "workflow_type" in each.attributes}


def labelled(**values: float) -> dict[frozenset[tuple[str, str]], float]:
    """The values of a metric with one label, `reference__ORDER=1` for the series of that value."""
    return {frozenset({(label, of)}): value for (label, _, of), value in _split(values)}


def _split(values: Mapping[str, float]) -> Iterator[tuple[tuple[str, str, str], float]]:
    for name, value in values.items():
        yield name.partition("__"), value


def test_a_worker_begins_at_zero(watched: Watched) -> None:
    counters = {
        (name, value)
        for labels, value in watched.before.values.items()
        if (name := dict(labels)["__name__"]).startswith("stockkeeper_") and name.endswith("_total")
    }
    assert {value for _, value in counters} == {0.0}
    # All but that of refused commands, which has too many series.
    assert len(counters) == 11


def test_what_was_done_is_counted_once(watched: Watched) -> None:
    after = watched.after
    assert after.of("stockkeeper_holds_made_total") == labelled(reference__ORDER=5, reference__TRANSFER=1)
    assert after.of("stockkeeper_holds_ended_total") == labelled(
        outcome__fulfilled=2, outcome__cancelled=1, outcome__expired=1, outcome__gave_way=0
    )
    assert after.of("stockkeeper_waits_ended_total") == labelled(
        outcome__held=0, outcome__rejected=0, outcome__cancelled=1
    )
    assert after.of("stockkeeper_overselling_prevented_total") == labelled(outcome__refused=1, outcome__waits=1)
    # Seven of the ten were left, and twenty were asked for.
    assert after.value("stockkeeper_units_short_total") == 13
    rejected = after.of("stockkeeper_holds_rejected_total")
    assert rejected.pop(frozenset({("error", "InsufficientStock")})) == 1
    assert (len(rejected), {*rejected.values()}) == (10, {0.0})
    assert {*after.of("stockkeeper_attempts_failed_total").values()} == {0.0}
    assert after.value("stockkeeper_release_lag_seconds_count") == 1
    assert 0 <= after.value("stockkeeper_release_lag_seconds_sum") < 30
    assert after.value("stockkeeper_reorder_drafts_total") == 0
    # An order that is rejected isn't among them: that is an outcome.
    refused = {
        tuple(sorted(value for name, value in labels if name in {"workflow_type", "command", "error"})): value
        for labels, value in after.of("stockkeeper_commands_refused_total").items()
    }
    assert refused == {
        ("InvalidRequest", "ReservationWorkflow", "extend"): 1,
        ("InvalidRequest", "PurchaseOrderWorkflow", "unknown"): 1,
        ("InvalidRequest", "TransferWorkflow", "start"): 1,
        ("NotPermitted", "PurchaseOrderWorkflow", "approve"): 1,
    }


def test_notices_are_counted_by_their_outcome_and_those_that_nobody_takes(watched: Watched) -> None:
    notices = {
        (kind, outcome): watched.after.value(
            "stockkeeper_notices_total", workflow_type=f"{kind}Workflow", outcome=outcome
        )
        for kind in ("PurchaseOrder", "Adjustment", "CycleCount")
        for outcome in ("sent", "logged", "failed")
    }
    assert {each: count for each, count in notices.items() if count} == {
        ("PurchaseOrder", "sent"): 1,
        ("PurchaseOrder", "logged"): 1,
    }
    refused = watched.after.of("stockkeeper_notices_refused_total")
    assert refused.pop(frozenset({("audience", "WAREHOUSE")})) >= 1
    assert {*refused.values()} == {0.0}


def test_a_transaction_is_measured_with_its_steps(watched: Watched) -> None:
    steps, commits = (watched.after.value(f"stockkeeper_{name}_count") for name in ("batch_steps", "commit_seconds"))
    assert watched.after.value("stockkeeper_batch_steps_sum") >= steps >= 12
    assert commits >= steps
    assert watched.after.value("stockkeeper_statement_seconds_count") > steps
    assert watched.after.value("stockkeeper_commit_seconds_bucket", le="25") == commits
    assert watched.after.value("stockkeeper_pool_connections") == 8
    assert 0 <= watched.after.value("stockkeeper_pool_in_use") <= watched.after.value("stockkeeper_pool_in_use_most")
    # At its first look it had read this, before anything was done.
    assert watched.before.value("stockkeeper_items_below_reorder_point") == 1
    assert watched.before.value("stockkeeper_holds_open") == 0


def test_figures_of_the_database_are_those_of_an_instant(watched: Watched) -> None:
    with watched.database.begin() as connection:
        _find(connection, "HOLD_WITHOUT_RUN", "OPEN", "OPEN", "ACCEPTED")
        connection.execute(text("UPDATE purchase_orders SET requested_by = :reorder WHERE po_number = 'PO-1'"), _BY)
    now, later = (_figures(watched.database, at) for at in (watched.until, watched.until + timedelta(days=3)))
    counts = {
        ("holds_open", ""): 2,
        ("orders_secured", ""): 0,
        ("orders_waiting", ""): 0,
        ("orders_waiting_overdue", ""): 0,
        ("reorder_drafts_open", ""): 1,
        ("items_below_reorder_point", ""): 1,
        ("audit_findings", "HOLD_WITHOUT_RUN"): 2,
        ("approvals_waiting", "purchase_order"): 1,
        ("approvals_waiting", "adjustment"): 1,
        ("approvals_waiting", "cycle_count"): 1,
        ("approvals_waiting", "inspection"): 1,
        ("recalls_open", ""): 1,
        **_of_events(watched.database),
    }
    overdue = {("holds_overdue", ""), ("documents_overdue", "transfer"), ("documents_overdue", "purchase_order")}
    assert {each: value for each, value in now.items() if "seconds" not in each[0]} == counts | dict.fromkeys(
        overdue, 0.0
    )
    assert {each: value for each, value in later.items() if "seconds" not in each[0]} == counts | {
        ("holds_overdue", ""): 2,
        ("documents_overdue", "transfer"): 1,
        ("documents_overdue", "purchase_order"): 1,
    }
    days, seconds = 3 * 86_400, 60.0
    assert later["holds_overdue_oldest_seconds", ""] == pytest.approx(days - 1_800, abs=seconds)
    assert later["documents_overdue_oldest_seconds", "transfer"] == pytest.approx(days - 3_600, abs=seconds)
    # It was expected tomorrow, where the day ends at midnight UTC.
    ended = (watched.until + timedelta(days=2)).replace(hour=0, minute=0, second=0, microsecond=0)
    since = (watched.until + timedelta(days=3) - ended).total_seconds()
    assert later["documents_overdue_oldest_seconds", "purchase_order"] == pytest.approx(since, abs=1e-3)
    for process in ("purchase_order", "adjustment", "cycle_count", "inspection"):
        assert later["approvals_oldest_seconds", process] == pytest.approx(days, abs=seconds)
        assert 0 <= now["approvals_oldest_seconds", process] < seconds
    assert now["holds_overdue_oldest_seconds", ""] == now["documents_overdue_oldest_seconds", "transfer"] == 0.0
    assert later["orders_waiting_oldest_seconds", ""] == 0.0


def _of_events(database: Engine) -> dict[tuple[str, str], float]:
    """The figures of events, when all of them have numbers."""
    with database.connect() as connection:
        kept, last = connection.execute(text("SELECT count(*), max(number) FROM events")).one()
    assert kept > 0
    return {("events_waiting", ""): 0, ("events_kept", ""): kept, ("events_last_number", ""): last}


_BY = {"reorder": REQUESTED_BY}


def _find(connection: Connection, kind: str, *statuses: str) -> None:
    """Let an audit have found something of this kind, once for each status."""
    found = text("""
        INSERT INTO audit_findings (kind, document, expected, actual, status, first_seen_at, last_seen_at, workflow_id,
            run_id, closed_at, closed_by, closed_reason)
        VALUES (:kind, :document, 0, 1, :status, :at, :at, 'audit', 'run', :closed_at, :closed_by, :closed_by)
    """)
    for number, status in enumerate(statuses):
        now, is_open = datetime.now(UTC), status == "OPEN"
        of = {"kind": kind, "document": f"D-{number}", "status": status, "at": now}
        closed = {"closed_at": None if is_open else now, "closed_by": None if is_open else "ann"}
        connection.execute(found, of | closed)


def _figures(database: Engine, as_of: datetime) -> dict[tuple[str, str], float]:
    with Database(database).snapshot() as connection:
        found = read_figures(connection, as_of=as_of, reorder=REQUESTED_BY)
    figures = {(name, of): value for name, of, value in found}
    assert len(figures) == len(found)
    return figures


def _increase(metric: str, **labels: str) -> Change:
    return Change(metric, labels, each_minute=60.0)


def _is(metric: str, value: float, **labels: str) -> Change:
    return Change(metric, labels, value=value)


# What makes each rule fire, and the others that fire with it.
BAD: Mapping[str, tuple[tuple[Change, ...], set[str]]] = {
    "StockkeeperNoWorker": ((_is("up", 0),), {"StockkeeperWorkerDown"}),
    "StockkeeperWorkerDown": ((_is("up", 0),), {"StockkeeperNoWorker"}),
    "StockkeeperNotPolling": (
        tuple(Change(f"temporal_workflow_task_queue_poll_{each}", {}) for each in ("empty", "succeed")),
        set(),
    ),
    "StockkeeperTasksWait": (
        (_increase("temporal_workflow_task_schedule_to_start_latency_bucket", le="+Inf"),),
        set(),
    ),
    "StockkeeperWorkflowTasksFail": (
        (_increase("temporal_workflow_task_execution_failed", workflow_type="ReservationWorkflow"),),
        set(),
    ),
    "StockkeeperRunsFail": ((_increase("temporal_workflow_failed", workflow_type="ReservationWorkflow"),), set()),
    "StockkeeperStepsFail": ((_increase("stockkeeper_attempts_failed_total", error="fault"),), set()),
    "StockkeeperDatabaseAway": ((_increase("stockkeeper_attempts_failed_total", error="DatabaseFull"),), set()),
    "StockkeeperDatabaseBusy": ((_increase("stockkeeper_attempts_failed_total", error="DatabaseBusy"),), set()),
    "StockkeeperDatabaseSlow": ((_increase("stockkeeper_commit_seconds_bucket", le="+Inf"),), set()),
    "StockkeeperConnectionsTaken": ((_is("stockkeeper_pool_in_use_most", 8),), set()),
    "StockkeeperFiguresOld": ((_is("stockkeeper_figures_read_timestamp_seconds", 0),), set()),
    "StockkeeperOrderSecured": ((_is("stockkeeper_orders_secured_oldest_seconds", 301),), set()),
    "StockkeeperHoldsOverdue": ((_is("stockkeeper_holds_overdue_oldest_seconds", 601),), set()),
    "StockkeeperReleasesLate": ((_increase("stockkeeper_release_lag_seconds_bucket", le="+Inf"),), set()),
    "StockkeeperWaitsOverdue": ((_is("stockkeeper_orders_waiting_overdue", 1),), set()),
    "StockkeeperEventsWait": ((_is("stockkeeper_events_waiting_oldest_seconds", 61),), set()),
    "StockkeeperHoldsGaveWay": ((_increase("stockkeeper_holds_ended_total", outcome="gave_way"),), set()),
    "StockkeeperOrdersTooLate": ((_increase("stockkeeper_holds_rejected_total", error="InvalidState"),), set()),
    "StockkeeperRequestsRefused": (
        (_increase("stockkeeper_commands_refused_total", workflow_type="TransferWorkflow", error="InvalidRequest"),),
        set(),
    ),
    "StockkeeperAuditFinding": ((_is("stockkeeper_audit_findings", 1, kind="HOLD_WITHOUT_RUN"),), set()),
    "StockkeeperApprovalsLate": ((_is("stockkeeper_approvals_oldest_seconds", 259_201, process="adjustment"),), set()),
    "StockkeeperDocumentsOverdue": (
        (_is("stockkeeper_documents_overdue_oldest_seconds", 86_401, process="transfer"),),
        set(),
    ),
    "StockkeeperNoticesPending": ((_is("stockkeeper_notices_pending_oldest_seconds", 1_801),), set()),
    "StockkeeperNoticesFailed": (
        (_increase("stockkeeper_notices_total", workflow_type="PurchaseOrderWorkflow", outcome="failed"),),
        set(),
    ),
    "StockkeeperSubscriberPaused": (
        (_increase("stockkeeper_notices_total", workflow_type="EventSubscriberWorkflow", outcome="sent"),),
        set(),
    ),
}
RULES = rules()
WANTED = {name for rule in RULES for name in promql.names_in(rule.expression)}


def test_a_worker_that_is_well_fires_no_rule(watched: Watched) -> None:
    samples = sustained(watched.before, watched.after, WANTED)
    assert [rule.name for rule in RULES if fires(rule, samples)] == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_each_rule_fires_when_it_should_and_no_other_one(watched: Watched, rule: Rule) -> None:
    changes, others = BAD[rule.name]
    samples = sustained(watched.before, watched.after, WANTED, *changes)
    assert {each.name for each in RULES if fires(each, samples)} == {rule.name, *others}


def test_rules_and_dashboard_ask_for_metrics_that_a_worker_has(watched: Watched) -> None:
    there = {"up", *watched.after.names, *watched.ill.names, *watched.of_a_failure}
    asked = {name for expression in _dashboard() for name in promql.names_in(expression)} | WANTED
    patterns = {name for name in asked if "(" in name}
    assert all(any(re.fullmatch(each, name) for name in there) for each in patterns)
    assert asked - patterns - there == set()
    # Each of ours is on the dashboard.
    ours = {name for name in there if name.startswith("stockkeeper_")}
    shown = {name for expression in _dashboard() for name in promql.names_in(expression)}
    assert {_base(name) for name in ours} - {_base(name) for name in shown} == set()


def _dashboard() -> list[str]:
    board = json.loads((REPOSITORY / "deploy/grafana/dashboards/stockkeeper.json").read_text())
    targets = [target for panel in board["panels"] for target in panel.get("targets", ())]
    return [target["expr"].replace("$__rate_interval", "5m") for target in targets]


def _base(name: str) -> str:
    return re.sub("_(bucket|sum|count)$", "", name)


def test_the_page_lists_every_metric_with_its_labels(watched: Watched) -> None:
    listed = re.findall(r"^\| `(stockkeeper_\w+)` \| \w+ \|([^|]*)\|", _page("docs/metrics.md"), re.MULTILINE)
    found: dict[str, set[str]] = {}
    for name, labels in each_series(watched.after):
        if name.startswith("stockkeeper_"):
            found.setdefault(_base(name), set()).update({*labels} - {"le", "service_name"})
    assert {name: {*re.findall(r"`(\w+)`", labels)} for name, labels in listed} == found
    assert len(listed) == len(found)


def test_no_label_names_a_product_a_document_or_a_person(watched: Watched) -> None:
    values = {value for _, labels in each_series(watched.ill) for value in labels.values()}
    assert not [value for value in values if re.search("SKU|shipped|stays|PO-|T-1|A-1|C-1|rita|picker|@", value)]


def test_each_rule_has_its_section_in_the_runbook() -> None:
    sections = dict(re.findall(r"^### (\w+)\n\n(.*?)(?=^##|\Z)", _page("docs/runbook.md"), re.MULTILINE | re.DOTALL))
    assert [*sections] == [rule.name for rule in RULES]
    for rule in RULES:
        assert rule.annotations["runbook_url"] == f"docs/runbook.md#{rule.name.lower()}"
        assert {*rule.annotations} == {"summary", "runbook_url"}
        assert rule.labels["severity"] in {"critical", "warning"}
        assert re.findall(r"^\*\*([\w ]+):\*\*", sections[rule.name], re.MULTILINE) == ["Means", "Look at", "Do"]


def _page(path: str) -> str:
    return (REPOSITORY / Path(path)).read_text()
