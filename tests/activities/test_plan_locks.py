"""The lock of thousands of items whose points are about to be set."""

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from database.binary_arrays import bigints
from database.locks import lock_many
from database.pipeline import send
from tests.support.shop import Shop

_OF = "WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id)"


def test_all_items_are_locked_and_those_below_their_point_are_named(engine: Engine, shop: Shop) -> None:
    below = shop.item(10)
    above = shop.item(1_000_000, warehouse=below.warehouse_id)
    with engine.connect() as writing, engine.connect() as meanwhile:
        writing.execute(text(f"UPDATE inventory_items SET reorder_point = 1000 {_OF}"), below._asdict())
        arrays = ([below.warehouse_id] * 2, [above.product_id, below.product_id])
        [found] = send(writing, [lock_many(*map(bigints, arrays))])
        assert found == [below]
        # Another one than the update has locked already.
        with pytest.raises(OperationalError, match="could not obtain lock"):
            meanwhile.execute(text(f"SELECT FROM inventory_items {_OF} FOR NO KEY UPDATE NOWAIT"), above._asdict())
        writing.rollback()
