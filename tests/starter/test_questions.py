"""Questions where the server has standalone activities switched off: a workflow answers them, as if nothing were."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from database.sessions import Database
from devstack.temporal import DYNAMIC_CONFIG, DevServer
from starter.namespace import has_standalone_activities, register_search_attributes
from stockkeeper import (
    Connection,
    InvalidRequest,
    Line,
    ReservationStatus,
    Stockkeeper,
    UnknownProduct,
    UnknownWarehouse,
)
from stockkeeper.client.connection import connect_plainly
from stockkeeper.contracts.question import QUESTIONS, WORKFLOW_TYPE
from tests.support.commands import names
from tests.support.shop import Shop, new_reference
from tests.support.wire import eventually
from worker import Settings, working

OFF = {"activity.enableStandalone": False}


@pytest.fixture(scope="module")
async def old_server(
    tmp_path_factory: pytest.TempPathFactory, database: Database, settings: Settings
) -> AsyncIterator[Client]:
    """A server as they were before 1.32, with a worker on the same database."""
    server = DevServer(tmp_path_factory.mktemp("old"), headless=True, dynamic_config={**DYNAMIC_CONFIG, **OFF})
    await asyncio.to_thread(server.start)
    try:
        client = await connect_plainly(server.address, "default")
        await register_search_attributes(client)
        async with working(client, database, settings):
            yield client
    finally:
        await asyncio.to_thread(server.stop)


@pytest.fixture
def old(old_server: Client, settings: Settings) -> Stockkeeper:
    """A service's client at that server."""
    return Stockkeeper(Connection(old_server, settings.task_queue))


