"""The contract as other languages read it, and the interfaces on both sides of it."""

import inspect
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import nexusrpc
import pytest

from activities.audit_findings import AuditFindings
from activities.barcode import BarcodeQuestions
from activities.buffer import ItemBuffers
from activities.count_questions import CountQuestions
from activities.documents import DocumentQuestions
from activities.event import EventQuestions
from activities.event_subscriber import EventSubscriberSteps
from activities.homes import Homes
from activities.identity import IdentityChecks
from activities.import_preview import ImportPreviews
from activities.item_reasons import ItemReasons
from activities.ledger import LedgerQuestions
from activities.lot_questions import LotQuestions
from activities.lot_trace import LotTraces
from activities.move import MoveSteps
from activities.notice import NoticeSteps
from activities.operations import OperationQuestions
from activities.order_promising import OrderPromises
from activities.plan_questions import PlanQuestions
from activities.product import ProductNaming
from activities.runs import Runs
from activities.stock import StockQuestions
from activities.supply import SupplyQuestions
from activities.transfer_mirror import TransferMirror
from activities.waiting import WaitingQuestions
from activities.webhook_secret import WebhookSecrets
from stockkeeper.client.inventory_service import InventoryHandlers
from stockkeeper.contracts import errors
from stockkeeper.contracts.audit_findings import AuditFindingActivities
from stockkeeper.contracts.barcode import BarcodeActivities
from stockkeeper.contracts.buffer import BufferActivities
from stockkeeper.contracts.count_questions import CountQuestionActivities
from stockkeeper.contracts.documents import DocumentActivities
from stockkeeper.contracts.event import EventActivities
from stockkeeper.contracts.event_subscriber import EventSubscriberActivities, WebhookSecretActivities
from stockkeeper.contracts.homes import HomeActivities
from stockkeeper.contracts.identity import IdentityActivities
from stockkeeper.contracts.import_preview import ImportPreviewActivities
from stockkeeper.contracts.inventory_service import SERVICE, operations
from stockkeeper.contracts.item_reasons import ItemReasonActivities
from stockkeeper.contracts.ledger import LedgerActivities
from stockkeeper.contracts.lot_questions import LotQuestionActivities
from stockkeeper.contracts.lot_trace import LotTraceActivities
from stockkeeper.contracts.move import MoveActivities
from stockkeeper.contracts.notice import NoticeActivities
from stockkeeper.contracts.operation import OperationActivities
from stockkeeper.contracts.order_promising import OrderPromisingActivities
from stockkeeper.contracts.plan_questions import PlanQuestionActivities
from stockkeeper.contracts.processes import PROCESSES
from stockkeeper.contracts.product import ProductActivities
from stockkeeper.contracts.schema import generate
from stockkeeper.contracts.stock import StockActivities
from stockkeeper.contracts.stock_audit import RunActivities
from stockkeeper.contracts.supply import SupplyActivities
from stockkeeper.contracts.transfer_mirror import TransferMirrorActivities
from stockkeeper.contracts.waiting import WaitingActivities
from worker import WORKFLOWS, activities_of, steps_of
from workflows.move import MoveWarehouseWorkflow
from workflows.unknown import KnowsItsCommands

CONTRACTS = Path(__file__).parents[2] / "stockkeeper" / "contracts"


def _members(owner: type, *, but_of: type = object) -> dict[str, Any]:
    """The members of a class and of its bases, but not those that it has only from one of them."""
    bases = [each for each in reversed(owner.__mro__) if each is not but_of]
    return {name: member for each in bases for name, member in vars(each).items()}


def _activities(owner: type, *, but_of: type = object) -> dict[str, str]:
    """Its methods that are activities, and the names that they go by."""
    members = _members(owner, but_of=but_of)
    marked = {name: getattr(member, "__temporal_activity_definition", None) for name, member in members.items()}
    return {name: definition.name for name, definition in marked.items() if definition is not None}


INTERFACES: list[tuple[type, type]] = [
    *((process.activities, steps_of(process)) for process in PROCESSES),
    (CountQuestionActivities, CountQuestions),
    (LotQuestionActivities, LotQuestions),
    (LotTraceActivities, LotTraces),
    (PlanQuestionActivities, PlanQuestions),
    (NoticeActivities, NoticeSteps),
    (IdentityActivities, IdentityChecks),
    (StockActivities, StockQuestions),
    (DocumentActivities, DocumentQuestions),
    (LedgerActivities, LedgerQuestions),
    (ItemReasonActivities, ItemReasons),
    (AuditFindingActivities, AuditFindings),
    (OperationActivities, OperationQuestions),
    (ProductActivities, ProductNaming),
    (HomeActivities, Homes),
    (TransferMirrorActivities, TransferMirror),
    (MoveActivities, MoveSteps),
    (EventSubscriberActivities, EventSubscriberSteps),
    (WebhookSecretActivities, WebhookSecrets),
    (ImportPreviewActivities, ImportPreviews),
    (SupplyActivities, SupplyQuestions),
    (BarcodeActivities, BarcodeQuestions),
    (EventActivities, EventQuestions),
    (BufferActivities, ItemBuffers),
    (RunActivities, Runs),
    (WaitingActivities, WaitingQuestions),
    (OrderPromisingActivities, OrderPromises),
]


