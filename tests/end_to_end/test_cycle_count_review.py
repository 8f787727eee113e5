"""What is beyond tolerance: counted again by somebody else, or approved; and what ought to be there isn't told."""

import pytest
from sqlalchemy import Engine

from tests.support.books import level, nothing_is_stored
from tests.support.cycle_count import Counts, Line, all_that_is_told, approval, counted, lines, one_count
from tests.support.cycle_count_rows import entries, last_count, movements
from tests.support.reservation import Orders
from tests.support.shop import Shop, new_reference
from tests.support.wire import Refusal, at_once, less_notices, refusal

AGAIN = "another person has to count it again"


@pytest.mark.parametrize("by", ["ann", "ANN", "\uff21nn"], ids=["the same", "in capitals", "in wide letters"])
async def test_a_second_count_by_the_same_person_is_refused(
    counts: Counts, shop: Shop, engine: Engine, by: str
) -> None:
    number, item = await one_count(counts, shop, first=5)
    before = await counts.state(number)
    told = f"product {item.product_id} of count {number} was counted by {by}; {AGAIN}"
    with nothing_is_stored(engine):
        # Whether or not it is the same number.
        for units in (5, 10):
            assert await refusal(counts.record(number, item, units, by)) == Refusal("NotPermitted", {}, told)
        assert less_notices(await counts.state(number)) == less_notices(before)
        await counts.signal(number, "record", counted(item, 10, by))
        assert await counts.noted(number, 1) == [f"signal record refused: NotPermitted: {told}"]
    state = await counts.record(number, item, 10, "bob")
    assert lines(state) == [Line("POSTED", 10, "bob", None, None, 10, 0)]
    assert [who for _, who, *_ in entries(engine, number)] == ["ann", "bob"]


async def test_whoever_counted_cannot_approve_it(counts: Counts, shop: Shop, engine: Engine) -> None:
    number, item = await one_count(counts, shop, first=5)
    before = await counts.state(number)
    told = f"product {item.product_id} of count {number} was counted by Ann; another person has to approve it"
    with nothing_is_stored(engine):
        assert await refusal(counts.approve(number, item, "Ann")) == Refusal("NotPermitted", {}, told)
        await counts.signal(number, "approve_variance", approval(item, "Ann"))
        assert await counts.noted(number, 1) == [f"signal approve_variance refused: NotPermitted: {told}"]
        assert less_notices(await counts.state(number)) | {"notes": []} == less_notices(before)
    # Whoever wanted it counted may.
    state = await counts.approve(number, item, "wanda", "RECEIVING_ERROR")
    assert lines(state) == [Line("POSTED", 5, "ann", "RECEIVING_ERROR", "wanda", 10, -5)]


async def test_a_product_that_is_not_on_the_count_is_refused(counts: Counts, shop: Shop, engine: Engine) -> None:
    number, item = await one_count(counts, shop, first=5)
    other = shop.item(10, warehouse=item.warehouse_id)
    before = await counts.state(number)
    told = f"product {other.product_id} isn't on count {number}"
    with nothing_is_stored(engine):
        for call in (counts.record(number, other, 10, "bob"), counts.approve(number, other)):
            assert await refusal(call) == Refusal("InvalidRequest", {"product_id": other.product_id}, told)
        await counts.signal(number, "record", counted(other, 10, "bob"))
        assert await counts.noted(number, 1) == [f"signal record refused: InvalidRequest: {told}"]
        assert less_notices(await counts.state(number)) | {"notes": []} == less_notices(before)


async def test_the_last_word_on_the_root_cause_is_kept(counts: Counts, shop: Shop, engine: Engine) -> None:
    """The command's own, else that of an earlier count; and none where nothing was wrong."""

    async def kept(first: str | None, second: str | None, units: int) -> str | None:
        number, item = await one_count(counts, shop)
        await counts.record(number, item, 5, "ann", first)
        [line] = lines(await counts.record(number, item, units, "bob", second))
        reasons = [reason.partition(":")[0] for *_, reason in movements(engine, number)]
        assert reasons == ([line.root_cause] if units != 10 else [])
        return line.root_cause

    assert await at_once(
        kept("DAMAGE", "THEFT", 5),
        kept("DAMAGE", None, 6),
        kept(None, "EXPIRED_GOODS", 6),
        kept(None, None, 4),
        kept("DAMAGE", "THEFT", 10),
    ) == ["THEFT", "DAMAGE", "EXPIRED_GOODS", "UNEXPLAINED", None]


