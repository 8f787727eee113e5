"""A row per unit, and `SKIP LOCKED`: how large shops let many buyers take of one item without a queue for its row."""

import threading
import time
from itertools import count

import psycopg

CALLERS = 32

_TABLES = """
    CREATE TABLE units (
        unit_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, product_id bigint NOT NULL,
        warehouse_id bigint NOT NULL, reservation_id bigint);
    CREATE INDEX units_free ON units (product_id, warehouse_id, unit_id) WHERE reservation_id IS NULL;
    CREATE TABLE reservations (
        reservation_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, product_id bigint NOT NULL,
        warehouse_id bigint NOT NULL, quantity bigint NOT NULL, reference_type text NOT NULL,
        reference_id text NOT NULL, status text NOT NULL, expires_at timestamptz, created_at timestamptz NOT NULL)
"""

_FREE = """
    SELECT unit_id FROM units
    WHERE product_id = 1 AND warehouse_id = 1 AND reservation_id IS NULL
    ORDER BY unit_id LIMIT 1 FOR UPDATE SKIP LOCKED
"""

_RESERVE = """
    INSERT INTO reservations
        (product_id, warehouse_id, quantity, reference_type, reference_id, status, expires_at, created_at)
    VALUES (1, 1, 1, 'ORDER', %s, 'ACTIVE', now() + interval '30 minutes', now())
    RETURNING reservation_id
"""

_TAKE = "UPDATE units SET reservation_id = %s WHERE unit_id = %s"


class UnitRows:
    """Thirty-two threads of this process, each with a connection, that take units of one product.

    Args:
        url: An empty database.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._references = count(1)
        with psycopg.connect(url, autocommit=True) as connection:
            for statement in _TABLES.split(";"):
                connection.execute(statement.encode())

    def rate(self, *, seconds: float, units: int) -> float:
        """Holds a second, of a product that has so many units and is the only one: nothing is in its way."""
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute("TRUNCATE units")
            connection.execute(
                "INSERT INTO units (product_id, warehouse_id) SELECT 1, 1 FROM generate_series(1, %s)", [units]
            )
            connection.execute("VACUUM ANALYZE units")
        ready = threading.Barrier(CALLERS + 1)
        counts = [0] * CALLERS
        failures: list[BaseException] = []

        def caller(number: int) -> None:
            try:
                with psycopg.connect(self._url, autocommit=True) as connection:
                    ready.wait()
                    until = time.perf_counter() + seconds
                    while time.perf_counter() < until:
                        self._hold(connection)
                        counts[number] += 1
            except BaseException as error:  # noqa: BLE001 - it belongs to the thread that waits for this one
                failures.append(error)
                ready.abort()

        threads = [threading.Thread(target=caller, args=(number,)) for number in range(CALLERS)]
        for thread in threads:
            thread.start()
        ready.wait()
        began = time.perf_counter()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]
        return sum(counts) / (time.perf_counter() - began)

    def _hold(self, connection: "psycopg.Connection[tuple[int]]") -> None:
        """A unit that nobody is taking, and its reservation."""
        with connection.transaction():
            free = connection.execute(_FREE).fetchone()
            if free is None:
                raise LookupError("all units are taken: there were too few for the time")
            reserved = connection.execute(_RESERVE, [f"order-{next(self._references)}"]).fetchone()
            connection.execute(_TAKE, [*(reserved or []), *free])