@pytest.mark.parametrize(("interface", "implementation"), INTERFACES, ids=lambda each: each.__name__)
def test_every_activity_is_implemented_under_its_name(interface: type, implementation: type) -> None:
    assert _activities(interface)
    assert _activities(implementation, but_of=interface) == _activities(interface)


IN_THE_LOOP = {"ask_for_reorder", "find_running", "find_holders", "ask_retention", "identify", "read_events"} | {
    "show_webhook_secret",
    "check_subscription",
    "deliver_events",
}
"""Activities that run in the event loop, where a transaction would stop everybody: they only talk to Temporal, or to
the identity provider; or have the database read, and webhooks sent, in threads."""


@pytest.mark.parametrize(("interface", "implementation"), INTERFACES, ids=lambda each: each.__name__)
def test_no_activity_is_cut_off_in_the_middle_of_its_transaction(interface: type, implementation: type) -> None:
    for name in _activities(interface):
        activity: Any = _members(implementation, but_of=interface)[name]
        if name not in IN_THE_LOOP:
            assert not inspect.iscoroutinefunction(activity), name
            assert activity.__temporal_activity_definition.no_thread_cancel_exception, name


def test_what_runs_in_the_event_loop_has_no_transaction_to_be_cut_off_in() -> None:
    in_the_loop = set()
    for interface, implementation in INTERFACES:
        for name in _activities(interface):
            activity: Any = _members(implementation, but_of=interface)[name]
            assert inspect.iscoroutinefunction(vars(interface)[name]) == inspect.iscoroutinefunction(activity), name
            if inspect.iscoroutinefunction(activity):
                in_the_loop.add(name)
                assert "_database" not in activity.__code__.co_names, name
    assert in_the_loop == IN_THE_LOOP


def test_every_interface_of_the_contract_is_looked_at() -> None:
    protocols = {
        name
        for path in CONTRACTS.glob("*.py")
        for name in re.findall(r"^class (\w+)\(Protocol\)", path.read_text(), re.MULTILINE)
    }
    assert protocols == {interface.__name__ for interface, _ in INTERFACES}


def test_a_worker_finds_every_activity_of_an_implementation() -> None:
    for interface, implementation in INTERFACES:
        found = {member.__name__ for member in activities_of(object.__new__(implementation))}
        assert found == set(_activities(interface))


def test_no_two_workflows_and_no_two_activities_have_the_same_name() -> None:
    workflows = [vars(workflow)["__temporal_workflow_definition"].name for workflow in WORKFLOWS]
    activities = [name for interface, _ in INTERFACES for name in _activities(interface).values()]
    for names in (workflows, activities):
        assert len(names) == len(set(names))


def test_signals_and_updates_of_other_names_are_treated_alike_everywhere() -> None:
    of_others = [
        workflow
        for workflow in (*WORKFLOWS, MoveWarehouseWorkflow)
        if not issubclass(workflow, KnowsItsCommands) or "unknown_signal" in vars(workflow)
    ]
    # It is over as soon as it has answered.
    assert [workflow.__name__ for workflow in of_others] == ["QuestionWorkflow"]


def test_the_handlers_of_the_nexus_service_have_the_operations_of_its_definition() -> None:
    handled = nexusrpc.get_service_definition(InventoryHandlers)
    assert handled is not None
    assert handled.name == SERVICE
    answers = {each.name: each.output_type for each in handled.operation_definitions.values()}
    assert answers == {name: answer for name, (_, answer) in operations().items()}
    assert {*answers} == {"levels", "promise", "reserve", "hold", "fulfil", "cancel"}
    # Whatever comes is checked by the handler itself.
    assert {each.input_type for each in handled.operation_definitions.values()} == {Any}


def test_the_written_schema_is_the_one_of_the_models() -> None:
    written = (CONTRACTS / "schema.json").read_text()
    assert json.loads(written) == generate()
    assert written == json.dumps(generate(), indent=2, sort_keys=True) + "\n"


