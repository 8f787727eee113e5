"""A Python service and its returns: typed calls, and errors of ours whatever Temporal calls them."""

import pytest
from sqlalchemy import Engine

from stockkeeper import (
    CustomerReturn,
    InspectionLine,
    InvalidRequest,
    InvalidState,
    Line,
    NotFound,
    OperationConflict,
    ReturnState,
    Stockkeeper,
    UnknownProduct,
    UnknownWarehouse,
)
from stockkeeper.domain.stock import ItemKey
from tests.support.books import level, nothing_is_stored
from tests.support.customer_return import Units, inspection, inspections, movements, units
from tests.support.customer_return import found as found_raw
from tests.support.shop import Shop, new_reference


async def create(
    stock: Stockkeeper, number: str, *lines: tuple[ItemKey, int], reference: str = "1042", where: int | None = None
) -> CustomerReturn:
    return await stock.create_return(
        number,
        [Line(product_id=item.product_id, quantity=quantity) for item, quantity in lines],
        warehouse_id=where or lines[0][0].warehouse_id,
        reference_id=reference,
        performed_by="portal",
    )


def found(item: ItemKey, restock: int = 0, scrap: int = 0) -> InspectionLine:
    return InspectionLine(product_id=item.product_id, restock_quantity=restock, scrap_quantity=scrap)


def units_of(state: ReturnState) -> list[Units]:
    return units(state.model_dump())


async def has_ended(stock: Stockkeeper, number: str) -> None:
    """Return once the run has closed."""
    await stock.client.get_workflow_handle(f"return-{number}").result()


async def test_goods_are_expected_and_inspected_in_parts(stock: Stockkeeper, shop: Shop, engine: Engine) -> None:
    item, number = shop.item(2), new_reference("r")
    returned = await create(stock, number, (item, 5))
    state = returned.state
    assert (returned.return_number, state.status, state.requested_by, state.reference_id) == (
        number,
        "EXPECTED",
        "portal",
        "1042",
    )
    first = await returned.inspect([found(item, 2, 1)], performed_by="ines", inspection_id="box-1")
    assert (first.status, units_of(first), level(engine, item)) == ("EXPECTED", [Units(5, 2, 1)], (4, 0))
    with nothing_is_stored(engine), pytest.raises(InvalidRequest, match="3 inspected, but only 2 expected"):
        await returned.inspect([found(item, 3)], performed_by="ines", inspection_id="box-2")
    # One without a name that is sent again is another one.
    for _ in range(2):
        state = await returned.inspect([found(item, 1)], performed_by="ines")
    assert (state.status, returned.state, units_of(state)) == ("INSPECTED", state, [Units(5, 4, 1)])
    assert [each[1:] for each in inspections(state.model_dump())] == [("ines", 2, 1), ("ines", 1, 0), ("ines", 1, 0)]
    assert level(engine, item) == (6, 0)


async def test_an_inspection_with_a_name_is_booked_once_also_after_the_end(
    stock: Stockkeeper, shop: Shop, engine: Engine
) -> None:
    item, number = shop.item(2), new_reference("r")
    returned = await create(stock, number, (item, 5))
    await returned.inspect([found(item, 2)], performed_by="ines", inspection_id="box-1")
    now = await returned.inspect([found(item, 1)], performed_by="ines", inspection_id="box-2")
    with nothing_is_stored(engine):
        # Temporal has kept what the first answer was; by now more has come.
        for _ in range(2):
            assert await returned.inspect([found(item, 2)], performed_by="wes", inspection_id="box-1") == now
        for other in ([found(item, 1)], [found(item, 1, 1)]):
            with pytest.raises(OperationConflict):
                await returned.inspect(other, performed_by="ines", inspection_id="box-1")
    # Somebody else sends the last one.
    last = inspection(found_raw(item, 1, 1), inspection_id="box-3")
    await stock.client.get_workflow_handle(f"return-{number}").signal("inspect", last)
    await has_ended(stock, number)
    with nothing_is_stored(engine):
        ended = await returned.inspect([found(item, 1, 1)], performed_by="ines", inspection_id="box-3")
        assert (ended.status, units_of(ended)) == ("INSPECTED", [Units(5, 4, 1)])
        assert await returned.inspect([found(item, 2)], performed_by="ines", inspection_id="box-1") == ended
        for lines, inspection_id in (([found(item, 1, 1)], "box-4"), ([found(item, 1, 1)], None)):
            with pytest.raises(InvalidState) as refused:
                await returned.inspect(lines, performed_by="ines", inspection_id=inspection_id)
            assert refused.value.details == {"status": "INSPECTED", "command": "inspect"}
        # All of it came: nothing was closed short.
        with pytest.raises(InvalidState):
            await returned.close_short(performed_by="portal", reason="kept")
    assert len(movements(engine, number)) == 3


