"""The Nexus service, as workflows of another team in another namespace call it."""

import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from pydantic import SecretStr
from sqlalchemy import Engine, text
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionRequest, RegisterNamespaceRequest
from temporalio.client import Client, WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Worker

from database.sessions import Database
from devstack.doctor_temporal import nexus_check
from devstack.processes import free_port
from devstack.stack import StackInfo
from starter.nexus import Target, find_endpoint, make_endpoint
from stockkeeper.contracts.errors import StockkeeperError
from stockkeeper.contracts.identity import HEADER
from stockkeeper.contracts.reservation import ReservationRequest
from stockkeeper.domain.stock import ItemKey
from tests.support import nexus, rows
from tests.support.identity import Provider
from tests.support.rows import movements
from tests.support.shop import new_reference
from tests.support.wire import eventually
from worker import Settings, build_database, working

NAMESPACE = "another-team"
THEIR_QUEUE = "another-teams"
ENDPOINT = "inventory-of-tests"
QUEUE = "asked-by-nexus"


class Team:
    """Another team's client."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def asks(self, *asked: tuple[str, Any]) -> list[dict[str, Any]]:
        """What some operations answer that are called at once."""
        return await (await self.begins(*asked)).result()

    async def begins(
        self, *asked: tuple[str, Any], endpoint: str = ENDPOINT, token: str | None = None
    ) -> WorkflowHandle[nexus.Asks, list[dict[str, Any]]]:
        """A run that asks, with an identity if one is given."""
        headers = None if token is None else {HEADER: token}
        return await self.client.start_workflow(
            nexus.Asks.run, args=[endpoint, [*asked], headers], id=str(uuid.uuid4()), task_queue=THEIR_QUEUE
        )

    async def answer(self, operation: str, message: Any) -> Any:
        """The answer of an operation that isn't refused."""
        [told] = await self.asks((operation, message))
        assert "answer" in told, told
        return told["answer"]

    async def refusals(self, *asked: tuple[str, Any]) -> list[tuple[str, Any]]:
        """Type and details of the contract's error in each, which is behind those of Temporal and of Nexus."""
        refused = [told["refused"] for told in await self.asks(*asked)]
        for outermost, of_nexus, ours in refused:
            assert outermost["class"] == "NexusOperationError"
            assert (of_nexus["type"], of_nexus["message"]) == ("OperationError", ours["message"])
            assert ours["non_retryable"]
        return [(ours["type"], ours["details"][0]) for _, _, ours in refused]


@pytest.fixture(scope="module")
async def team(stack: StackInfo, our_client: Client, database: Database, settings: Settings) -> AsyncIterator[Team]:
    """Their worker in their namespace, and ours behind the endpoint."""
    await our_client.workflow_service.register_namespace(
        RegisterNamespaceRequest(namespace=NAMESPACE, workflow_execution_retention_period=Duration(seconds=86_400))
    )
    assert await make_endpoint(our_client, ENDPOINT, QUEUE)
    theirs = await Client.connect(stack.temporal_address, namespace=NAMESPACE, data_converter=pydantic_data_converter)
    behind = settings.model_copy(update={"task_queue": QUEUE, "nexus_endpoint": ENDPOINT})
    async with (
        working(our_client, database, behind),
        Worker(theirs, task_queue=THEIR_QUEUE, workflows=[nexus.Asks, nexus.Checkout]),
    ):
        yield Team(theirs)


def order(reference: str, item: ItemKey, quantity: int, **other: Any) -> dict[str, Any]:
    """The message of `reserve` and `hold`."""
    line = {"product_id": item.product_id, "warehouse_id": item.warehouse_id, "quantity": quantity}
    return {"reference_id": reference, "lines": [line], "performed_by": "their checkout"} | other


async def levels_of(team: Team, item: ItemKey) -> tuple[int, int]:
    """On hand and reserved, by the service."""
    asked = {"product_ids": [item.product_id], "warehouse_ids": [item.warehouse_id]}
    [level] = (await team.answer("levels", asked))["levels"]
    return level["quantity_on_hand"], level["quantity_reserved"]


