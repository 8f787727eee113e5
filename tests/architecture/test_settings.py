"""A worker's settings: what they mean, and that a wrong one is told without what may be a password."""

import json
import logging
import os
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError
from temporalio import activity, workflow
from temporalio.common import WorkerDeploymentVersion
from typer.testing import CliRunner

from activities.metrics_server import serve_metrics
from activities.notice import NoticeWays
from database.sessions import _SETTINGS
from starter.cli.app import app
from stockkeeper.client.databases import databases_by_environment
from stockkeeper.contracts.adjustment import DEFAULT_ADJUSTMENT, AdjustmentPolicy
from stockkeeper.contracts.cycle_count import DEFAULT_COUNTING, CountPolicy
from stockkeeper.contracts.policies import LOCAL_WRITE
from stockkeeper.contracts.purchase_order_state import DEFAULT_APPROVAL, ApprovalPolicy
from stockkeeper.contracts.replenishment_plan import DEFAULT_HOLDING_COST_RATE, DEFAULT_ORDER_COST
from stockkeeper.contracts.settings import OTHER_SETTINGS, WORKER_SETTINGS, LogFormat, UnknownSetting, require_known
from stockkeeper.domain.cycle_count import Tolerance
from stockkeeper.domain.cycle_count_plan import CountClass, Cycle
from stockkeeper.domain.errors import StockkeeperError
from worker import CONNECTION_WITHIN_SECONDS, Settings, main

HOURS = {"remind_after_hours": 1, "escalate_after_hours": 2.5, "cancel_after_hours": 3}
TIERS = [{"up_to": "500.00", "approvals": 0}, {"up_to": None, "approvals": 3}]
NOTICE_URLS = (
    "STOCKKEEPER_NOTICE_URLS",
    "STOCKKEEPER_ESCALATION_NOTICE_URLS",
    "STOCKKEEPER_SUPPLIER_NOTICE_URLS",
    "STOCKKEEPER_WAREHOUSE_NOTICE_URLS",
    "STOCKKEEPER_OPERATIONS_NOTICE_URLS",
)

Set = Callable[[str, str], None]


@pytest.fixture(autouse=True)
def environ(monkeypatch: pytest.MonkeyPatch) -> Set:
    """Sets a variable; none of the machine's own is there."""
    for name in [name for name in os.environ if name.startswith("STOCKKEEPER_")]:
        monkeypatch.delenv(name)
    return monkeypatch.setenv


def test_nothing_set_is_the_policy_of_the_contract_no_tolerance_and_no_way() -> None:
    settings = Settings()
    assert (settings.approval, settings.over_delivery_percent) == (DEFAULT_APPROVAL, Decimal(0))
    assert vars(settings.notice_ways) == vars(NoticeWays("", "", "", ""))


def test_who_approves_is_said_in_json(environ: Set) -> None:
    environ("STOCKKEEPER_APPROVAL", json.dumps({"tiers": TIERS} | HOURS))
    approval = Settings().approval
    assert approval == ApprovalPolicy.model_validate_json(json.dumps({"tiers": TIERS} | HOURS))
    assert [(tier.up_to, tier.approvals) for tier in approval.tiers] == [(Decimal(500), 0), (None, 3)]
    assert (approval.remind_after_hours, approval.escalate_after_hours, approval.cancel_after_hours) == (1, 2.5, 3)


BAD_POLICIES: dict[str, tuple[Any, str]] = {
    "no tiers": ({"tiers": []} | HOURS, "approval.tiers"),
    "no tier for large orders": ({"tiers": TIERS[:1]} | HOURS, "the last one must have up_to null"),
    "falling bounds": ({"tiers": [TIERS[0], TIERS[0], TIERS[1]]} | HOURS, "up_to must rise"),
    "a bound that isn't exact": (
        {"tiers": [{"up_to": 0.1, "approvals": 0}, TIERS[1]]} | HOURS,
        "approval.tiers.0.up_to",
    ),
    "a number of people that isn't one": ({"tiers": [{"up_to": None, "approvals": -1}]} | HOURS, "approvals"),
    "no reminder": ({"tiers": TIERS} | dict(list(HOURS.items())[1:]), "approval.remind_after_hours"),
    "no time at all": ({"tiers": TIERS} | HOURS | {"cancel_after_hours": 0}, "approval.cancel_after_hours"),
    "a field that isn't known": ({"tiers": TIERS} | HOURS | {"remind_after_days": 1}, "approval.remind_after_days"),
    "something else": ([], "approval"),
}