async def test_what_never_came_is_closed_short_and_stays_so(stock: Stockkeeper, shop: Shop, engine: Engine) -> None:
    item, number, gone = shop.item(2), new_reference("r"), new_reference("r")
    returned, nothing = await create(stock, number, (item, 5)), await create(stock, gone, (item, 5))
    await returned.inspect([found(item, 1)], performed_by="ines")
    ended = await returned.close_short(performed_by="portal", reason="lost in the post")
    assert (ended.status, ended.closed_reason, units_of(ended)) == ("INSPECTED", "lost in the post", [Units(5, 1)])
    cancelled = await nothing.close_short(performed_by="portal", reason="kept")
    assert (cancelled.status, cancelled.closed_reason) == ("CANCELLED", "kept")
    await has_ended(stock, number)
    await has_ended(stock, gone)
    with nothing_is_stored(engine):
        assert await returned.close_short(performed_by="portal", reason="again") == ended
        assert await nothing.close_short(performed_by="portal", reason="again") == cancelled
        with pytest.raises(InvalidState):
            await nothing.inspect([found(item, 1)], performed_by="ines", inspection_id="box-1")
    assert level(engine, item) == (3, 0)


async def test_one_that_is_asked_for_twice_is_one_return_and_is_found_by_its_number(
    stock: Stockkeeper, shop: Shop, engine: Engine
) -> None:
    item, number = shop.item(2), new_reference("r")
    first = await create(stock, number, (item, 5))
    there = shop.warehouse()
    others: list[tuple[dict[str, object], list[tuple[ItemKey, int]], str]] = [
        ({}, [(item, 4)], f"it has 5 of product {item.product_id}, not 4"),
        ({}, [(item, 3), (item, 2)], "its lines are split or ordered in another way, or at another place or cost"),
        ({"reference": "1043"}, [(item, 5)], "its reference id is 1042, not 1043"),
        ({"where": there}, [(item, 5)], f"its warehouse is warehouse {item.warehouse_id}, not warehouse {there}"),
    ]

    async def is_one_return(state: ReturnState) -> None:
        with nothing_is_stored(engine):
            assert (await create(stock, number, (item, 5))).state == state
            assert (await stock.customer_return(number)).state == state
            for other, lines, what in others:
                conflict = f"^return {number} already exists with other contents: {what}$"
                with pytest.raises(OperationConflict, match=conflict):
                    await create(stock, number, *lines, **other)  # type: ignore[arg-type]

    await is_one_return(first.state)
    found_again = await stock.customer_return(number)
    ended = await found_again.inspect([found(item, 5)], performed_by="ines")
    await has_ended(stock, number)
    with nothing_is_stored(engine):
        assert (await create(stock, number, (item, 5))).state == ended
    with pytest.raises(NotFound):
        await stock.customer_return(new_reference("r"))


async def test_a_wrong_return_stores_nothing(stock: Stockkeeper, shop: Shop, engine: Engine) -> None:
    item, number = shop.item(2), new_reference("r")
    with nothing_is_stored(engine):
        with pytest.raises(InvalidRequest, match=r"^reference_id: String should have at least 1 character$"):
            await create(stock, number, (item, 5), reference="")
        # Nothing was sent.
        with pytest.raises(NotFound):
            await stock.customer_return(number)
        with pytest.raises(UnknownWarehouse) as nowhere:
            await create(stock, number, (item, 5), where=10**12)
        assert nowhere.value.ids == [10**12]
        with pytest.raises(UnknownProduct) as nothing:
            await create(stock, number, (item, 1), (item._replace(product_id=10**12), 1))
        assert nothing.value.ids == [10**12]