async def test_another_team_looks_holds_ships_a_part_and_gives_the_rest_back(team: Team, item: ItemKey) -> None:
    reference = new_reference()
    promised = await team.answer("promise", {"lines": [{"product_id": item.product_id, "quantity": 4}]})
    assert [line["quantity"] for line in promised["lines"]] == [4]
    held = await team.answer("reserve", order(reference, item, 3))
    assert (held["status"], await levels_of(team, item)) == ("ACTIVE", (4, 3))
    assert await team.answer("reserve", order(reference, item, 3)) == held
    one = [{"product_id": item.product_id, "quantity": 1}]
    part = {"reference_id": reference, "performed_by": "their packing", "lines": one, "fulfillment_id": "parcel-1"}
    for _ in range(2):
        shipped = await team.answer("fulfil", part)
        assert (shipped["status"], shipped["lines"][0]["quantity_fulfilled"]) == ("ACTIVE", 1)
    assert await levels_of(team, item) == (3, 2)
    gone = {"reference_id": reference, "performed_by": "their checkout", "reason": "the shopper has gone"}
    for _ in range(2):
        assert (await team.answer("cancel", gone))["status"] == "CANCELLED"
    assert await levels_of(team, item) == (3, 0)


async def test_who_ships_is_in_the_ledger(team: Team, item: ItemKey, engine: Engine) -> None:
    reference = new_reference()
    await team.answer("reserve", order(reference, item, 1))
    shipped = await team.answer("fulfil", {"reference_id": reference, "performed_by": "their packing"})
    assert shipped["status"] == "FULFILLED"
    assert await levels_of(team, item) == (3, 0)
    sale = (item.warehouse_id, item.product_id, "SALE", -1, 3, "their packing", f"fulfilled ORDER {reference}")
    assert movements(engine, reference) == [sale]


async def test_refusals_arrive_with_their_type_and_details_and_change_nothing(team: Team, item: ItemKey) -> None:
    short = {"product_id": item.product_id, "warehouse_id": item.warehouse_id, "requested": 5, "available": 4}
    unknown = ItemKey(item.warehouse_id, 2_000_000_000)
    assert await team.refusals(
        ("reserve", order(new_reference(), item, 5)),
        ("hold", order(new_reference(), item, 5)),
        ("reserve", order(new_reference(), unknown, 1)),
    ) == [
        ("InsufficientStock", [short]),
        ("InsufficientStock", [short]),
        ("UnknownProduct", {"product_ids": [2_000_000_000]}),
    ]
    wrong = ({"lines": "none", "no_such_field": 1}, None, [1])
    operations = ("levels", "promise", "reserve", "hold", "fulfil", "cancel")
    refused = await team.refusals(*((operation, message) for operation in operations for message in wrong))
    assert [code for code, _ in refused] == ["InvalidRequest"] * 18
    assert await levels_of(team, item) == (4, 0)


async def test_a_closed_reservation_says_so_and_one_that_was_never_started_is_not_found(
    team: Team, item: ItemKey
) -> None:
    reference, other = new_reference(), new_reference()
    ship = {"reference_id": reference, "performed_by": "their packing"}
    give_up = ship | {"reason": "not wanted"}
    for found in await team.asks(("fulfil", ship), ("cancel", give_up)):
        of_nexus = found["refused"][1]
        assert (of_nexus["class"], of_nexus["type"], of_nexus["retryable"]) == ("HandlerError", "NOT_FOUND", False)
    await team.asks(("reserve", order(reference, item, 1)), ("reserve", order(other, item, 1)))
    await team.answer("cancel", give_up)
    refused = await team.refusals(
        ("fulfil", ship),
        ("reserve", order(reference, item, 1)),
        ("reserve", order(other, item, 2)),
        ("hold", order(other, item, 2)),
    )
    assert refused[:2] == [
        ("InvalidState", {"status": "CANCELLED", "command": "fulfill"}),
        ("InvalidState", {"status": "CANCELLED", "command": "reserve"}),
    ]
    assert [code for code, _ in refused[2:]] == ["OperationConflict", "OperationConflict"]
    assert await levels_of(team, item) == (4, 1)


async def _checks_out(team: Team, reference: str, item: ItemKey) -> WorkflowHandle[nexus.Checkout, Any]:
    request = ReservationRequest.model_validate(order(reference, item, 2))
    checkout = await team.client.start_workflow(
        nexus.Checkout.run, args=[ENDPOINT, request], id=str(uuid.uuid4()), task_queue=THEIR_QUEUE
    )
    await checkout.execute_update(nexus.Checkout.held)
    return checkout


async def test_an_operation_that_has_started_holds_stock_until_it_is_cancelled(team: Team, item: ItemKey) -> None:
    checkout = await _checks_out(team, new_reference(), item)
    assert await levels_of(team, item) == (4, 2)
    await checkout.signal(nexus.Checkout.leave)
    assert (await checkout.result()).status == "CANCELLED"
    assert await levels_of(team, item) == (4, 0)