@pytest.mark.parametrize(("policy", "problem"), BAD_POLICIES.values(), ids=BAD_POLICIES)
def test_a_policy_that_cannot_be_followed_is_refused_by_name(environ: Set, policy: Any, problem: str) -> None:
    environ("STOCKKEEPER_APPROVAL", json.dumps(policy))
    with pytest.raises(ValidationError) as caught:
        Settings()
    assert caught.value.error_count() == 1
    assert problem in str(caught.value)


def test_who_puts_the_books_right_alone_is_said_in_json_and_what_is_left_out_stays(environ: Set) -> None:
    assert Settings().adjustment == DEFAULT_ADJUSTMENT
    assert DEFAULT_ADJUSTMENT.model_dump() == {
        "limit": Decimal("500.00"),
        "limit_units": 100,
        "remind_after_hours": 24,
        "cancel_after_hours": 168,
    }
    environ("STOCKKEEPER_ADJUSTMENT", '{"limit": "0.000001", "remind_after_hours": 0.5}')
    assert Settings().adjustment == AdjustmentPolicy(limit=Decimal("0.000001"), remind_after_hours=0.5)
    environ("STOCKKEEPER_ADJUSTMENT", '{"limit": 0, "limit_units": 0, "cancel_after_hours": 1}')
    everything = AdjustmentPolicy(limit=Decimal(0), limit_units=0, cancel_after_hours=1)
    assert Settings().adjustment == everything


@pytest.mark.parametrize(
    ("policy", "problem"),
    [
        ({"limit": 0.1}, "adjustment.limit"),
        ({"limit": "-1.00"}, "adjustment.limit"),
        ({"limit": None}, "adjustment.limit"),
        ({"limit_units": -1}, "adjustment.limit_units"),
        ({"limit_units": 1.5}, "adjustment.limit_units"),
        ({"limit_units": "100"}, "adjustment.limit_units"),
        ({"remind_after_hours": 0}, "adjustment.remind_after_hours"),
        ({"cancel_after_hours": -1}, "adjustment.cancel_after_hours"),
        ({"escalate_after_hours": 1}, "adjustment.escalate_after_hours"),
        ([], "adjustment"),
    ],
    ids=str,
)
def test_an_adjustment_policy_that_makes_no_sense_is_refused_by_name(environ: Set, policy: Any, problem: str) -> None:
    environ("STOCKKEEPER_ADJUSTMENT", json.dumps(policy))
    with pytest.raises(ValidationError) as caught:
        Settings()
    assert caught.value.error_count() == 1
    assert f"\n{problem}\n" in str(caught.value)


@pytest.mark.parametrize("percent", ["0", "2.5", "0.125", "1000"])
def test_the_tolerance_is_exact(environ: Set, percent: str) -> None:
    environ("STOCKKEEPER_OVER_DELIVERY_PERCENT", percent)
    assert Settings().over_delivery_percent == Decimal(percent)


@pytest.mark.parametrize("percent", ["-1", "-0.001", "1000.001", "0.0001", "NaN", "Infinity", "", "ten", "10%"])
def test_a_tolerance_that_makes_no_sense_is_refused(environ: Set, percent: str) -> None:
    environ("STOCKKEEPER_OVER_DELIVERY_PERCENT", percent)
    with pytest.raises(ValidationError, match=r"\nover_delivery_percent\n"):
        Settings()


