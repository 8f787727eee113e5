"""A plain client that had no answer asks whether its command was carried out: by workflow, command and key."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine
from temporalio.client import Client

from tests.support.adjustment import Adjusting, approval, cancellation, pending
from tests.support.approvals import ONE_APPROVAL
from tests.support.books import nothing_is_stored
from tests.support.customer_return import Returns, found, inspection, sent
from tests.support.cycle_count import Counts, counted, one_count
from tests.support.purchase_order import Purchasing, came, receipt
from tests.support.reservation import Orders, one_hold
from tests.support.shop import Shop, new_reference
from tests.support.transfer import Transfers, arrival, arrived, journey
from tests.support.wire import Caller, Json, at_once, line
from worker import Settings

KEY = "the-call"


@pytest.fixture
def ask(plain_client: Client, worker: None, settings: Settings) -> Any:
    """Asks ``find_operation`` in plain JSON."""
    del worker

    async def asked(**question: Json) -> Json:
        return await plain_client.execute_activity(
            "find_operation",
            question,
            id=new_reference("asked"),
            task_queue=settings.task_queue,
            schedule_to_close_timeout=timedelta(seconds=15),
        )

    return asked


async def test_every_command_is_found_by_workflow_command_and_key(
    ask: Any,
    orders: Orders,
    purchasing: Purchasing,
    transfers: Transfers,
    returns: Returns,
    adjusting: Adjusting,
    counts: Counts,
    shop: Shop,
    engine: Engine,
) -> None:
    by: dict[str, Json] = {"performed_by": "ann"}
    because = by | {"reason": "because"}

    async def carried_out(caller: Caller, number: str, *commands: tuple[str, dict[str, Json], str]) -> list[Json]:
        questions = []
        for name, payload, key in commands:
            await caller.update(number, name, payload, update_id=f"{KEY}-{name}" if key == KEY else None)
            given = f"{KEY}-{name}" if key == KEY else key
            questions.append({"workflow_id": f"{caller.prefix}{number}", "command": name, "key": given})
        return questions

    async def hold() -> list[Json]:
        reference, item, _ = await one_hold(orders, shop, 3)
        parcel = by | {"lines": [line(item, 1)], "fulfillment_id": "parcel/1"}
        minutes = by | {"ttl_minutes": 5}
        return await carried_out(
            orders, reference, ("fulfill", parcel, "parcel/1"), ("extend", minutes, KEY), ("cancel", because, KEY)
        )

    async def order() -> list[Json]:
        item, number = shop.item(1), new_reference("po")
        await purchasing.draft(number, shop.supplier(), [(item, 3)], approval=ONE_APPROVAL)
        return await carried_out(
            purchasing,
            number,
            ("approve", {"approver": "ben", "note": "fine"}, KEY),
            ("confirm", by | {"expected_delivery_date": None}, KEY),
            ("receive", receipt("LS-1", came(item, 1)), "LS-1"),
            ("close_short", because, KEY),
        )

    async def transfer() -> list[Json]:
        moved = await journey(transfers, shop, "PENDING")
        came_in = arrival("LS-2", arrived(moved.source, 1))
        return await carried_out(
            transfers,
            moved.number,
            ("dispatch", by, KEY),
            ("receive", came_in, "LS-2"),
            ("cancel", because, KEY),
        )

    async def taken_back() -> list[Json]:
        back = await sent(returns, shop)
        looked_at = inspection(found(back.item, 0, 1), inspection_id="I-1")
        return await carried_out(returns, back.number, ("inspect", looked_at, "I-1"), ("close_short", because, KEY))

    async def put_right() -> list[Json]:
        approved, _ = await pending(adjusting, shop)
        cancelled, _ = await pending(adjusting, shop)
        return [
            *await carried_out(adjusting, approved, ("approve", approval(), KEY)),
            *await carried_out(adjusting, cancelled, ("cancel", cancellation(), KEY)),
        ]

    async def count() -> list[Json]:
        number, item = await one_count(counts, shop)
        return await carried_out(counts, number, ("record", counted(item, 3), KEY), ("cancel", because, KEY))

    questions = [
        question
        for asked in await at_once(hold(), order(), transfer(), taken_back(), put_right(), count())
        for question in asked
    ]
    with nothing_is_stored(engine):
        answers = await at_once(*(ask(**question) for question in questions))
        others = await at_once(*(ask(**question | {"key": "another"}) for question in questions))
    assert [question for question, answer in zip(questions, answers, strict=True) if not answer["done"]] == []
    assert [question for question, answer in zip(questions, others, strict=True) if answer["done"]] == []
    assert len(questions) == 16


async def test_contents_are_compared_if_they_are_given(ask: Any, orders: Orders, shop: Shop) -> None:
    reference, item, _ = await one_hold(orders, shop, 3)
    await orders.fulfill(reference, [line(item, 1)], fulfillment_id="parcel-1")
    asked = {"workflow_id": f"reservation-{reference}", "command": "fulfill", "key": "parcel-1"}

    def contents(units: int) -> dict[str, Json]:
        lines = [line(item, units) | {"reservation_id": None}]
        payload = {"reference_type": "ORDER", "reference_id": reference, "lines": lines}
        return {"kind": "fulfill_reservation", "payload": payload}

    answers = [await ask(**asked, **more) for more in ({}, contents(1), contents(2))]
    assert [(answer["done"], answer["same"]) for answer in answers] == [(True, None), (True, True), (True, False)]
    assert answers[0]["operation_id"] == f"reservation-{reference}/fulfill/parcel-1"
    assert answers[0]["performed_by"] == "picker"