async def test_an_operation_that_holds_stock_ends_when_it_is_shipped(team: Team, item: ItemKey) -> None:
    reference = new_reference()
    checkout = await _checks_out(team, reference, item)
    await team.answer("fulfil", {"reference_id": reference, "performed_by": "their packing"})
    assert (await checkout.result()).status == "FULFILLED"
    assert await levels_of(team, item) == (2, 0)


async def test_while_the_database_is_away_temporal_asks_again(
    team: Team, our_client: Client, settings: Settings
) -> None:
    nowhere = SecretStr(f"postgresql://nobody@127.0.0.1:{free_port()}/nothing")
    away = settings.model_copy(
        update={"database_url": nowhere, "task_queue": f"{QUEUE}-away", "nexus_endpoint": f"{ENDPOINT}-away"}
    )
    await make_endpoint(our_client, f"{ENDPOINT}-away", f"{QUEUE}-away")
    database = build_database(away)
    async with working(our_client, database, away):
        asking = await team.begins(("levels", {}), endpoint=f"{ENDPOINT}-away")

        async def failures() -> list[str]:
            described = await team.client.workflow_service.describe_workflow_execution(
                DescribeWorkflowExecutionRequest(
                    namespace=NAMESPACE, execution=WorkflowExecution(workflow_id=asking.id)
                )
            )
            pending = [each.last_attempt_failure for each in described.pending_nexus_operations]
            return [each.nexus_handler_failure_info.type for each in pending]

        await eventually(failures, lambda found: found == ["UNAVAILABLE"])
        await asking.terminate()
    database.engine.dispose()


async def test_an_operation_carries_the_identity_that_its_header_has(
    team: Team,
    our_client: Client,
    database: Database,
    settings: Settings,
    item: ItemKey,
    engine: Engine,
    tmp_path: Path,
) -> None:
    provider = Provider(tmp_path / "keys.json")
    queue = endpoint = f"{ENDPOINT}-of-persons"
    assert await make_endpoint(our_client, endpoint, queue)
    behind = settings.model_copy(update={"task_queue": queue, "nexus_endpoint": endpoint} | provider.settings)

    async def ask(operation: str, message: Any, token: str | None) -> dict[str, Any]:
        [told] = await (await team.begins((operation, message), endpoint=endpoint, token=token)).result()
        return told

    async with working(our_client, database, behind):
        for token in (None, provider.token("ann", "look"), provider.token("ben", "sell")):
            reference = new_reference()
            refused = await ask("reserve", order(reference, item, 1, performed_by="ann"), token)
            assert refused["refused"][-1]["type"] == "NotPermitted"
            assert rows.found(engine, text("SELECT 1 FROM reservations WHERE reference_id = :number"), reference) == []
        ann, reference = provider.token("ann", "sell"), new_reference()
        held = await ask("reserve", order(reference, item, 1, performed_by="ann"), ann)
        assert held["answer"]["status"] == "ACTIVE"
        shipped = await ask("fulfil", {"reference_id": reference, "performed_by": "ann"}, ann)
        assert shipped["answer"]["status"] == "FULFILLED"
    sale = (item.warehouse_id, item.product_id, "SALE", -1, 3, "ann", f"fulfilled ORDER {reference}")
    assert movements(engine, reference) == [sale]


async def test_an_endpoint_is_made_once_and_not_taken_from_others(team: Team, our_client: Client) -> None:
    del team
    assert await find_endpoint(our_client, ENDPOINT) == Target(our_client.namespace, QUEUE)
    assert not await make_endpoint(our_client, ENDPOINT, QUEUE)
    with pytest.raises(StockkeeperError, match="leads elsewhere"):
        await make_endpoint(our_client, ENDPOINT, "another-queue")
    assert await find_endpoint(our_client, ENDPOINT) == Target(our_client.namespace, QUEUE)
    assert (await nexus_check(our_client, ENDPOINT, QUEUE)).ok
    elsewhere = await nexus_check(our_client, ENDPOINT, "another-queue")
    assert (elsewhere.ok, elsewhere.detail) == (False, f"endpoint {ENDPOINT} leads to queue {QUEUE} of default")
    missing = await nexus_check(our_client, "no-such-endpoint", QUEUE)
    assert (missing.ok, missing.advice) == (False, "run `stockkeeper setup`")