def test_what_ordering_and_holding_cost_is_the_contracts_unless_said(environ: Set) -> None:
    settings = Settings()
    assert (settings.order_cost, settings.holding_cost_rate) == (Decimal(50), 0.25)
    assert (Decimal(50), 0.25) == (DEFAULT_ORDER_COST, DEFAULT_HOLDING_COST_RATE)
    environ("STOCKKEEPER_ORDER_COST", "12.34")
    environ("STOCKKEEPER_HOLDING_COST_RATE", "0.3")
    settings = Settings()
    assert (settings.order_cost, settings.holding_cost_rate) == (Decimal("12.34"), 0.3)


def test_what_costs_nothing_is_a_setting_too(environ: Set) -> None:
    environ("STOCKKEEPER_ORDER_COST", "0")
    environ("STOCKKEEPER_HOLDING_COST_RATE", "0")
    settings = Settings()
    assert (settings.order_cost, settings.holding_cost_rate) == (Decimal(0), 0.0)


def test_the_consoles_address_is_that_of_a_site(environ: Set) -> None:
    assert Settings().console_url == ""
    environ("STOCKKEEPER_CONSOLE_URL", "https://stock.example.com/")
    assert Settings().console_url == "https://stock.example.com"
    for url in ("stock.example.com", "https://stock.example.com/inbox", "https://me@stock.example.com", "ftp://x"):
        environ("STOCKKEEPER_CONSOLE_URL", url)
        with pytest.raises(ValidationError, match="must be an address without a path"):
            Settings()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("order_cost", value) for value in ("-1", "-0.01", "NaN", "Infinity", "", "ten", "50 EUR", "1,50")),
        *(("holding_cost_rate", value) for value in ("-0.1", "100.1", "nan", "inf", "", "a quarter", "25%")),
    ],
)
def test_a_cost_that_makes_no_sense_is_refused(environ: Set, field: str, value: str) -> None:
    environ(f"STOCKKEEPER_{field.upper()}", value)
    with pytest.raises(ValidationError, match=rf"\n{field}\n"):
        Settings()


def test_how_counting_goes_is_the_contracts_unless_said(environ: Set) -> None:
    assert Settings().counting == DEFAULT_COUNTING == CountPolicy()
    assert DEFAULT_COUNTING.model_dump() == {
        "tolerance_units": 1,
        "tolerance_percent": Decimal(1),
        "a_percent": Decimal(80),
        "b_percent": Decimal(15),
        "demand_days": 90,
        "a_days": 7,
        "b_days": 30,
        "c_days": 30,
        "at_least": 10,
        "cap": 200,
    }
    # What is left out stays.
    environ("STOCKKEEPER_COUNTING", '{"tolerance_percent": "0.125", "a_days": 5, "cap": 1000}')
    counting = Settings().counting
    said = {"tolerance_percent": Decimal("0.125"), "a_days": 5, "cap": 1_000}
    assert counting == DEFAULT_COUNTING.model_copy(update=said)
    assert counting.tolerance == Tolerance(1, Decimal("0.125"))
    days = {CountClass.A: 5, CountClass.B: 30, CountClass.C: 30}
    assert counting.cycle == Cycle(Decimal(80), Decimal(15), days, at_least=10, cap=1_000)


def test_a_count_may_have_no_tolerance_and_all_classes_be_one(environ: Set) -> None:
    nothing = {"tolerance_units": 0, "tolerance_percent": 0, "a_percent": 0, "b_percent": 0, "at_least": 0}
    environ("STOCKKEEPER_COUNTING", json.dumps(nothing))
    assert Settings().counting == DEFAULT_COUNTING.model_copy(update=nothing)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("tolerance_units", value) for value in (-1, 1.5, 1_000_000_001, "many", None)),
        *(
            (field, value)
            for field in ("tolerance_percent", "a_percent", "b_percent")
            for value in (-1, "-0.001", 100.5, "0.0001", "NaN", "Infinity", "1%", None)
        ),
        *((field, value) for field in ("a_days", "b_days", "c_days") for value in (0, -1, 367, 7.5, "weekly", None)),
        *(("demand_days", value) for value in (0, 3_661, 1.5, None)),
        *(("at_least", value) for value in (-1, 1_001, None)),
        *(("cap", value) for value in (0, -1, 1_001, "all", None)),
        ("tolerance", 1),
    ],
)
def test_a_way_of_counting_that_makes_no_sense_is_refused_by_name(environ: Set, field: str, value: Any) -> None:
    environ("STOCKKEEPER_COUNTING", json.dumps({field: value}))
    with pytest.raises(ValidationError, match=rf"\ncounting\.{field}\n") as caught:
        Settings()
    assert caught.value.error_count() == 1