async def test_what_was_missing_then_and_is_not_there_any_more_has_to_be_counted_again(
    counts: Counts, orders: Orders, shop: Shop, engine: Engine
) -> None:
    """Ten units less four can't be taken off three: and how many there are, whoever counts again isn't told."""
    number, item = await one_count(counts, shop, first=4)
    await orders.sell(item, 7)
    told = (
        f"product {item.product_id} of count {number}: less is on hand than the count takes off; "
        "it has to be counted again"
    )
    before = await counts.state(number)
    with nothing_is_stored(engine):
        assert await refusal(counts.approve(number, item)) == Refusal("InsufficientStock", [], told)
        await counts.signal(number, "approve_variance", approval(item))
        assert await counts.noted(number, 1) == [f"signal approve_variance refused: InsufficientStock: {told}"]
        assert less_notices(await counts.state(number)) | {"notes": []} == less_notices(before)
    state = await counts.record(number, item, 1, "bob")
    assert lines(state) == [Line("POSTED", 1, "bob", "UNEXPLAINED", None, 3, -2)]


async def test_what_another_list_has_put_right_is_not_put_right_twice(
    counts: Counts, shop: Shop, engine: Engine
) -> None:
    number, item = await one_count(counts, shop, first=5)
    other = new_reference("count")
    await counts.open(other, item)
    await counts.record(other, item, 5, "bob")
    await counts.approve(other, item)
    told = (
        f"product {item.product_id} of count {number} has been corrected since it was counted; "
        "it has to be counted again"
    )
    details = {"status": "REVIEW", "command": "approve_variance"}
    with nothing_is_stored(engine):
        assert await refusal(counts.approve(number, item)) == Refusal("InvalidState", details, told)
    state = await counts.record(number, item, 5, "bob")
    assert (lines(state), level(engine, item)) == ([Line("POSTED", 5, "bob", None, None, 5, 0)], (5, 0))


SYSTEM, COUNTED = 732_198_765, 700_000_000
SECRETS = [str(SYSTEM), f"{SYSTEM:,}", str(SYSTEM - COUNTED), f"{SYSTEM - COUNTED:,}"]
"""What the books have, and by how much they are off, as nobody writes anything else."""


async def test_nobody_reads_what_ought_to_be_there_before_it_is_in_the_books(
    counts: Counts, orders: Orders, shop: Shop, engine: Engine
) -> None:
    item, other = (shop.item(SYSTEM, warehouse=place) for place in [shop.warehouse()] * 2)
    number = new_reference("count")
    await counts.open(number, item, other)
    await counts.record(number, item, COUNTED)
    await counts.signal(number, "record", counted(item, SYSTEM // 2, "ann"))
    await counts.noted(number, 1)
    await counts.record(number, other, COUNTED, "bob", "THEFT")
    # More is missing than is there by now.
    await orders.sell(item, SYSTEM - 10)
    await refusal(counts.approve(number, item, "ann"))
    await refusal(counts.approve(number, item))
    await counts.signal(number, "approve_variance", approval(item))
    await counts.noted(number, 2)
    await counts.quiet(number, 1)
    told = await all_that_is_told(counts, number)
    assert [secret for secret in SECRETS if secret in told] == []
    assert str(COUNTED) in told
    # What is given up was never in the books, and there is no reason to tell it now.
    state = await counts.cancel(number)
    assert [(line.status, line.system_quantity, line.delta) for line in lines(state)] == [("CANCELLED", None, None)] * 2
    told = await all_that_is_told(counts, number)
    assert [secret for secret in SECRETS if secret in told] == []


async def test_what_is_in_the_books_is_told(counts: Counts, shop: Shop, engine: Engine) -> None:
    """And those who look for it, as the test before this one does, find it."""
    number, item = await one_count(counts, shop, SYSTEM, first=COUNTED)
    state = await counts.approve(number, item)
    assert lines(state) == [Line("POSTED", COUNTED, "ann", "DAMAGE", "cid", SYSTEM, COUNTED - SYSTEM)]
    await counts.result(number)
    told = await all_that_is_told(counts, number)
    assert [secret for secret in SECRETS if secret in told] == [str(SYSTEM), str(SYSTEM - COUNTED)]
    assert level(engine, item) == (COUNTED, 0)
    assert last_count(engine, item)[1]
