"""Units are set aside, and another person decides: over the wire as JSON, as any service would."""

from sqlalchemy import Engine

from tests.support.adjustment import priced
from tests.support.inspection import Inspecting, aside, stored
from tests.support.reservation import Orders, shortage
from tests.support.shop import Shop, new_reference
from tests.support.states import levels
from tests.support.wire import refusal


async def test_units_are_set_aside_and_another_person_releases_and_scraps_them(
    inspecting: Inspecting, orders: Orders, shop: Shop, engine: Engine
) -> None:
    item, number, buyer = shop.item(10, product=priced(shop, "2.50")), new_reference("i"), new_reference()
    await orders.reserve(buyer, (item, 8))
    short = await refusal(inspecting.open(number, (item, 5)))
    assert (short.type, short.details) == ("InsufficientStock", [shortage(item, 5, 2)])
    state = await inspecting.open(number, (item, 5), state="DAMAGED", held_too=True)
    due_at = state.pop("due_at")
    line = {"product_id": item.product_id, "quantity": 5, "unit_cost": "2.50", "released": 0, "scrapped": 0}
    assert state == {
        "inspection_number": number,
        "warehouse_id": item.warehouse_id,
        "status": "OPEN",
        "state": "DAMAGED",
        "reason": "a jar was found open",
        "requested_by": "tom",
        "lines": [line],
        "decisions": [],
        "difference_approvals": [],
        "gave_way": [
            {
                "workflow_id": f"reservation-{buyer}",
                "reference_type": "ORDER",
                "reference_id": buyer,
                "warehouse_id": item.warehouse_id,
                "product_id": item.product_id,
                "quantity": 8,
            }
        ],
        "held_before": [],
        "shortages": [],
        "notices": state["notices"],
        "notes": [],
    }
    assert due_at is not None
    assert (await orders.result(buyer))["status"] == "CANCELLED"
    assert levels(engine, item) == (10, 0, 5, 5)
    own = await refusal(inspecting.release(number, performed_by="Tom"))
    assert own.type == "NotPermitted"
    part = await inspecting.release(number, aside(item, 3), decision_id="d-1")
    assert [(each["outcome"], each["quantity"]) for each in part["decisions"]] == [("RELEASED", 3)]
    assert await inspecting.release(number, aside(item, 3), decision_id="d-1") == part
    done = await inspecting.scrap(number)
    assert (done["status"], done["due_at"], done["lines"]) == ("DONE", None, [line | {"released": 3, "scrapped": 2}])
    assert (await inspecting.result(number))["status"] == "DONE"
    assert levels(engine, item) == (8, 0, 0, 8)
    assert (stored(engine, number).status, stored(engine, number).requested_by) == ("DONE", "tom")