@pytest.mark.parametrize("value", ["[]", "7", '"often"'])
def test_a_way_of_counting_that_is_no_object_is_refused(environ: Set, value: str) -> None:
    environ("STOCKKEEPER_COUNTING", value)
    with pytest.raises(ValidationError, match=r"\ncounting\n"):
        Settings()


def test_each_audience_has_its_urls(environ: Set) -> None:
    urls = (
        "mailto://robot:passw0rd@example.com, json://example.com/buyers",
        "json://example.com/boss",
        "mailto://robot:passw0rd@example.com?to={email}",
        "json://example.com/docks",
        "json://example.com/watch",
    )
    for name, value in zip(NOTICE_URLS, urls, strict=True):
        environ(name, value)
    settings = Settings()
    assert vars(settings.notice_ways) == vars(NoticeWays(*urls))
    assert [secret for secret in ("passw0rd", "example.com", "buyers", "docks") if secret in repr(settings)] == []


@pytest.mark.parametrize("name", NOTICE_URLS)
@pytest.mark.parametrize(
    "urls",
    [
        "s3cret",
        "nobody://robot:s3cret@example.com",
        "json://example.com nobody://s3cret@example.com",
        "mailto://s3cret",
    ],
)
def test_what_is_no_notice_url_is_refused_and_not_repeated(
    environ: Set, caplog: pytest.LogCaptureFixture, name: str, urls: str
) -> None:
    environ(name, urls)
    with pytest.raises(ValidationError) as caught:
        Settings()
    assert caught.value.error_count() == 1
    told = f"{caught.value} {caught.value!r} {caplog.text}"
    assert "isn't a list of notice URLs as Apprise has them" in told
    assert "s3cret" not in told


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STOCKKEEPER_APPROVAL", '{"tiers": s3cret'),
        ("STOCKKEEPER_APPROVAL", '{"tiers": "s3cret"}'),
        ("STOCKKEEPER_NOTICE_URLS", "nobody://s3cret@example.com"),
        ("STOCKKEEPER_CONCURRENCY", "s3cret"),
    ],
)
def test_a_worker_with_a_wrong_setting_says_so_and_ends(environ: Set, name: str, value: str) -> None:
    environ(name, value)
    with pytest.raises(SystemExit) as caught:
        # In this process: the settings are read before anything is begun.
        main()
    message = caught.value.code
    assert isinstance(message, str)
    assert name.removeprefix("STOCKKEEPER_").lower() in message
    assert "s3cret" not in message


@pytest.mark.parametrize("value", ["xml", "JSON", "", "true"])
def test_a_form_of_the_log_that_there_is_not_is_refused(environ: Set, value: str) -> None:
    assert Settings().log_format is LogFormat.TEXT
    environ("STOCKKEEPER_LOG_FORMAT", "json")
    assert Settings().log_format is LogFormat.JSON
    environ("STOCKKEEPER_LOG_FORMAT", value)
    with pytest.raises(ValidationError, match=r"\nlog_format\n"):
        Settings()


