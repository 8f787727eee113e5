"""Those who count, as a foreign service: a Temporal client, the contract, and plain JSON."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Engine, text

from stockkeeper.domain.stock import ItemKey
from tests.support.shop import Shop, new_reference
from tests.support.wire import Caller, Json, RunCaller, texts


def counted(item: ItemKey, quantity: int, by: str = "ann", root_cause: str | None = None) -> dict[str, Json]:
    """The command ``record``; without a root cause, as most callers send it."""
    message = {"performed_by": by, "product_id": item.product_id, "counted_quantity": quantity}
    return message if root_cause is None else message | {"root_cause": root_cause}


def approval(item: ItemKey, by: str = "cid", root_cause: str = "DAMAGE") -> dict[str, Json]:
    """The command ``approve_variance``."""
    return {"approver": by, "product_id": item.product_id, "root_cause": root_cause}


COMMANDS = ("record", "approve_variance", "cancel")


def command(name: str, item: ItemKey) -> dict[str, Json]:
    """A command that is right in itself: bob counts nine, cid approves, wanda gives up."""
    commands: dict[str, dict[str, Json]] = {
        "record": counted(item, 9, "bob", "DAMAGE"),
        "approve_variance": approval(item),
        "cancel": {"performed_by": "wanda", "reason": "no time"},
    }
    return commands[name]


def count(count_number: str, warehouse_id: int, *product_ids: int, **other: Json) -> dict[str, Json]:
    """A count's start."""
    return {
        "count_number": count_number,
        "warehouse_id": warehouse_id,
        "product_ids": list(product_ids),
        "requested_by": "wanda",
    } | other


class Counts(Caller):
    """The warehouse's side of counts."""

    workflow_type = "CycleCountWorkflow"
    prefix = "cycle-count-"
    answer_to_start = "opened"

    async def open(self, number: str, *items: ItemKey, **other: Json) -> Json:
        """Start, and the state of what is to be counted. All items are in the warehouse of the first."""
        start = count(number, items[0].warehouse_id, *(item.product_id for item in items), **other)
        return await self.ask_raw(number, [start])

    async def record(
        self,
        number: str,
        item: ItemKey,
        quantity: int,
        by: str = "ann",
        root_cause: str | None = None,
        *,
        update_id: str | None = None,
    ) -> Json:
        """Somebody has counted."""
        return await self.update(number, "record", counted(item, quantity, by, root_cause), update_id=update_id)

    async def approve(self, number: str, item: ItemKey, by: str = "cid", root_cause: str = "DAMAGE") -> Json:
        """What was counted is right."""
        return await self.update(number, "approve_variance", approval(item, by, root_cause))

    async def cancel(self, number: str, reason: str = "no time") -> Json:
        """The rest isn't counted any more."""
        return await self.update(number, "cancel", {"performed_by": "wanda", "reason": reason})


class CountPlans(RunCaller):
    """Starts planning runs of counts."""

    workflow_type = "CycleCountPlanWorkflow"
    name = "count-plan"


class One(NamedTuple):
    """A count of one product: its number, and the item."""

    number: str
    item: ItemKey


async def one_count(counts: Counts, shop: Shop, units: int = 10, *, first: int | None = None) -> One:
    """A new count of one product of which the books have so many; after a first count, if that is given."""
    new = One(new_reference("count"), shop.item(units))
    state = await counts.open(new.number, new.item)
    if first is not None:
        state = await counts.record(*new, first)
    assert state["status"] == ("COUNTING" if first is None else "REVIEW")
    return new


class Half(NamedTuple):
    """A count of two products of which one has been counted: its number, that item, and the other one."""

    number: str
    counted: ItemKey
    left: ItemKey


async def half_counted(counts: Counts, shop: Shop, units: int) -> Half:
    """A new count of two products with ten units each in the books; so many of the first were counted."""
    first, second = shop.items(2, units=10)
    half = Half(new_reference("count"), first, second)
    await counts.open(half.number, first, second)
    await counts.record(half.number, first, units)
    return half


