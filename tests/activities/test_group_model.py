"""Steps in groups end as the same steps do one after another: answers, refusals, levels, lines and movements."""

import random
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import pytest
from sqlalchemy import Engine, text
from temporalio.exceptions import ApplicationError

from database.sessions import Database
from stockkeeper.contracts.reservation import FulfillLine, Holding
from stockkeeper.domain.stock import ItemKey
from tests.support.books import Books, books
from tests.support.corrections import correct_stock
from tests.support.replenishment_rows import set_point
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import MINUTE, NOON
from tests.support.steps.reservation import Steps
from tests.support.steps.together import Call, outcome, together, transactions

_ROUNDS = 9
_AT_ONCE = 7
_MOVED = text("""
    SELECT movement_type, quantity, balance_after FROM stock_movements
    WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id) ORDER BY created_at, movement_id
""")
_LINES = text("""
    SELECT quantity, quantity_fulfilled, quantity_released, status, expires_at, closed_at
    FROM reservations WHERE reference_id = :reference ORDER BY reservation_id
""")
_STORED = text("SELECT operation_id FROM operations WHERE workflow_id LIKE :of")


class Intent(NamedTuple):
    """A step, said without the names of one place."""

    kind: str
    order: int
    as_of: datetime
    lines: tuple[tuple[int, int], ...] = ()
    """Numbers of items, and units."""
    minutes: int = 30
    name: str = "1"


