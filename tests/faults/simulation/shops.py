"""Makes what lanes sell in several databases: the catalogue in one, stock where the warehouse is kept."""

import time
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal

from sqlalchemy import Engine, text

from devstack.databases import give_home
from tests.support.lots import LotShop, lot_item

_NOW = text("SELECT pg_current_wal_lsn()")
_HAS_CAUGHT_UP = text("SELECT coalesce(bool_and(replay_lsn >= :now), false) FROM pg_stat_replication")
_LOOKS_EVERY_SECONDS = 0.01
_WITHIN_SECONDS = 60.0


class Shops:
    """A `Catalogue` on several databases.

    Args:
        engines: They by their task queues, that of the catalogue's first.
    """

    def __init__(self, engines: Mapping[str, Engine]) -> None:
        self._shops = {queue: LotShop(engine) for queue, engine in engines.items()}
        self._first = next(iter(engines))
        self._catalogue = self._shops[self._first]
        self._homes: dict[int, str] = {}

    def product(self, *, unit_cost: Decimal | None = None) -> int:
        """See `Catalogue`."""
        return self._catalogue.product(unit_cost=unit_cost)

    def warehouse(self) -> int:
        """See `Catalogue`."""
        return self._catalogue.warehouse()

    def keep_in(self, warehouse: int, database: str) -> None:
        """See `Catalogue`."""
        self._homes[warehouse] = database
        if database != self._first:
            give_home(self._catalogue.engine, warehouse, database)

    def supplier(self) -> int:
        """See `Catalogue`."""
        return self._catalogue.supplier()

    def supply(self, product: int, supplier: int, *, unit_cost: Decimal, lead_time_days: int, pack: int) -> None:
        """See `Catalogue`."""
        self._catalogue.supply(product, supplier, unit_cost=unit_cost, lead_time_days=lead_time_days, pack=pack)

    def item(self, units: int, *, product: int, warehouse: int) -> object:
        """See `Catalogue`."""
        return self._at(warehouse).item(units, product=product, warehouse=warehouse)

    def lots(self, product: int, warehouse: int, lots: Sequence[tuple[str, date | None, int]]) -> object:
        """See `Catalogue`."""
        self._catalogue.track(product)
        return lot_item(self._at(warehouse), *lots, product=product, warehouse=warehouse)

    def set_point(self, item: tuple[int, int], point: int, quantity: int) -> None:
        """See `Catalogue`."""
        self._at(item[0]).set_point(item, point, quantity)

    def sold_weekly(self, item: tuple[int, int], units: Sequence[int], weeks: int) -> None:
        """See `Catalogue`."""
        self._at(item[0]).sold_weekly(item, units, weeks)

    def told(self) -> None:
        """Return once all databases have the catalogue as it is now."""
        with self._catalogue.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            now, began = connection.execute(_NOW).scalar_one(), time.monotonic()
            while not connection.execute(_HAS_CAUGHT_UP, {"now": now}).scalar_one():
                assert time.monotonic() < began + _WITHIN_SECONDS, "the catalogue isn't replicated"
                time.sleep(_LOOKS_EVERY_SECONDS)

    def _at(self, warehouse: int) -> LotShop:
        self.told()
        return self._shops[self._homes[warehouse]]
