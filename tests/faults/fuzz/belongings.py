"""What a lane has of its own, and how it is put into what the lane sends."""

import base64
import gzip
import itertools
import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, text
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue

from tests.faults.fuzz.documents import Stock
from tests.faults.fuzz.spoiled import FORMS, PLAIN, AsBytes
from tests.faults.fuzz.values import Own
from tests.support.lots import lot_item, track
from tests.support.shop import Shop
from tests.support.wire import Json

_OPENING_UNITS = 1_000
_LOTS = [f"L{place}" for place in range(40)]
_NAMED_LOTS = 3
"""Lots that payloads name; the others are for documents that are opened."""

_SKUS = text("SELECT sku FROM products WHERE product_id = ANY (:ids) ORDER BY product_id")
_NAMES = text("SELECT name FROM warehouses WHERE warehouse_id = ANY (:ids) ORDER BY warehouse_id")
_FAR_AWAY = text("""
    SELECT setval(sequence, greatest(1000000, nextval(sequence)))
    FROM unnest(ARRAY[
        pg_get_serial_sequence('warehouses', 'warehouse_id'),
        pg_get_serial_sequence('products', 'product_id'),
        pg_get_serial_sequence('suppliers', 'supplier_id')]) AS sequence
""")
"""Ids of lanes are no numbers that a payload has by chance."""
_STORED = text("""
    SELECT
        (SELECT string_agg(concat_ws('/', item_id, quantity_on_hand, quantity_reserved, quantity_buffer), ' '
            ORDER BY item_id) FROM inventory_items WHERE warehouse_id = ANY (:warehouses)) AS quantities,
        (SELECT count(*) FROM stock_movements WHERE warehouse_id = ANY (:warehouses)) AS movements,
        (SELECT concat_ws('/', count(*), sum(xmin::text::bigint)) FROM reservations
            WHERE warehouse_id = ANY (:warehouses)) AS reservations,
        (SELECT string_agg(concat_ws('/', reservation_id, quantity, quantity_fulfilled, quantity_released, status,
            expires_at), ' ' ORDER BY reservation_id) FROM reservations
            WHERE warehouse_id = ANY (:warehouses)) AS holds,
        (SELECT concat_ws('/', count(*), sum(xmin::text::bigint)) FROM purchase_orders
            WHERE warehouse_id = ANY (:warehouses) AND po_number ~ :own) AS purchase_orders,
        (SELECT concat_ws('/', count(*), sum(xmin::text::bigint)) FROM transfer_orders
            WHERE from_warehouse_id = ANY (:warehouses)) AS transfers,
        (SELECT concat_ws('/', count(*), sum(xmin::text::bigint)) FROM cycle_counts
            WHERE warehouse_id = ANY (:warehouses) AND count_number ~ :own) AS counts,
        (SELECT concat_ws('/', count(*), sum(xmin::text::bigint)) FROM returns
            WHERE warehouse_id = ANY (:warehouses)) AS returns,
        (SELECT concat_ws('/', count(*), sum(xmin::text::bigint)) FROM adjustments
            WHERE warehouse_id = ANY (:warehouses)) AS adjustments,
        (SELECT concat_ws('/', count(*), sum(xmin::text::bigint)) FROM inspections
            WHERE warehouse_id = ANY (:warehouses)) AS inspections,
        (SELECT concat_ws('/', count(*), sum(recalls.xmin::text::bigint)) FROM recalls
            JOIN recall_lines USING (recall_id)
            WHERE product_id = ANY (:products)) AS recalls,
        (SELECT string_agg(concat_ws('/', warehouse_id, lot_number, quantity_on_hand, quantity_reserved,
            quantity_unavailable, status), ' ' ORDER BY warehouse_id, lot_number)
            FROM lot_items JOIN lots USING (product_id, lot_number) WHERE warehouse_id = ANY (:warehouses)) AS lots,
        (SELECT count(*) FROM operations WHERE workflow_id = ANY (:workflows)) AS operations
""")
"""Quantities, documents and ledger of some warehouses, and the number of operations of some workflows. An order or a
count that a run has begun doesn't count: such a run goes over all warehouses."""
_OWN_NUMBER = "^[0-9a-f]{16}"