BEFORE = Path(__file__).with_name("contract_before.json")
"""The contract of 0.1.0: callers rely on all of it, but that the details of NotPermitted were any object."""
_GROWING = {"enum", "errors", "search_attributes", "updates_without_payload"}
"""Lists to which values may be added."""
_NULL_BY_NOW = (("ShortageDetails", "warehouse_id"), ("ShortageState", "warehouse_id"))
"""Fields of answers that are null only where the start left the warehouse open, which 0.1.0 refused."""


def _missing(before: Any, now: Any, place: str, *, received: bool) -> list[str]:
    """What was there before and is no longer, or is otherwise.

    A state may be given further fields that are always there; a message that a caller sends may not.
    """
    if isinstance(before, dict) and isinstance(now, dict):
        return [
            missing
            for key, value in before.items()
            for missing in (
                _missing(value, now[key], f"{place}/{key}", received=received) if key in now else [f"{place}/{key}"]
            )
        ]
    if isinstance(before, list) and isinstance(now, list):
        name = place.rpartition("/")[2]
        if name in _GROWING or (name == "required" and not received):
            return [f"{place}: {value}" for value in before if value not in now]
    return [] if before == now else [place]


def _undescribed(schema: Any) -> Any:
    """The same without descriptions, which are for people and may be reworded."""
    if isinstance(schema, dict):
        return {
            key: _undescribed(value)
            for key, value in schema.items()
            if key != "description" or not isinstance(value, str)
        }
    return [_undescribed(each) for each in schema] if isinstance(schema, list) else schema


def test_nothing_of_the_contract_before_is_missing() -> None:
    before, now = _undescribed(json.loads(BEFORE.read_text())), _undescribed(generate())
    sent = [name for name, schema in now["$defs"].items() if schema.get("additionalProperties") is False]
    assert len(sent) > 30
    for name, field in _NULL_BY_NOW:
        described = now["$defs"][name]["properties"][field]
        assert described.pop("anyOf") == [{"type": "integer"}, {"type": "null"}]
        described["type"] = "integer"
    for name, schema in before["$defs"].items():
        assert _missing(schema, now["$defs"][name], name, received=name in sent) == []
    assert _missing({**before, "$defs": {}}, now, "", received=True) == []


def test_a_message_that_needs_more_than_before_would_be_seen() -> None:
    before, now = {"required": ["a"], "enum": ["X"]}, {"required": ["a", "b"], "enum": ["X", "Y"]}
    assert _missing(before, now, "M", received=True) == ["M/required"]
    assert _missing(before, now, "M", received=False) == []
    assert _missing(now, before, "M", received=False) == ["M/required: b", "M/enum: Y"]


def test_the_schema_has_everything_on_the_wire() -> None:
    schema = generate()
    assert (
        schema["version"] == tomllib.loads((CONTRACTS.parents[1] / "pyproject.toml").read_text())["project"]["version"]
    )
    assert set(schema["error_details"]) == set(schema["errors"])
    memos = {name for name, workflow in schema["workflows"].items() if "memo" in workflow}
    assert memos == {process.workflow_type for process in PROCESSES if process.memo is not None}
    assert set(schema["questions"]) == _questions()
    assert "give_way" in schema["workflows"]["ReservationWorkflow"]["commands"]


def _questions() -> set[str]:
    """The activities that a service may ask, by the interfaces that answer questions."""
    asked = (
        *(StockActivities, DocumentActivities, LedgerActivities, CountQuestionActivities, AuditFindingActivities),
        *(OperationActivities, ProductActivities, HomeActivities, BufferActivities, ImportPreviewActivities),
        ItemReasonActivities,
        *(WaitingActivities, OrderPromisingActivities, SupplyActivities, PlanQuestionActivities, EventActivities),
        *(WebhookSecretActivities, LotQuestionActivities, LotTraceActivities, BarcodeActivities),
    )
    return {name for interface in asked for name in _activities(interface).values()} | {"show_plans", "set_planning"}


def test_every_workflow_of_the_schema_has_its_commands_as_update_and_as_signal() -> None:
    definitions = {
        definition.name: definition
        for definition in (
            vars(workflow)["__temporal_workflow_definition"] for workflow in (*WORKFLOWS, MoveWarehouseWorkflow)
        )
    }
    for name, described in generate()["workflows"].items():
        commands = set(described["commands"])
        assert commands <= set(definitions[name].signals)
        # The one without a name refuses all others.
        assert {*commands, *described["updates_without_payload"], None} == set(definitions[name].updates)
        assert "state" in definitions[name].queries


def test_every_error_says_what_it_is() -> None:
    for name in errors.__all__:
        assert inspect.getdoc(getattr(errors, name)), name
