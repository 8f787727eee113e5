"""A simulated client, which sends its commands one after another."""

import random
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar, Protocol, Self

from tests.faults.simulation.model.books import Key
from tests.faults.simulation.model.model import Model
from tests.faults.simulation.pace import REAL_TIME, Pace
from tests.faults.simulation.script import Digest, Rest, Script


class Catalogue(Protocol):
    """Makes what a lane sells, in the database."""

    def product(self, *, unit_cost: Decimal | None = None) -> int:
        """A new product's id; its cost by the catalogue, which may be unknown."""
        ...

    def warehouse(self) -> int:
        """A new warehouse's id."""
        ...

    def supplier(self) -> int:
        """A new supplier's id."""
        ...

    def item(self, units: int, *, product: int, warehouse: int) -> object:
        """A new item with this opening stock."""
        ...

    def supply(self, product: int, supplier: int, *, unit_cost: Decimal, lead_time_days: int, pack: int) -> None:
        """Let a supplier have a product, in packs."""
        ...

    def set_point(self, item: tuple[int, int], point: int, quantity: int) -> None:
        """Order so much of an item, of this warehouse and product, when less than its point is available."""
        ...

    def sold_weekly(self, item: tuple[int, int], units: Sequence[int], weeks: int) -> None:
        """So many units of an item were sold on each day of every week, in an earlier system."""
        ...


@dataclass(frozen=True)
class Run:
    """One run of the simulation.

    Attributes:
        seed: Decides all.
        name: Begins every reference, and is new for every run: several may follow each other on one database.
        pace: How far away deadlines are.
        over_delivery_percent: The tolerance of receipts that its workers are told.
    """

    seed: int
    name: str
    pace: Pace = REAL_TIME
    over_delivery_percent: int = 0


class Lane(ABC):
    """A simulated client.

    Its script is a pure function of the seed, the lane, the number of the turn and the model's state, so that the same
    seed drives the same commands, whatever happens to them.

    Attributes:
        model: What its commands have brought about, and only they, if it is an own lane.
        digest: A fingerprint of its commands.
    """

    kind: ClassVar[str]
    is_own: ClassVar[bool] = True
    """Whether nobody else touches its stock."""
    share: ClassVar[float] = 1.0
    """How many of its kind there are, beside those of other kinds."""
    bears_skipped_time: ClassVar[bool] = True
    """Whether it may be driven by a server that skips days."""

    def __init__(self, run: Run, number: int, model: Model | None = None) -> None:
        self.run = run
        self.seed = run.seed
        self.name = f"{self.kind}-{number}"
        self.model = Model() if model is None else model
        self.digest = Digest({run.name: "RUN"})
        self._references = 0

    @classmethod
    def team(cls, run: Run, count: int) -> Sequence[Self]:
        """So many clients of this kind."""
        return [cls(run, number) for number in range(count)]

    @abstractmethod
    def set_up(self, catalogue: Catalogue) -> None:
        """Make its products, warehouses and opening stock."""

    @abstractmethod
    def turn(self, chance: random.Random) -> Script:
        """A few steps that belong together: mostly one command on one of its documents.

        The model is changed as a command is predicted; at the end of the turn it has to be as the world is.
        """

    def script(self) -> Script:
        """All of its turns."""
        number = 0
        while True:
            yield Rest()
            number += 1
            yield from self.turn(random.Random(f"{self.seed}/{self.name}/{number}"))

    def reference(self, prefix: str = "") -> str:
        """A number for a new document."""
        self._references += 1
        return f"{self.run.name}-{self.name}-{prefix}{self._references}"

    def new_item(self, catalogue: Catalogue, units: int, *, product: int, warehouse: int) -> Key:
        """A new item with this opening stock, in the database and in the model."""
        catalogue.item(units, product=product, warehouse=warehouse)
        key = Key(warehouse, product)
        self.model.books.open(key, units)
        return key

    def new_product(self, catalogue: Catalogue, *, unit_cost: Decimal | None = None) -> int:
        """A new product, which has the same name in the digests of all runs."""
        return self._named("product", catalogue.product(unit_cost=unit_cost))

    def new_warehouse(self, catalogue: Catalogue) -> int:
        """A new warehouse, which has the same name in the digests of all runs."""
        return self._named("warehouse", catalogue.warehouse())

    def new_supplier(self, catalogue: Catalogue) -> int:
        """A new supplier, which has the same name in the digests of all runs."""
        return self._named("supplier", catalogue.supplier())

    def _named(self, kind: str, number: int) -> int:
        self.digest.ids[kind, number] = f"{kind}-{len(self.digest.ids)}"
        return number
