"""A simulated client, which sends its commands one after another."""

import random
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import ClassVar, Protocol, Self, TypeVar

from tests.faults.simulation.model.books import Key
from tests.faults.simulation.model.model import Model
from tests.faults.simulation.pace import REAL_TIME, Pace
from tests.faults.simulation.script import Digest, Rest, Script, Send

S = TypeVar("S")


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

    def lots(self, product: int, warehouse: int, lots: Sequence[tuple[str, date | None, int]]) -> object:
        """A new item of a product that is tracked from now on, with these lots: number, last day, units."""
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

    def keep_in(self, warehouse: int, database: str) -> None:
        """Let one of several databases keep a new warehouse."""
        ...


@dataclass(frozen=True)
class Run:
    """One run of the simulation.

    Attributes:
        seed: Decides all.
        name: Begins every reference, and is new for every run: several may follow each other on one database.
        pace: How far away deadlines are.
        over_delivery_percent: The tolerance of receipts that its workers are told.
        databases: The task queues of several databases, that of the catalogue's first; empty: there is one.
    """

    seed: int
    name: str
    pace: Pace = REAL_TIME
    over_delivery_percent: int = 0
    databases: Sequence[str] = ()


class Lane(ABC):
    """A simulated client.

    Its script is a pure function of the seed, the lane, the number of the turn and the model's state, so that the same
    seed drives the same commands, whatever happens to them.

    Attributes:
        model: What its commands have brought about, and only they, if it is an own lane.
        digest: A fingerprint of its commands.
        home: The task queue of the database that keeps its warehouses; empty: there is one.
    """

    kind: ClassVar[str]
    is_own: ClassVar[bool] = True
    """Whether nobody else touches its stock."""
    share: ClassVar[float] = 1.0
    """How many of its kind there are, beside those of other kinds."""
    bears_skipped_time: ClassVar[bool] = True
    """Whether it may be driven by a server that skips days."""
    spans_databases: ClassVar[bool] = False
    """Whether it needs several databases."""
    keeps_to_catalogue: ClassVar[bool] = False
    """Whether its warehouses are in the database of the catalogue."""

    def __init__(self, run: Run, number: int, model: Model | None = None) -> None:
        self.run = run
        self.seed = run.seed
        self.name = f"{self.kind}-{number}"
        self.model = Model() if model is None else model
        self.digest = Digest({run.name: "RUN"})
        self.digest.names |= {f'"{each}"': f'"database-{place}"' for place, each in enumerate(run.databases)}
        self.home = ""
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

    def new_warehouse(self, catalogue: Catalogue, home: str = "") -> int:
        """A new warehouse, which has the same name in the digests of all runs; at home, unless said otherwise."""
        number = self._named("warehouse", catalogue.warehouse())
        self.model.books.homes[number] = home or self.home
        if home or self.home:
            catalogue.keep_in(number, home or self.home)
        return number

    def at_home(self, step: S) -> S:
        """The same step; a start that says nothing else goes to the database of this client's warehouses."""
        if self.home and isinstance(step, Send) and not step.command.task_queue:
            return replace(step, command=replace(step.command, task_queue=self.home))
        return step

    @property
    def kept_in(self) -> str:
        """The one of several databases that keeps all of its warehouses, and takes part in each of its commands."""
        return "" if self.spans_databases else self.home

    def homes(self, count: int) -> Sequence[str]:
        """Where so many warehouses of this client are kept."""
        return [self.home] * count

    def new_supplier(self, catalogue: Catalogue) -> int:
        """A new supplier, which has the same name in the digests of all runs."""
        return self._named("supplier", catalogue.supplier())

    def _named(self, kind: str, number: int) -> int:
        self.digest.ids[kind, number] = f"{kind}-{len(self.digest.ids)}"
        return number
