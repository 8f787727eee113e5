"""The seed's algorithm, as fast as SQL alone can be: its statements, run by pgbench without any program around them.

A hold is ``SELECT ... FOR UPDATE`` of the item, an update of its reserved units, a new reservation, and the commit;
shipping is a second transaction. The tables have what the seed names, the keys by which it reads, and nothing else: no
ledger for holds, no operations, no foreign keys, no triggers.
"""

import re
import subprocess
from pathlib import Path

import psycopg

from devstack.postgres import PROGRAMS
from stockkeeper.domain.errors import StockkeeperError

CLIENTS = 32

_TABLES = """
    CREATE TABLE inventory_items (
        item_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, product_id bigint NOT NULL,
        warehouse_id bigint NOT NULL, quantity_on_hand bigint NOT NULL, quantity_reserved bigint NOT NULL,
        quantity_available bigint GENERATED ALWAYS AS (quantity_on_hand - quantity_reserved) VIRTUAL,
        reorder_point bigint, reorder_quantity bigint, last_counted_at timestamptz, UNIQUE (product_id, warehouse_id));
    CREATE TABLE reservations (
        reservation_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, product_id bigint NOT NULL,
        warehouse_id bigint NOT NULL, quantity bigint NOT NULL, reference_type text NOT NULL,
        reference_id text NOT NULL, status text NOT NULL, expires_at timestamptz, created_at timestamptz NOT NULL);
    CREATE TABLE stock_movements (
        movement_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, product_id bigint NOT NULL,
        warehouse_id bigint NOT NULL, movement_type text NOT NULL, quantity bigint NOT NULL, reference_id text NOT NULL,
        performed_by text NOT NULL, created_at timestamptz NOT NULL);
    INSERT INTO inventory_items (product_id, warehouse_id, quantity_on_hand, quantity_reserved)
    SELECT n, 1, 1000000000, 0 FROM generate_series(1, 10000) AS n
"""

HOLD = r"""
\set product random(1, :items)
\set order random(1, 1000000000000)
BEGIN;
SELECT item_id, quantity_available >= 1 AS enough
FROM inventory_items WHERE product_id = :product AND warehouse_id = 1 FOR UPDATE \gset
\if :enough
UPDATE inventory_items SET quantity_reserved = quantity_reserved + 1 WHERE item_id = :item_id;
INSERT INTO reservations
    (product_id, warehouse_id, quantity, reference_type, reference_id, status, expires_at, created_at)
VALUES (:product, 1, 1, 'ORDER', 'order-' || :order, 'ACTIVE', now() + interval '30 minutes', now())
RETURNING reservation_id \gset
\endif
COMMIT;
"""

SHIP = r"""
BEGIN;
SELECT status = 'ACTIVE' AS active, quantity, product_id, reference_id
FROM reservations WHERE reservation_id = :reservation_id FOR UPDATE \gset held_
\if :held_active
UPDATE inventory_items SET quantity_on_hand = quantity_on_hand - :held_quantity,
    quantity_reserved = quantity_reserved - :held_quantity WHERE product_id = :held_product_id AND warehouse_id = 1;
UPDATE reservations SET status = 'FULFILLED' WHERE reservation_id = :reservation_id;
INSERT INTO stock_movements
    (product_id, warehouse_id, movement_type, quantity, reference_id, performed_by, created_at)
VALUES (:held_product_id, 1, 'SALE', -(:held_quantity::bigint), :held_reference_id, 'benchmark', now());
\endif
COMMIT;
"""


class SeedAlgorithm:
    """The seed's tables in an empty database, with a shop in them, and one of its scripts.

    Args:
        url: The database.
        directory: For the script.
        items: How many items the clients want at random; 1: all want the same.
        ship: Each client ships what it holds.
    """

    def __init__(self, url: str, directory: Path, *, items: int, ship: bool) -> None:
        self._url = url
        self._items = items
        self._script = directory / f"{url.rpartition('/')[2]}.sql"
        self._script.write_text(HOLD + (SHIP if ship else ""))
        # Whoever asks for a time gets one that begins before the clients are connected; so a number is asked for.
        self._runs = 20
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(_TABLES)
            connection.execute("VACUUM ANALYZE")

    def rate(self, seconds: float) -> float:
        """Runs of the script a second, by 32 clients, in about this time; one run is one order.

        Raises:
            StockkeeperError: pgbench failed, with its words.
        """
        run = subprocess.run(  # noqa: S603 - a program of a pinned wheel
            [
                *(str(PROGRAMS / "pgbench"), "--no-vacuum", "--protocol=prepared", f"--client={CLIENTS}", "--jobs=2"),
                *(f"--transactions={self._runs}", f"--define=items={self._items}", f"--file={self._script}", self._url),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        found = re.search(r"^tps = ([0-9.]+) \(without initial connection time\)", run.stdout, re.MULTILINE)
        if run.returncode or found is None or "number of failed transactions: 0 " not in run.stdout:
            raise StockkeeperError(f"pgbench failed: {(run.stderr or run.stdout)[:2000]}")
        rate = float(found[1])
        self._runs = max(10, round(rate * seconds / CLIENTS))
        return rate