class Belongings:
    """A stock of a lane's own: two warehouses, four products in both, one of them with lots, a supplier.

    Args:
        engine: The database.
        task_queue: Where its workers are.
    """

    def __init__(self, engine: Engine, task_queue: str) -> None:
        self._engine = engine
        with engine.begin() as connection:
            connection.execute(_FAR_AWAY)
        shop = Shop(engine)
        warehouses = shop.warehouse(), shop.warehouse()
        products = shop.product(), shop.product(), shop.product(), shop.product()
        self.stock = Stock(warehouses, products, iter(_LOTS[_NAMED_LOTS:]), shop.supplier(), task_queue)
        for warehouse, product in itertools.product(warehouses, products[:3]):
            shop.item(_OPENING_UNITS, product=product, warehouse=warehouse)
        track(engine, products[3])
        for warehouse in warehouses:
            lot_item(shop, *((lot, None, _OPENING_UNITS) for lot in _LOTS), product=products[3], warehouse=warehouse)
        with engine.connect() as connection:
            skus = connection.scalars(_SKUS, {"ids": list(products)}).all()
            names = connection.scalars(_NAMES, {"ids": list(warehouses)}).all()
        self._skus, self._warehouse_names = list(skus), list(names)
        self.numbers = ["none"]
        """Numbers of the documents opened so far."""

    def new_number(self) -> str:
        """A number that no document has: as short as digests are, so that it may be one."""
        return uuid.uuid4().hex[:16]

    def stored(self, workflows: Sequence[str]) -> dict[str, Any]:
        """What the database has of this lane, to be compared."""
        values = {
            "warehouses": list(self.stock.warehouses),
            "products": list(self.stock.products),
            "workflows": list(workflows),
            "own": _OWN_NUMBER,
        }
        with self._engine.connect() as connection:
            return dict(connection.execute(_STORED, values).mappings().one())

    def put_into(self, value: Json, number: str) -> Json:
        """The message as this lane sends it.

        Args:
            value: The message.
            number: The number of the document that it is about.
        """
        if isinstance(value, Own):
            return self._own(value, number)
        if isinstance(value, AsBytes):
            return AsBytes(self.put_into(value.message, number), value.form)
        if isinstance(value, dict):
            return {name: self._field(name, self.put_into(each, number)) for name, each in value.items()}
        if isinstance(value, list):
            return [self.put_into(each, number) for each in value]
        return value

    def _field(self, name: str, value: Json) -> Json:
        """A field as it is sent: a task queue where nobody works has no answer before the database is given up."""
        return self.stock.task_queue if name == "task_queue" and isinstance(value, str) and value else value

    def _own(self, own: Own, number: str) -> Json:
        latest = self.numbers[-1 - own.place % len(self.numbers)]
        of_the_kind: Mapping[str, Callable[[], Json]] = {
            "number": lambda: number + own.more,
            "digest": lambda: number.rpartition("-")[2],
            "document": lambda: latest,
            "product": lambda: self.stock.products[own.place],
            "warehouse": lambda: self.stock.warehouses[own.place],
            "supplier": lambda: self.stock.supplier,
            "lot": lambda: _LOTS[own.place],
            "workflow": lambda: f"reservation-{latest}",
            "sku": lambda: self._skus[own.place] + own.more,
            "warehouse_name": lambda: self._warehouse_names[own.place],
            "now": lambda: datetime.now(UTC).isoformat(),
            "rows": lambda: self._page(own.place),
            "operation": lambda: f"reservation-{latest}/reserve",
        }
        return of_the_kind[own.kind]()

    def _page(self, place: int) -> str:
        """A page of a file: rows that are right, rows of another file, no rows, and rows that aren't any."""
        rows: Json = [
            [[2, [self._skus[0], "renamed"]], [3, [f"NEW-{self._skus[1]}", "new"]]],
            [[2, [self._skus[0], self._warehouse_names[0], "7"]]],
            [],
            {"rows": [[2, "one cell"], 3]},
        ][place]
        return base64.b64encode(gzip.compress(json.dumps(rows).encode(), mtime=0)).decode()


def payload(value: Json) -> RawValue:
    """A value as it is sent."""
    if isinstance(value, AsBytes):
        data, metadata = FORMS[value.form](json.dumps(value.message).encode())
        return RawValue(Payload(data=data, metadata=metadata))
    return RawValue(Payload(data=json.dumps(value).encode(), metadata=PLAIN))