def test_a_worker_that_logs_in_json_says_why_it_ends_in_json(
    environ: Set, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    for of_the_sdk, switch in ((activity, "activity_info_on_message"), (workflow, "workflow_info_on_message")):
        monkeypatch.setattr(of_the_sdk.logger, switch, True)
    environ("STOCKKEEPER_LOG_FORMAT", "json")
    with pytest.raises(SystemExit) as caught:
        main()
    why = "DATABASE_URL isn't set: postgresql://user:password@host:port/database"
    assert (caught.value.code, caplog.record_tuples) == (1, [("stockkeeper", logging.CRITICAL, why)])
    assert (activity.logger.activity_info_on_message, workflow.logger.workflow_info_on_message) == (False, False)


def test_every_setting_of_the_worker_is_known_by_name() -> None:
    """A new one belongs into `stockkeeper.contracts.settings`, too."""
    named = {name for name in Settings.model_fields if name != "database_url"}
    assert {name.lower() for name in WORKER_SETTINGS} == named


def test_settings_of_ours_and_of_others_are_let_pass() -> None:
    require_known(f"STOCKKEEPER_{name}" for name in WORKER_SETTINGS | OTHER_SETTINGS)
    require_known(
        ["stockkeeper_task_queue", "PATH", "DATABASE_URL", "TEMPORAL_ADDRESS", "STOCKKEEPER", "STOCKKEEPERS_X"]
    )
    # Kubernetes adds these for Services that are named stockkeeper, and stockkeeper-ui.
    require_known(
        f"STOCKKEEPER_{name}"
        for name in (
            *("SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTP", "PORT", "PORT_8080_TCP", "PORT_8080_TCP_ADDR"),
            *("UI_SERVICE_HOST", "UI_PORT", "UI_PORT_80_TCP_PROTO"),
        )
    )


def test_a_worker_has_no_version_unless_it_is_given_one(environ: Set) -> None:
    assert Settings().version is None
    environ("STOCKKEEPER_BUILD_ID", "1.2.3")
    assert Settings().version == WorkerDeploymentVersion("stockkeeper", "1.2.3")
    environ("STOCKKEEPER_DEPLOYMENT_NAME", "shop")
    assert Settings().version == WorkerDeploymentVersion("shop", "1.2.3")


def test_the_version_may_come_from_the_controller_of_temporals_own_deployments(
    environ: Set, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPORAL_DEPLOYMENT_NAME", "shops/stockkeeper")
    monkeypatch.setenv("TEMPORAL_WORKER_BUILD_ID", "v2-55c4")
    assert Settings().version == WorkerDeploymentVersion("shops/stockkeeper", "v2-55c4")
    environ("STOCKKEEPER_BUILD_ID", "1.2.3")
    assert Settings().version == WorkerDeploymentVersion("shops/stockkeeper", "1.2.3")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("BUILD_ID", "__1", "has 1 to 200 characters and doesn't begin with two underscores"),
        ("BUILD_ID", "", "has 1 to 200 characters and doesn't begin with two underscores"),
        ("BUILD_ID", "v" * 201, "has 1 to 200 characters and doesn't begin with two underscores"),
        ("DEPLOYMENT_NAME", "__stock", "has 1 to 200 characters and doesn't begin with two underscores"),
        ("DEPLOYMENT_NAME", "stock.shop", "has neither . nor :"),
    ],
)
def test_a_version_that_temporal_would_not_take_is_refused(environ: Set, name: str, value: str, message: str) -> None:
    environ(f"STOCKKEEPER_{name}", value)
    with pytest.raises(ValidationError, match=message):
        Settings()


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("STOCKKEEPER_NOTICE_URL", "; did you mean STOCKKEEPER_NOTICE_URLS?"),
        ("STOCKKEEPER_ESCALATION_URLS", "; did you mean STOCKKEEPER_ESCALATION_NOTICE_URLS?"),
        ("STOCKKEEPER_TASKQUEUE", "; did you mean STOCKKEEPER_TASK_QUEUE?"),
        ("STOCKKEEPER_METRIC_ADDRESS", "; did you mean STOCKKEEPER_METRICS_ADDRESS?"),
        ("STOCKKEEPER_DATABASE_URL", "; did you mean DATABASE_URL?"),
        ("stockkeeper_aproval", "; did you mean STOCKKEEPER_APPROVAL?"),
        ("STOCKKEEPER_COLOUR_OF_THE_DAY", " (docs/operations.md lists them)"),
        ("STOCKKEEPER_", " (docs/operations.md lists them)"),
    ],
)
def test_a_setting_that_is_none_is_refused_with_the_nearest(name: str, advice: str) -> None:
    with pytest.raises(UnknownSetting) as refused:
        require_known(["PATH", name])
    assert str(refused.value) == f"{name} isn't a setting of Stockkeeper{advice}"


