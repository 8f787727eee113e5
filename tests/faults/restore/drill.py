"""One drill, small or large: a life, two backups of each store, and every combination of them mended."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.faults.restore.life import Life, kinds_of
from tests.faults.restore.place import Backup, Picture, Place, new_place
from tests.support.inspection import aside
from tests.support.wire import Json, eventually

MENDED_BY = "olga"


@dataclass(frozen=True)
class Copies:
    """What was copied, and what was true in the end.

    Attributes:
        earlier: Copies under load, of different moments.
        later: Copies of the end.
        truth: All that clients were answered, as the database had it in the end.
        life: What happened.
    """

    earlier: Backup
    later: Backup
    truth: Picture
    life: Life


@dataclass(frozen=True)
class Mended:
    """A place from copies of different moments that was mended.

    Attributes:
        place: The place, without a worker.
        found: The report of the first look.
        mended: The report of mending.
    """

    place: Place
    found: Json
    mended: Json


async def live_and_copy(postgres_url: str, directory: Path, each: int) -> Copies:
    """Let documents live, and copy both stores twice."""
    async with new_place(postgres_url, directory) as place:
        life = Life(place, each)
        async with place.worker():
            await life.before()
            async with life.load():
                await life.some_load(2 * each)
                database = await place.copy_database("earlier")
                await life.some_load(2 * each)
                temporal = await place.copy_temporal("earlier")
                await life.some_load(2 * each)
            await life.between()
        truth = place.picture()
        later = Backup(await place.copy_database("later"), await place.copy_temporal("later"))
    return Copies(Backup(database, temporal), later, truth, life)


@asynccontextmanager
async def restored(postgres_url: str, directory: Path, backup: Backup) -> AsyncIterator[Mended]:
    """A place from these copies, looked at and mended."""
    async with new_place(postgres_url, directory, backup) as place:
        before = place.picture()
        found = await place.after_restore()
        assert place.picture() == before, "a look has changed something"
        yield Mended(place, found, await place.after_restore(MENDED_BY))


def fits(report: Json) -> bool:
    """Whether a report finds nothing that doesn't fit."""
    return all(check["ok"] for check in report["checks"])


async def go_on(life: Life, place: Place) -> None:
    """Everything goes on as if nothing had happened: what was done isn't done again, and the rest can be."""
    orders, purchasing, transfers = place.orders, place.purchasing, place.transfers
    for number in range(life.each):
        items = life.items[number]
        # Repeats, under their own names.
        line = {"product_id": life.sold.product_id, "warehouse_id": life.sold.warehouse_id, "quantity": 2}
        state = await orders.fulfill(f"parts-{number}", [line], fulfillment_id="first")
        assert (state["status"], state["lines"][0]["quantity_fulfilled"]) == ("ACTIVE", 2)
        came = {"product_id": items.bought.product_id, "quantity": 5, "rejected_quantity": 1}
        state = await purchasing.receive(f"part-{number}", "first", came)
        assert state["line_items"][0]["quantity_received"] == 5
        # The next ones.
        shipment = {"performed_by": "picker", "lines": [line | {"quantity": 1}]}
        await orders.signal(f"signals-{number}", "fulfill", shipment)
        assert (await orders.result(f"signals-{number}"))["status"] == "FULFILLED"
        for turn in ("kept", "extended", "new", "served"):
            assert (await orders.fulfill(f"{turn}-{number}", fulfillment_id="all"))["status"] == "FULFILLED"
        for turn in ("waits", "waits-too"):
            assert (await orders.cancel(f"{turn}-{number}"))["status"] == "CANCELLED"
        state = await purchasing.receive(f"part-{number}", "second", came | {"quantity": 4, "rejected_quantity": 0})
        assert state["status"] == "RECEIVED"
        assert (await purchasing.approve(f"drafted-{number}", "ann"))["status"] == "SUBMITTED"
        left = {"product_id": items.carried.product_id, "quantity": 3}
        assert (await transfers.receive(f"held-{number}", "second", left))["status"] == "RECEIVED"
        assert (await transfers.dispatch(f"held-too-{number}"))["status"] == "IN_TRANSIT"
        assert (await place.counts.record(f"to-be-counted-{number}", items.counted, 1_000 - 5))["status"] == "POSTED"
        found = {"product_id": items.given.product_id, "restock_quantity": 2}
        assert (await place.returns.inspect(f"comes-{number}", found))["status"] == "INSPECTED"
        for turn, status in (("shipped", "FULFILLED"), ("cancelled", "CANCELLED"), ("promised", "CANCELLED")):
            assert (await orders.result(f"{turn}-{number}"))["status"] == status
        state = await place.adjusting.result(f"broken-{number}")
        assert (state["status"], state["approved_by"]) == ("POSTED", "ann")
        assert (await place.adjusting.approve(f"missing-{number}", "ann"))["status"] == "POSTED"
        state = await place.inspecting.release(f"looked-at-{number}", aside(items.suspect, 1), decision_id="first")
        assert (state["status"], state["lines"][0]["released"]) == ("OPEN", 1)
        assert (await place.inspecting.scrap(f"looked-at-{number}"))["status"] == "DONE"
        assert (await place.inspecting.release(f"looked-at-too-{number}"))["status"] == "DONE"
        assert (await place.recalling.result(f"stopped-{number}"))["status"] == "RELEASED"
        assert (await place.recalling.close(f"stopped-too-{number}"))["status"] == "CLOSED"
        state = await orders.fulfill(f"of-lots-{number}", fulfillment_id="all")
        assert (state["status"], [each["lot_number"] for each in state["lines"][0]["lots"]]) == ("FULFILLED", ["BAD"])
    assert (await orders.fulfill("of-a-new-product"))["status"] == "FULFILLED"
    assert await eventually(place.findings, lambda found: found == 0) == 0


def figures(name: str, mended: Mended) -> str:
    """A combination in a line of a table."""
    kinds = kinds_of(mended.found)
    done = mended.mended["mended"]
    numbers = [
        mended.found["runs_compared"],
        *(kinds.get(kind, 0) for kind in ("STEP_LOST", "RUN_MISSING", "RUN_BEHIND")),
        *(done[what] for what in ("steps_repeated", "runs_started", "runs_replaced")),
    ]
    cells = [name, *(f"{number:,}" for number in numbers), "yes" if fits(mended.mended) else "no"]
    return f"| {' | '.join(cells)} |"
