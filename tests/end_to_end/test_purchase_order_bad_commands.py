"""A command that is wrong: refused or noted, nothing stored, and the order goes on."""

import pytest
from sqlalchemy import Engine
from temporalio.client import WorkflowUpdateFailedError

from tests.support.bad import Spoil, any_message, bad_days, bad_lines, bad_text, line_without, with_line, without
from tests.support.books import nothing_is_stored
from tests.support.purchase_order import NO_APPROVAL, TWO_APPROVALS, Purchasing, approval, came, receipt
from tests.support.shop import Shop, new_reference
from tests.support.wire import Json, answer, at_once, eventually, less_notices, refusal

ENDING: dict[str, Spoil] = {
    **any_message(),
    **bad_text("reason", at_most=500),
    "reason missing": without("reason"),
}
BAD: dict[str, dict[str, Spoil]] = {
    "approve": {
        **any_message("approver"),
        **{
            name: spoil
            for name, spoil in bad_text("note", at_most=500).items()
            if name not in {"note null", "note empty"}
        },
        "performed_by instead of approver": lambda message: [{"performed_by": "ann", "note": "fine"}],
    },
    "reject": {
        **any_message("approver"),
        **bad_text("reason", at_most=500),
        "reason missing": without("reason"),
    },
    "confirm": {**any_message(), **bad_days("expected_delivery_date")},
    "receive": {
        **any_message(),
        **bad_lines("product_id", "quantity"),
        **{
            name: spoil
            for name, spoil in bad_lines("rejected_quantity", units="rejected_quantity").items()
            # None of it rejected is what most receipts say.
            if name not in {"rejected_quantity zero", "rejected_quantity missing"}
        },
        **bad_text("receipt_id"),
        "receipt_id missing": without("receipt_id"),
        "nothing came": with_line(quantity=0, rejected_quantity=0),
        "product_id missing": line_without("product_id"),
        "product_id null": with_line(product_id=None),
        "more than is owed": with_line(quantity=11),
        "a product that isn't ordered": with_line(product_id=2**62),
        "a line of an order": with_line(qty=1),
    },
    "close_short": ENDING,
    "cancel": ENDING,
}
AT_ONCE = 4


@pytest.mark.parametrize("command", BAD)
async def test_an_invalid_command_changes_nothing(
    purchasing: Purchasing, shop: Shop, engine: Engine, command: str
) -> None:
    item, supplier = shop.item(4), shop.supplier()
    right: dict[str, dict[str, Json]] = {
        "approve": approval("ann"),
        "reject": {"approver": "ann", "reason": "too much"},
        "confirm": {"performed_by": "sam", "expected_delivery_date": "2199-01-01"},
        "receive": receipt("truck-1", came(item, 1, 0)),
        "close_short": {"performed_by": "rita", "reason": "discontinued"},
        "cancel": {"performed_by": "rita", "reason": "not needed"},
    }
    policy = TWO_APPROVALS if command in {"approve", "reject"} else NO_APPROVAL
    numbers = [new_reference("po") for _ in range(AT_ONCE)]
    drafts = await at_once(*(purchasing.draft(number, supplier, [(item, 10)], approval=policy) for number in numbers))

    async def is_refused(number: str, before: Json, name: str, count: int) -> str:
        payload = BAD[command][name](right[command])
        refused = await refusal(purchasing.update(number, command, *payload))
        assert len(refused.message) < 2_000
        await purchasing.signal(number, command, *payload)
        state = await eventually(lambda: purchasing.state(number), lambda state: len(state["notes"]) > count)
        assert less_notices(state) | {"notes": []} == before
        assert len(state["notes"]) == count + 1
        note = state["notes"][-1]
        assert note[25:].startswith(f"signal {command} refused: {refused.type}: {refused.message[:300]}")
        assert len(note) <= 500
        return refused.type

    async def are_refused(place: int) -> dict[str, str]:
        """Every fourth of them, each after the other to the same order."""
        outcomes: dict[str, str] = {}
        for count, name in enumerate(list(BAD[command])[place::AT_ONCE]):
            try:
                outcomes[name] = await is_refused(numbers[place], less_notices(drafts[place]), name, count)
            except Exception as error:
                error.add_note(name)
                raise
        return outcomes

    with nothing_is_stored(engine):
        outcomes = await at_once(*(are_refused(place) for place in range(AT_ONCE)))
    assert {name: each for part in outcomes for name, each in part.items()} == dict.fromkeys(
        BAD[command], "InvalidRequest"
    )
    done = await purchasing.update(numbers[0], command, right[command])
    assert (
        done["status"]
        == {
            "approve": "DRAFT",
            "reject": "CANCELLED",
            "confirm": "CONFIRMED",
            "receive": "SUBMITTED",
            "close_short": "CANCELLED",
            "cancel": "CANCELLED",
        }[command]
    )


async def test_an_update_or_signal_that_is_no_command_changes_nothing(
    purchasing: Purchasing, shop: Shop, engine: Engine
) -> None:
    item, number = shop.item(4), new_reference("po")
    before = less_notices(await purchasing.draft(number, shop.supplier(), [(item, 10)], approval=NO_APPROVAL))
    names = ("fulfill", "submit", "lapse", "run", "state", "receive_signal", "__init__")
    with nothing_is_stored(engine):
        for name in names:
            with pytest.raises(WorkflowUpdateFailedError):
                await purchasing.update(number, name, {"performed_by": "ann"})
        assert less_notices(await purchasing.state(number)) == before
        for name in names:
            await purchasing.signal(number, name, {"performed_by": "ann"})
        assert await purchasing.noted(number, len(names)) == [
            f"signal {name!r} isn't one of its commands" for name in names
        ]
        assert less_notices(await purchasing.state(number)) | {"notes": []} == before


@pytest.mark.parametrize(
    "payload", [[None], [{}], [{"a": 1}], ["x" * 1_000_000], [1, 2, 3]], ids=["null", "{}", "{a}", "1 MB", "3"]
)
async def test_asking_for_the_answer_takes_whatever_comes_with_it(
    purchasing: Purchasing, shop: Shop, engine: Engine, payload: list[Json]
) -> None:
    item, number = shop.item(4), new_reference("po")
    before = less_notices(await purchasing.draft(number, shop.supplier(), [(item, 10)], approval=NO_APPROVAL))
    with nothing_is_stored(engine):
        assert less_notices(await purchasing.update(number, "drafted", *payload)) == before
        asked = purchasing.handle(number).query("state", args=payload[:1])
        assert less_notices(await answer(asked)) == before