class Customers:
    """What customers want: mostly possible, often not, sometimes for the second time."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._said: list[Intent] = []
        self._lines: list[tuple[tuple[int, int], ...]] = []
        self.now = NOON

    def want(self) -> Intent:
        """Another step; a repeat may come at another time."""
        chance = self._chance
        self.now += chance.choice((0, 0, 1, 3)) * MINUTE
        if self._said and chance.random() < 0.1:
            return chance.choice(self._said[-12:])._replace(as_of=self.now)
        kinds = ("reserve",) * 5 + ("fulfill",) * 3 + ("lower", "cancel", "extend", "expire", "hold_again", "give_way")
        kind = chance.choice(kinds) if self._lines else "reserve"
        if kind == "reserve":
            products = chance.sample(range(3), chance.randint(1, 3))
            self._lines.append(tuple((each, chance.randint(1, 6)) for each in products))
            intent = Intent(kind, len(self._lines) - 1, self.now, self._lines[-1], chance.choice((2, 5, 30)))
        else:
            order = chance.randrange(max(0, len(self._lines) - 8), len(self._lines))
            part = ((chance.randrange(3), chance.randint(1, 3)),) if chance.random() < 0.7 or kind == "lower" else ()
            lines = self._lines[order] if kind == "hold_again" else part
            intent = Intent(kind, order, self.now, lines, chance.choice((1, 60)), str(chance.randint(1, 3)))
        self._said.append(intent)
        return intent

    def finds(self) -> Mapping[int, int]:
        """Units of items that are found to be missing, or more, when somebody looks."""
        if self._chance.random() < 0.5:
            return {}
        return {self._chance.randrange(3): self._chance.choice((-7, -2, 4, 9))}


class Place:
    """Three items, and orders for them."""

    def __init__(self, shop: Shop, steps: Steps) -> None:
        self.engine, self.steps = shop.engine, steps
        self.items = shop.items(3, units=20)
        set_point(shop.engine, self.items, 6, 10)
        self.name = new_reference("place")

    def call(self, intent: Intent) -> Call:
        """The step in this place."""
        reference, steps, at = self.reference(intent.order), self.steps, intent.as_of
        wanted = [(self.items[each], units) for each, units in intent.lines]
        parts = [FulfillLine(product_id=item.product_id, quantity=units) for item, units in wanted]
        ttl, name = intent.minutes * MINUTE, intent.name
        calls: dict[str, Callable[[], Holding]] = {
            "reserve": lambda: steps.reserve(reference, *wanted, ttl=ttl, as_of=at),
            "fulfill": lambda: steps.fulfill(reference, parts or None, operation=name, as_of=at),
            "lower": lambda: steps.lower(reference, *parts, operation=name, as_of=at),
            "cancel": lambda: steps.cancel(reference, operation=name, as_of=at),
            "extend": lambda: steps.extend(reference, ttl, operation=name, as_of=at),
            "expire": lambda: steps.expire(reference, as_of=at),
            "hold_again": lambda: steps.hold_again(reference, *wanted, run=name, as_of=at),
            "give_way": lambda: steps.give_way(reference, operation=name, as_of=at),
        }
        return calls[intent.kind]

    def reference(self, order: int) -> str:
        """The reference of an order."""
        return f"{self.name}-{order}"

    def said(self, outcome: Any) -> Any:
        """An outcome without what has another name elsewhere."""
        if isinstance(outcome, Holding):
            lines = [
                (self._of(line.model_dump()), line.quantity, line.quantity_fulfilled, line.quantity_released)
                for line in outcome.lines
            ]
            return outcome.status, outcome.rest_is_held, outcome.expires_at, outcome.fell_below, lines
        assert isinstance(outcome, ApplicationError), repr(outcome)
        details = outcome.details[0] if outcome.details else None
        if isinstance(details, list):
            details = [
                each | {"product_id": self._of(each), "warehouse_id": 0, "sku": "", "warehouse": ""} for each in details
            ]
        return outcome.type, str(details).replace(self.name, "place")

    def books(self) -> tuple[Books, list[list[tuple[Any, ...]]], list[list[tuple[Any, ...]]]]:
        """Levels, movements of each item, and lines of each order."""
        with self.engine.connect() as connection:
            moved = [[tuple(row) for row in connection.execute(_MOVED, item._asdict())] for item in self.items]
            orders = [{"reference": self.reference(order)} for order in range(_ROUNDS * _AT_ONCE)]
            lines = [[tuple(row) for row in connection.execute(_LINES, order)] for order in orders]
        return Books(books(self.engine, *self.items).items, 0, 0), moved, lines

    def operations(self) -> set[str]:
        """The operations that are stored of its orders."""
        with self.engine.connect() as connection:
            return set(connection.execute(_STORED, {"of": f"reservation-{self.name}-%"}).scalars())

    def look(self, found: Mapping[int, int], as_of: datetime) -> None:
        """Bring items to what is there."""
        on_hand = [each.on_hand for each in books(self.engine, *self.items).items]
        changes = {self.items[each]: max(units, -on_hand[each]) for each, units in found.items()}
        if any(changes.values()):
            correct_stock(self.engine, changes, as_of)

    def _of(self, line: Mapping[str, Any]) -> int:
        return self.items.index(ItemKey(line["warehouse_id"], line["product_id"]))


def _one_after_another(place: Place, intents: Sequence[Intent]) -> list[Any]:
    return [outcome(place.call(intent)) for intent in intents]


@pytest.mark.parametrize("seed", range(5))
def test_a_group_ends_as_its_steps_do_one_after_another(
    database: Database, steps: Steps, shop: Shop, engine: Engine, seed: int
) -> None:
    customers, sizes = Customers(seed), random.Random(seed)
    alone, grouped = Place(shop, steps), Place(shop, steps)
    refused = shared = 0
    for _ in range(_ROUNDS):
        intents = [customers.want() for _ in range(sizes.randint(2, _AT_ONCE))]
        one_by_one = [alone.said(each) for each in _one_after_another(alone, intents)]
        before = grouped.operations()
        assert [grouped.said(each) for each in together(database, *map(grouped.call, intents))] == one_by_one
        assert grouped.books() == alone.books()
        new = grouped.operations() - before
        assert transactions(engine, *new) == (len(new), min(1, len(new)))
        refused += sum(len(each) == 2 for each in one_by_one)
        shared += len(new) > 1
        found = customers.finds()
        for place in (alone, grouped):
            place.look(found, customers.now)
    # It wasn't all one or the other.
    assert refused > 3
    assert shared >= 5