class Line(NamedTuple):
    """A line of a state, without the product."""

    status: str = "COUNTING"
    counted_quantity: int | None = None
    counted_by: str | None = None
    root_cause: str | None = None
    approved_by: str | None = None
    system_quantity: int | None = None
    delta: int | None = None


def lines(state: Json) -> list[Line]:
    """The lines of a state."""
    return [Line(*(each[name] for name in Line._fields)) for each in state["lines"]]


_TIMEZONE = text("UPDATE warehouses SET timezone = :timezone WHERE warehouse_id = :warehouse_id")
_COUNTED_BEFORE = text("""
    UPDATE inventory_items SET last_counted_at = now() - make_interval(days => :days_ago), last_count_was_off = :was_off
    WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id)
""")


def midday(engine: Engine, warehouse_id: int) -> date:
    """Let it be the middle of the day in a warehouse, so that no midnight falls into a test; which day it is."""
    return it_is(12, engine, warehouse_id)


def it_is(hour: int, engine: Engine, warehouse_id: int) -> date:
    """Let it be this hour of the day in a warehouse, or a little later; which day it is."""
    now = datetime.now(UTC)
    # The names of these zones have their signs the other way round.
    east = (hour - now.hour + 12) % 24 - 12
    with engine.begin() as connection:
        connection.execute(_TIMEZONE, {"timezone": f"Etc/GMT{-east:+}", "warehouse_id": warehouse_id})
    return (now + timedelta(hours=east)).date()


def counted_before(engine: Engine, item: ItemKey, days_ago: int, *, was_off: bool = False) -> None:
    """The item was counted so many days ago, whatever list it was on."""
    values = item._asdict() | {"days_ago": days_ago, "was_off": was_off}
    with engine.begin() as connection:
        connection.execute(_COUNTED_BEFORE, values)


class Place(NamedTuple):
    """A warehouse, and the number of its count of the day."""

    here: int
    number: str


def opened(shop: Shop, hour: int = 12) -> Place:
    """A new warehouse where it is this hour of the day."""
    place = shop.warehouse()
    return Place(place, f"CC-{place}-{it_is(hour, shop.engine, place)}")


def planned(number: str, items: int, *, wanted: int | None = None, late: int = 0) -> Json:
    """A warehouse's count of the day, as a planning run's state tells it."""
    return {
        "count_number": number,
        "warehouse_id": int(number.split("-")[1]),
        "items": items,
        "wanted": items if wanted is None else wanted,
        "late": late,
    }


def done(warehouse_id: int | None, *started: Json, skipped: dict[int, str] | None = None) -> Json:
    """A planning run's result."""
    return {
        "status": "DONE",
        "warehouse_id": warehouse_id,
        "counts_started": len(started),
        "items": sum(each["items"] for each in started),
        "counts": list(started),
        "skipped": [{"warehouse_id": place, "reason": reason} for place, reason in (skipped or {}).items()],
        "notes": [],
    }


async def begun(counts: Counts, number: str) -> list[int]:
    """What a count that was planned is of. It has served its purpose by that."""
    state = await counts.update(number, "opened")
    assert (state["status"], state["requested_by"]) == ("COUNTING", "cycle-count-plan")
    await counts.handle(number).terminate("it has served its purpose")
    return [line["product_id"] for line in state["lines"]]


@contextmanager
def nobody_classifies(engine: Engine) -> Iterator[None]:
    """No list is made meanwhile."""
    with engine.begin() as connection:
        connection.execute(text("LOCK TABLE item_classes IN EXCLUSIVE MODE"))
        yield


async def all_that_is_told(caller: Caller, reference: str) -> str:
    """Everything that somebody may read of a run: each event with what is in it, details, state and memo."""
    handle = caller.handle(reference)
    history = json.loads((await handle.fetch_history()).to_json())
    description = await handle.describe()
    return "\n".join(
        [
            *texts(history),
            (await caller.metadata(reference)).current_details,
            json.dumps(await caller.state(reference)),
            json.dumps(await description.memo()),
            str(description.typed_search_attributes),
        ]
    )