async def test_the_same_answers_come_both_ways(
    old: Stockkeeper, stock: Stockkeeper, shop: Shop, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("activities.stock.LEVELS_AT_ONCE", 2)
    warehouse = shop.warehouse()
    items = [shop.item(units, warehouse=warehouse) for units in (3, 5, 7)]
    _, place = names(engine, items[0])
    asked: list[tuple[Any, Any]] = [
        (each.levels(warehouse=place), each.stock_at(datetime.now(UTC), warehouse=warehouse)) for each in (old, stock)
    ]
    answers = [([level async for level in now], [level async for level in then]) for now, then in asked]
    assert answers[0] == answers[1]
    assert sorted(level.quantity_on_hand for level in answers[0][0]) == [3, 5, 7]
    planned = await old.set_by_hand(items[0].product_id, warehouse, reorder_point=2, performed_by="ann")
    assert [plan async for plan in stock.plans(product=items[0].product_id, warehouse=place)] == [planned]
    assert (old.connection.standalone_activities, stock.connection.standalone_activities) == (False, True)


async def test_the_same_refusals_come_both_ways(old: Stockkeeper, stock: Stockkeeper) -> None:
    for each in (old, stock):
        with pytest.raises(UnknownProduct, match=r"^no product is called 'nothing'$"):
            await each.terms("nobody", ["nothing"])
        with pytest.raises(UnknownWarehouse) as unknown:
            [_ async for _ in each.levels(warehouse=10**12)]
        assert unknown.value.details == {"warehouse_ids": [10**12]}


async def test_the_connection_remembers_which_way_works(old: Stockkeeper, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = 0

    async def refused(*_: Any, **__: Any) -> None:
        nonlocal tried
        tried += 1
        raise RPCError("Standalone activity is disabled", RPCStatusCode.UNIMPLEMENTED, b"")

    monkeypatch.setattr(old.client, "execute_activity", refused)
    for _ in range(3):
        assert (await old.names([10**12])).skus == {}
    assert tried == 1


async def test_setup_finds_out_which_way_works(old_server: Client, our_client: Client) -> None:
    assert not await has_standalone_activities(old_server)
    assert await has_standalone_activities(our_client)


async def test_any_client_may_start_the_workflow(
    plain_client: Client, worker: None, settings: Settings, shop: Shop, engine: Engine
) -> None:
    del worker
    item = shop.item(4)
    sku, place = names(engine, item)

    async def ask(request: Any) -> Any:
        name = new_reference("question")
        return await plain_client.execute_workflow(WORKFLOW_TYPE, request, id=name, task_queue=settings.task_queue)

    answer = await ask(
        {"question": "show_levels", "payload": {"products": [sku], "warehouse_ids": [item.warehouse_id]}}
    )
    assert [(level["sku"], level["warehouse"], level["quantity_available"]) for level in answer["levels"]] == [
        (sku, place, 4)
    ]
    wrong: dict[str, tuple[Any, str]] = {
        "no question of that name": ({"question": "guess", "payload": {}}, "InvalidRequest"),
        "no payload": ({"question": "show_levels"}, "InvalidRequest"),
        "another field": ({"question": "show_levels", "payload": {"colour": "red"}}, "InvalidRequest"),
        "another type": ({"question": "show_levels", "payload": {"product": 7}}, "InvalidRequest"),
        "no object": ("show_levels", "InvalidRequest"),
        "null": (None, "InvalidRequest"),
        "unknown": ({"question": "show_levels", "payload": {"product": "nothing"}}, "UnknownProduct"),
    }
    for request, code in wrong.values():
        with pytest.raises(WorkflowFailureError) as failed:
            await ask(request)
        assert isinstance(failed.value.cause, ApplicationError)
        assert failed.value.cause.type == code


async def test_products_and_places_go_by_names_or_ids(
    stock: Stockkeeper, shop: Shop, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse = shop.warehouse()
    first, second, third = (shop.item(units, warehouse=warehouse) for units in (3, 5, 7))
    (sku, place), (other, _) = names(engine, first), names(engine, second)
    asked: list[str] = []
    execute = stock.client.execute_activity

    async def counted(name: str, *arguments: Any, **options: Any) -> Any:
        asked.append(name)
        return await execute(name, *arguments, **options)

    monkeypatch.setattr(stock.client, "execute_activity", counted)
    levels = [level async for level in stock.levels([sku, second.product_id], place)]
    assert sorted(level.quantity_on_hand for level in levels) == [3, 5]
    assert asked == ["show_levels"]
    hold = await stock.reserve(
        new_reference(),
        [Line(sku, place, quantity=1), Line(other, place, quantity=2), Line(third.product_id, warehouse, quantity=3)],
        performed_by="checkout",
    )
    assert asked == ["show_levels", "find_items"]
    assert [(line.product_id, line.quantity) for line in hold.state.lines] == [
        (first.product_id, 1),
        (second.product_id, 2),
        (third.product_id, 3),
    ]
    held = f"{hold.state.expires_at:%H:%M} UTC" if hold.state.expires_at else ""
    shown = repr(hold)
    assert shown.startswith(f"<Hold {hold.reference_id} ACTIVE until ")
    assert shown.endswith(f"{held}: 1 of {sku}, 2 of {other}, and 1 more line>")
    await hold.fulfill([Line(sku, quantity=1)], performed_by="packing")
    await eventually(
        lambda: stock.holds(sku=sku, status=ReservationStatus.ACTIVE),
        lambda found: [each.number for each in found] == [hold.reference_id],
    )


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([], "lines: List should have at least 1 item after validation, not 0"),
        ([Line(7, 1, quantity=0)], "lines.0.quantity: Input should be greater than 0"),
        ([Line("TEA", "Hamburg", quantity=0)], "lines.0.quantity: Input should be greater than 0"),
        ([Line(7, 1, quantity="2")], "lines.0.quantity: Input should be a valid integer"),  # type: ignore[arg-type]
        ([Line(2.5, 1, quantity=2)], "lines.0.product_id: Input should be a valid integer"),  # type: ignore[arg-type]
        ([Line("", 1, quantity=2)], "lines.0.product_id: Input should be a valid integer"),
        ([None], "lines.0: Input should be an object"),
        (None, "lines: Input should be a valid array"),
    ],
    ids=str,
)
async def test_lines_that_are_wrong_fail_alike_and_ask_nothing(stock: Stockkeeper, lines: Any, told: str) -> None:
    unconnected = Stockkeeper(Connection(stock.client, "nobody-listens"))
    with pytest.raises(InvalidRequest) as refused:
        await unconnected.reserve(new_reference(), lines, performed_by="checkout")
    assert str(refused.value) == told


def test_every_question_is_known_by_the_name_of_its_activity() -> None:
    for name, question in QUESTIONS.items():
        assert vars(question.activity)["__temporal_activity_definition"].name == name
