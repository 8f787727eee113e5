"""Whatever is asked of transfers, in whatever order: of each lot nothing appears, and nothing vanishes."""

import random
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import Engine, text
from temporalio.exceptions import ApplicationError

from stockkeeper.domain.stock import ItemKey
from tests.activities.test_lot_transfers import fit, part
from tests.support.lots import TODAY, lot_books, lot_item
from tests.support.shop import Shop, new_reference
from tests.support.steps.transfer import TransferCalls

COMMANDS = ["hold"] * 3 + ["dispatch"] * 3 + ["receive"] * 5 + ["lose", "cancel"]
OPENING = {"A": 7, "B": 5, "C": 9}
_IN_TRANSIT = text("""
    SELECT lot_number, kind, sum(entry.quantity) FROM transit_movements AS entry
    JOIN transfer_order_lines USING (transfer_id, line_number)
    WHERE product_id = :product_id GROUP BY lot_number, kind
""")


@pytest.mark.parametrize("seed", range(4))
def test_every_lot_is_somewhere_after_every_command(
    moving: TransferCalls, shop: Shop, engine: Engine, seed: int
) -> None:
    """Source + in transit + destination + damaged + written off is what there was of each lot."""
    chance = random.Random(seed)
    north = lot_item(shop, *((lot, TODAY + timedelta(days=9 + at), n) for at, (lot, n) in enumerate(OPENING.items())))
    south = shop.item(0, product=north.product_id)
    open_transfers: list[tuple[str, ItemKey]] = []
    told: Counter[str] = Counter()
    for step in range(40):
        command = chance.choice(COMMANDS)
        told[_outcome(partial(_carry_out, command, chance, moving, (north, south), open_transfers, f"{step}"))] += 1
        assert _everywhere(engine, north, south) == OPENING
    assert set(told) <= {"done", "InsufficientStock", "InvalidRequest", "InvalidState"}
    assert told["done"] >= 12


def _outcome(call: Callable[[], None]) -> str:
    """How a command has ended: done, or the type of its refusal."""
    try:
        call()
    except ApplicationError as refusal:
        return refusal.type or ""
    return "done"


def _carry_out(
    command: str,
    chance: random.Random,
    moving: TransferCalls,
    places: tuple[ItemKey, ItemKey],
    open_transfers: list[tuple[str, ItemKey]],
    name: str,
) -> None:
    """One command with lots and units by chance; many are refused."""
    lots = {chance.choice("ABC"): chance.randint(1, 2) for _ in range(chance.choice([1, 1, 2]))}
    if command == "hold" or not open_transfers:
        item, to = chance.sample(places, 2)
        number = new_reference("t")
        moving.hold(number, to.warehouse_id, (item, chance.randint(1, 5)), (item, chance.randint(1, 3)))
        open_transfers.append((number, item))
        return
    number, item = chance.choice(open_transfers[-3:])
    match command:
        case "dispatch":
            moving.dispatch(number, *([part(item, **lots)] if chance.random() < 0.6 else []))
        case "receive":
            came = [fit(item, lot, units, damaged=chance.randint(0, 1)) for lot, units in lots.items()]
            moving.receive(number, name, *(came if chance.random() < 0.8 else [fit(item, None, chance.randint(1, 4))]))
        case "lose":
            moving.write_off(number, "lost", *([part(item, **lots)] if chance.random() < 0.9 else []))
        case _:
            moving.cancel(number)


def _everywhere(engine: Engine, *places: ItemKey) -> dict[str, int]:
    """Units of each lot: on every shelf, on their way, damaged and written off."""
    units = Counter[str]()
    for place in places:
        units.update({lot: on_hand for lot, (on_hand, _, _) in lot_books(engine, place).items()})
    with engine.connect() as connection:
        rows = [tuple(row) for row in connection.execute(_IN_TRANSIT, {"product_id": places[0].product_id})]
    for lot, kind, quantity in rows:
        # In transit is the sum of all entries; what is damaged or lost has left it for good.
        units[lot] += int(quantity) + (abs(int(quantity)) if kind in ("DAMAGED", "WRITTEN_OFF") else 0)
    return dict(sorted(units.items()))
