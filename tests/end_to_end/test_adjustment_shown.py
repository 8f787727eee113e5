"""What an operator, and whoever decides, sees of a run without reading code."""

from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Engine
from temporalio.api.enums.v1 import EventType

from stockkeeper.contracts.messages import utc
from tests.support.adjustment import Adjusting, named, pending, priced, rejection, stored
from tests.support.commands import names
from tests.support.shop import Shop, new_reference
from tests.support.shown import tells_its_commands
from tests.support.wire import Json, cells, eventually, refusal

TIMER = EventType.EVENT_TYPE_TIMER_STARTED
STEP = EventType.EVENT_TYPE_MARKER_RECORDED


async def test_runs_are_found_by_status_sku_warehouse_reference_worth_and_deadline(
    adjusting: Adjusting, shop: Shop, engine: Engine
) -> None:
    number, item = await pending(adjusting, shop)
    small = new_reference("a")
    await adjusting.adjust(small, (item, -1))
    sku, place = names(engine, item)
    mine = f'WorkflowType="AdjustmentWorkflow" and StockSkus="{sku}"'
    approve_by = stored(engine, number).created_at + timedelta(hours=168)
    soon, late = ((approve_by + timedelta(seconds=seconds)).isoformat() for seconds in (-1, 1))

    async def finds(query: str, *expected: str) -> None:
        await eventually(partial(adjusting.found, f"{mine} and {query}"), sorted(expected).__eq__)

    await finds(f'StockWarehouses="{place}"', number, small)
    await finds(f'StockReference="{small}"', small)
    await finds('StockStatus="PENDING"', number)
    await finds('StockStatus="POSTED"', small)
    await finds("StockAmount > 999.9 and StockAmount < 1000.1", number)
    await finds("StockAmount < 100.1", small)
    await finds(f'StockDeadline > "{soon}" and StockDeadline < "{late}"', number)
    await finds("StockDeadline is null", small)
    await adjusting.approve(number)
    # What is decided isn't waited for.
    await finds('StockStatus="POSTED" and StockDeadline is null', number, small)


async def test_a_list_shows_where_it_is_what_it_is_worth_and_why(
    adjusting: Adjusting, shop: Shop, engine: Engine
) -> None:
    number, item = await pending(adjusting, shop)
    assert await (await adjusting.handle(number).describe()).memo() == {
        "warehouse": names(engine, item)[1],
        "value": "1000.00",
        "unvalued_units": 0,
        "reason": "broken in the rain",
        "requested_by": "tom",
        "requested_at": stored(engine, number).created_at.isoformat(),
        "would_end": 0,
    }


async def test_the_details_tell_what_it_changes_who_decides_and_what_comes_next(
    adjusting: Adjusting, shop: Shop, engine: Engine
) -> None:
    dear = shop.item(12, product=priced(shop, "600.00"))
    plain = shop.item(12, warehouse=dear.warehouse_id)
    (sku, place), (other, _) = names(engine, dear), names(engine, plain)
    number, no, short = (new_reference("a") for _ in range(3))

    async def details(number: str) -> list[str]:
        return (await adjusting.metadata(number)).current_details.splitlines()

    state = await adjusting.adjust(number, (dear, -2), (plain, 3), reason="a|pipe burst")
    asked_at = utc(stored(engine, number).created_at)
    until = utc(datetime.fromisoformat(state["approve_by"]))
    worth = "1,200.00 and 3 units of unknown cost"
    lines = await details(number)
    above = "Above the limit: waits for an approval, by a person other than tom."
    then = f"Next: `approve`, `reject` or `cancel`; otherwise it is cancelled at {until}."
    assert lines[:3] == [
        f"**PENDING** · {place}, worth {worth}. {above} {then}",
        "",
        f"Asked for by tom at {asked_at}: a|pipe burst",
    ]
    assert [row for row in cells("\n".join(lines)) if not row[0].startswith("--")] == [
        ["product", "units", "unit cost", "value"],
        [sku, "-2", "600.00", "1,200.00"],
        [other, "+3", "unknown", ""],
    ]
    told = f"notice to warehouse (logged only): Approval wanted: {named(engine, number, worth)}"
    await eventually(lambda: details(number), lambda lines: any(line.endswith(told) for line in lines))
    await adjusting.approve(number, note="I saw it")
    await adjusting.result(number)
    ended = await details(number)
    assert ended[0] == f"**POSTED** · {place}, worth {worth}. In the books. Approved by ann: I saw it."

    await adjusting.adjust(no, (dear, -1))
    await adjusting.update(no, "reject", rejection())
    await adjusting.result(no)
    assert (await details(no))[0] == f"**REJECTED** · {place}, worth 600.00. Nothing was changed: count again."

    small = new_reference("a")
    await adjusting.adjust(small, (plain, 1))
    await adjusting.result(small)
    assert (await details(small))[0] == (
        f"**POSTED** · {place}, worth 1 unit of unknown cost. In the books. Within the limit: no approval was needed."
    )

    refused = await refusal(adjusting.adjust(short, (dear, -11)))
    await adjusting.result(short)
    lines = await details(short)
    assert lines[0] == f"**REJECTED** · Less is on hand than adjustment {short} takes off: nothing was changed."
    assert cells("\n".join(lines))[::2] == [
        ["product", "warehouse", "to be taken off", "on hand"],
        [f"product {dear.product_id}", f"warehouse {dear.warehouse_id}", "11", "10"],
    ]
    assert lines[-1].endswith(f" UTC: rejected: {refused.message}")
    query = f'StockReference="{short}" and StockStatus="REJECTED"'
    await eventually(partial(adjusting.found, query), [short].__eq__)


async def test_the_run_tells_its_commands_its_timers_and_its_steps(
    adjusting: Adjusting, shop: Shop, engine: Engine
) -> None:
    number, _ = await pending(adjusting, shop)
    await tells_its_commands(adjusting, number, "approve", "cancel", "reject")
    reminder = f"reminder: {utc(stored(engine, number).created_at + timedelta(hours=24))}"
    await eventually(lambda: adjusting.summaries(number, TIMER), [reminder].__eq__)
    await adjusting.approve(number)
    await adjusting.result(number)
    # All of it on the hot path: only the notice went through the task queue.
    assert await adjusting.summaries(number, STEP) == ["submit 1 line: broken in the rain", "approved by ann"]
    assert await adjusting.summaries(number, EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED) == [
        f"notice to warehouse: Approval wanted: {named(engine, number)}"
    ]


async def test_the_longest_names_there_can_be(adjusting: Adjusting, shop: Shop) -> None:
    item = shop.item(12, product=priced(shop, "600.00"))
    number, reason = new_reference("a").ljust(200, "😀"), "because".ljust(500, "😀")
    people = [f"{each}".ljust(200, "ł") for each in range(2)]
    more: dict[str, Json] = {"reason": reason, "performed_by": people[0]}
    assert (await adjusting.adjust(number, (item, -2), **more))["status"] == "PENDING"
    state = await adjusting.approve(number, people[1], note="n".ljust(500, "ü"))
    assert (state["status"], state["reason"], state["approved_by"]) == ("POSTED", reason, people[1])
    assert [each["outcome"] for each in (await adjusting.result(number))["notices"]] == ["LOGGED"]