def test_a_worker_and_a_stack_with_a_strange_setting_say_so_and_end(environ: Set) -> None:
    environ("STOCKKEEPER_NOTICE_URL", "json://s3cret")
    told = "STOCKKEEPER_NOTICE_URL isn't a setting of Stockkeeper; did you mean STOCKKEEPER_NOTICE_URLS?"
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == told
    for command in (["up"], ["stock", "show"], ["po", "list"], ["setup"]):
        result = CliRunner().invoke(app, command, env={"DATABASE_URL": "postgresql://127.0.0.1:1/none"})
        assert (result.exit_code, result.stdout, result.stderr) == (1, "", f"UnknownSetting: {told}\n")


@pytest.mark.parametrize("address", ["9464", "localhost:9464", "127.0.0.1:99999", ":9464"])
def test_a_metrics_address_that_is_none_is_refused_in_one_line(address: str) -> None:
    with pytest.raises(StockkeeperError) as refused:
        serve_metrics(Settings(metrics_address=address))
    assert str(refused.value) == (
        f"STOCKKEEPER_METRICS_ADDRESS {address} must be an IP address and a port, such as 0.0.0.0:9464"
    )


@pytest.mark.parametrize("address", ["8086", "localhost:8086", "127.0.0.1:99999", ":8086"])
def test_an_address_for_probes_that_is_none_is_refused_by_name(environ: Set, address: str) -> None:
    environ("STOCKKEEPER_HEALTH_ADDRESS", address)
    with pytest.raises(ValidationError) as caught:
        Settings()
    assert "must be an IP address and a port, such as 0.0.0.0:8086" in str(caught.value)
    environ("STOCKKEEPER_HEALTH_ADDRESS", "")
    assert not Settings().health_address


def test_a_worker_has_a_thread_for_each_activity_and_fewer_connections() -> None:
    settings = Settings(concurrency=4)
    assert (settings.local_slots, settings.threads, settings.connections) == (12, 16, 8)


def test_a_step_that_waits_for_a_connection_and_for_a_row_ends_before_its_attempt_is_given_up() -> None:
    rows = timedelta(seconds=float(_SETTINGS["lock_timeout"].removesuffix("s")))
    assert timedelta(seconds=CONNECTION_WITHIN_SECONDS) + rows < LOCAL_WRITE["start_to_close_timeout"]


@pytest.mark.parametrize(
    ("serves", "queue", "connections"),
    [("all", "orders", 20), ("orders", "orders", 20), ("bulk", "orders-bulk", 2)],
)
def test_bulk_work_has_a_queue_and_connections_of_its_own(
    environ: Set, serves: str, queue: str, connections: int
) -> None:
    environ("STOCKKEEPER_TASK_QUEUE", "orders")
    environ("STOCKKEEPER_SERVES", serves)
    settings = Settings()
    assert (settings.queue, settings.connections, settings.bulk_concurrency) == (queue, connections, 2)


def test_several_databases_are_named_by_their_task_queues_and_all_but_the_first_have_ids_of_their_own(
    environ: Set,
) -> None:
    assert (Settings().databases, Settings().own_suffix) == ("", "")
    environ("STOCKKEEPER_DATABASES", " north, south ,")
    environ("STOCKKEEPER_TASK_QUEUE", "south")
    assert (Settings().databases, Settings().own_suffix) == ("north,south", "-south")
    assert databases_by_environment() == ["north", "south"]
    environ("STOCKKEEPER_TASK_QUEUE", "north")
    assert Settings().own_suffix == ""


@pytest.mark.parametrize("databases", ["north", "north,north"])
def test_one_database_is_not_several(environ: Set, databases: str) -> None:
    environ("STOCKKEEPER_DATABASES", databases)
    with pytest.raises(ValidationError, match=r"\ndatabases\n"):
        Settings()
    with pytest.raises(StockkeeperError, match="the task queues of two databases at least, each once"):
        databases_by_environment()
