"""A shop's service that keeps a copy of all levels in an SQLite file: `python levels_copy.py levels.sqlite`.

Kill it at any moment, and start it again: the cursor is stored with the levels, in one transaction.
"""

import asyncio
import sqlite3
import sys

from stockkeeper import EventsForgotten, InvalidRequest, Stockkeeper

TABLES = """
    CREATE TABLE IF NOT EXISTS levels (warehouse_id INT, product_id INT, quantity_on_hand INT, quantity_reserved INT,
        quantity_buffer INT, PRIMARY KEY (warehouse_id, product_id));
    CREATE TABLE IF NOT EXISTS cursor (is_this INTEGER PRIMARY KEY CHECK (is_this), number INT NOT NULL)"""
PUT_LEVEL = """INSERT OR REPLACE INTO levels
    VALUES (:warehouse_id, :product_id, :quantity_on_hand, :quantity_reserved, :quantity_buffer)"""
PUT_CURSOR = "INSERT OR REPLACE INTO cursor VALUES (1, ?)"


async def begin(stock: Stockkeeper, copy: sqlite3.Connection) -> None:
    """Take the cursor first, then everything: what changes meanwhile is told again."""
    number = await stock.events_cursor()
    levels = [level.model_dump() async for level in stock.levels()]
    with copy:
        copy.execute("DELETE FROM levels")
        copy.executemany(PUT_LEVEL, levels)
        copy.execute(PUT_CURSOR, (number,))


async def follow(stock: Stockkeeper, copy: sqlite3.Connection) -> None:
    """Take over each level as it is now, and with it the number of the event."""
    while (row := copy.execute("SELECT number FROM cursor").fetchone()) is None:
        await begin(stock, copy)
    async for event in stock.events(after=row[0], types=["level.changed"]):
        with copy:
            copy.execute(PUT_LEVEL, event.data)
            copy.execute(PUT_CURSOR, (event.number,))


async def main(file: str) -> None:
    """Follow for ever; where events are gone, or the database was restored, begin again."""
    copy = sqlite3.connect(file)
    copy.executescript(TABLES)
    stock = await Stockkeeper.connect()
    while True:
        try:
            await follow(stock, copy)
        except (EventsForgotten, InvalidRequest):
            with copy:
                copy.execute("DELETE FROM cursor")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
