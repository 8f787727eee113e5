"""A command that is wrong: refused or noted, nothing stored, and the count goes on."""

import pytest
from sqlalchemy import Engine

from tests.support.bad import Json, Spoil, any_message, bad_number, bad_text, instead, with_fields, without
from tests.support.bad_commands import PAYLOADS, change_nothing, payloads_are_passed_over, strangers_change_nothing
from tests.support.cycle_count import Counts, command, one_count
from tests.support.shop import Shop
from tests.support.wire import at_once, less_notices

_CAUSES: dict[str, Json] = {
    "that isn't known": "RATS",
    "in other letters": "damage",
    "empty": "",
    "a number": 1,
    "a list": ["DAMAGE"],
    "true": True,
}
PRODUCT: dict[str, Spoil] = {
    **bad_number("product_id", at_most=2**63 - 1),
    **{f"root_cause {name}": with_fields(root_cause=value) for name, value in _CAUSES.items()},
    "product_id missing": without("product_id"),
    "product_id null": with_fields(product_id=None),
    "product_id a fraction": with_fields(product_id=1.5),
    "product_id a float": with_fields(product_id=1.0),
    "a product that isn't on the count": with_fields(product_id=2**62),
    "lines": with_fields(lines=[]),
}
BAD: dict[str, dict[str, Spoil]] = {
    "record": {
        **any_message(),
        **PRODUCT,
        **{
            name: spoil
            for name, spoil in bad_number("counted_quantity", at_most=1_000_000_000).items()
            # Nothing there is what some find.
            if name != "counted_quantity zero"
        },
        "counted_quantity missing": without("counted_quantity"),
        "counted_quantity null": with_fields(counted_quantity=None),
        "counted_quantity a fraction": with_fields(counted_quantity=1.5),
        "counted_quantity a float": with_fields(counted_quantity=1.0),
        # Without a number it goes by its update id.
        **{name: spoil for name, spoil in bad_text("record_id").items() if name != "record_id null"},
        "what the system has": with_fields(system_quantity=10),
        "an approver": with_fields(approver="cid"),
    },
    # What is wrong for every message is wrong for these as well.
    "approve_variance": {
        **PRODUCT,
        **bad_text("approver"),
        "approver missing": without("approver"),
        "null": instead(None),
        # Whoever approves says why the books were wrong.
        "root_cause missing": without("root_cause"),
        "root_cause null": with_fields(root_cause=None),
        "a number": with_fields(counted_quantity=5),
        "performed_by beside approver": with_fields(performed_by="cid"),
    },
    "cancel": {
        **bad_text("reason", at_most=500),
        "reason missing": without("reason"),
        "performed_by missing": without("performed_by"),
        "null": instead(None),
        "a product": with_fields(product_id=1),
    },
}
AT_ONCE = 4


@pytest.mark.parametrize("name", BAD)
async def test_an_invalid_command_changes_nothing(counts: Counts, shop: Shop, engine: Engine, name: str) -> None:
    begun = await at_once(*(one_count(counts, shop, first=5) for _ in range(AT_ONCE)))
    places = [(number, less_notices(await counts.state(number)), command(name, item)) for number, item in begun]
    await change_nothing(counts, engine, name, BAD[name], places)
    done = await counts.update(begun[0].number, name, command(name, begun[0].item))
    assert done["status"] == ("CANCELLED" if name == "cancel" else "POSTED")


async def test_an_update_or_signal_that_is_no_command_changes_nothing(
    counts: Counts, shop: Shop, engine: Engine
) -> None:
    number, _ = await one_count(counts, shop)
    names = ("approve", "close_short", "post", "recount", "run", "state", "record_signal", "__init__")
    await strangers_change_nothing(counts, engine, number, await counts.state(number), names)


async def test_asking_for_the_answer_takes_whatever_comes_with_it(counts: Counts, shop: Shop, engine: Engine) -> None:
    number, _ = await one_count(counts, shop)
    await payloads_are_passed_over(counts, engine, number, await counts.state(number), *PAYLOADS.values())
