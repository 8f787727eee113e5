"""Questions about the ledger. They lock nothing, because movements never change."""

import itertools
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from temporalio import activity

from activities.stock import StockQuestions
from activities.writes import OnDatabase, database_errors, page_of
from database.history import (
    course_of,
    levels_then,
    lots_then,
    movements_of,
    newest_movement,
    wait_for_writers,
    written_between,
)
from database.tables import products
from stockkeeper.contracts.csv_cells import csv_line
from stockkeeper.contracts.ledger import (
    BYTES_A_PAGE,
    LEVELS_A_PAGE,
    MOVEMENT_COLUMNS,
    MOVEMENTS_A_PAGE,
    MOVEMENTS_AT_ONCE,
    Course,
    CoursePoint,
    ExportMovements,
    History,
    LedgerActivities,
    LevelsThen,
    LevelThen,
    LotsThen,
    LotThen,
    Movement,
    MovementsPage,
    ShowCourse,
    ShowHistory,
    ShowLotsAt,
    ShowStockAt,
)
from stockkeeper.contracts.stock import FindItems
from stockkeeper.domain.errors import InvalidRequest
from stockkeeper.domain.stock import ItemKey

MOVEMENTS_LOOKED_AT = 200_000
"""The most movements that are read for one page of a file: filling a page with rare ones could take longer than a
statement may."""


class LedgerQuestions(OnDatabase, LedgerActivities):
    """`LedgerActivities` on PostgreSQL."""

    @activity.defn(name="show_stock_at", no_thread_cancel_exception=True)
    def show_stock_at(self, question: ShowStockAt) -> LevelsThen:
        """One page of the quantities on hand at an instant, by SKU and warehouse.

        The answer is final: transactions that are still writing can't change it.

        Raises:
            UnknownProduct, UnknownWarehouse: The catalogue hasn't got the one in the question.
            InvalidRequest: The instant is in the future, or a transaction from before it is still writing.
        """
        product_id, warehouse_id = StockQuestions(self._database).ids_of(question.product, question.warehouse)
        with database_errors():
            wait_for_writers(self._database, question.as_of)
            with self._database.snapshot() as connection:
                rows = levels_then(
                    connection,
                    question.as_of,
                    product_id=product_id,
                    warehouse_id=warehouse_id,
                    after=question.after or ("", ""),
                    most=LEVELS_A_PAGE + 1,
                )
        levels, more = page_of(LevelThen, rows, LEVELS_A_PAGE)
        return LevelsThen(levels=levels, more=more)

    @activity.defn(name="show_lots_at", no_thread_cancel_exception=True)
    def show_lots_at(self, question: ShowLotsAt) -> LotsThen:
        """One page of the units of lots on hand at an instant, by SKU, warehouse and number. It is as final.

        Raises:
            UnknownProduct, UnknownWarehouse: The catalogue hasn't got the one in the question.
            InvalidRequest: The instant is in the future, or a transaction from before it is still writing.
        """
        product_id, warehouse_id = StockQuestions(self._database).ids_of(question.product, question.warehouse)
        with database_errors():
            wait_for_writers(self._database, question.as_of)
            with self._database.snapshot() as connection:
                rows = lots_then(
                    connection,
                    question.as_of,
                    product_id=product_id,
                    warehouse_id=warehouse_id,
                    after=question.after or ("", "", ""),
                    most=LEVELS_A_PAGE + 1,
                )
        lots, more = page_of(LotThen, rows, LEVELS_A_PAGE)
        return LotsThen(lots=lots, more=more)

    @activity.defn(name="show_history", no_thread_cancel_exception=True)
    def show_history(self, question: ShowHistory) -> History:
        """One page of an item's movements, the latest first.

        Raises:
            UnknownProduct, UnknownWarehouse: The catalogue hasn't got the one in the question.
        """
        item, most = self._item(question.product, question.warehouse), min(question.limit, MOVEMENTS_AT_ONCE)
        with database_errors(), self._database.snapshot() as connection:
            rows = movements_of(
                connection,
                item,
                since=question.since,
                until=question.until,
                before=question.before,
                most=most + 1,
            )
        movements, more = page_of(Movement, rows, most)
        return History(movements=movements, more=more)

    @activity.defn(name="show_course", no_thread_cancel_exception=True)
    def show_course(self, question: ShowCourse) -> Course:
        """The course of an item as a fixed number of points, for any number of movements.

        Raises:
            UnknownProduct, UnknownWarehouse: The catalogue hasn't got the one in the question.
            InvalidRequest: ``since`` isn't before ``until``.
        """
        item = self._item(question.product, question.warehouse)
        with database_errors():
            if question.since >= question.until:
                raise InvalidRequest("since: must be before until")
            with self._database.snapshot() as connection:
                rows = course_of(connection, item, question.since, question.until, question.steps)
                name = connection.execute(
                    select(products.c.name).where(products.c.product_id == item.product_id)
                ).scalar_one()
        found = StockQuestions(self._database).find_items(
            FindItems(product_ids=[item.product_id], warehouse_ids=[item.warehouse_id])
        )
        return Course(
            sku=found.skus[item.product_id],
            name=name,
            warehouse=found.warehouse_names[item.warehouse_id],
            points=[CoursePoint.model_validate(dict(row)) for row in rows],
        )

    @activity.defn(name="export_movements", no_thread_cancel_exception=True)
    def export_movements(self, question: ExportMovements) -> MovementsPage:
        """One page of the ledger as CSV, in the order in which it was written.

        The first page fixes the end of the file: the last movement at that time, once all earlier ones are committed.
        So no movement is missing in the middle, and none is added at the end while the file is read. A page may be
        short or empty although others follow.

        Raises:
            UnknownProduct, UnknownWarehouse: The catalogue hasn't got the one in the question.
            InvalidRequest: A transaction has been writing for longer than the question waits.
        """
        product_id, warehouse_id = StockQuestions(self._database).ids_of(question.product, question.warehouse)
        with database_errors():
            through = question.through_movement_id
            if through is None:
                with self._database.snapshot() as connection:
                    through = newest_movement(connection)
                wait_for_writers(self._database)
            page_ends = min(through, question.after_movement_id + MOVEMENTS_LOOKED_AT)
            with self._database.snapshot() as connection:
                rows = written_between(
                    connection,
                    product_id=product_id,
                    warehouse_id=warehouse_id,
                    since=question.since,
                    until=question.until,
                    after=question.after_movement_id,
                    through=page_ends,
                    most=MOVEMENTS_A_PAGE,
                )
        effective = len(MOVEMENT_COLUMNS)
        wanted = (row if question.effective_time else (*row[:effective], *row[effective + 1 :]) for row in rows)
        lines = _that_fit([_as_csv(row) for row in wanted])
        if len(lines) < len(rows) or len(rows) == MOVEMENTS_A_PAGE:
            page_ends = rows[len(lines) - 1].movement_id
        return MovementsPage(
            rows=lines,
            after_movement_id=page_ends if page_ends < through else None,
            through_movement_id=through,
            expected=through,
        )

    def _item(self, product: str, warehouse: str) -> ItemKey:
        found = StockQuestions(self._database).find_items(FindItems(products=[product], warehouses=[warehouse]))
        return ItemKey(found.warehouses[warehouse], found.products[product])


def _that_fit(lines: list[str]) -> list[str]:
    """The first lines, up to the size of a page; at least one."""
    sizes = itertools.accumulate(len(line.encode()) for line in lines)
    return [line for line, size in zip(lines, sizes, strict=True) if size <= BYTES_A_PAGE] or lines[:1]


def _as_csv(row: Sequence[Any]) -> str:
    return csv_line(value.isoformat() if isinstance(value, datetime) else value for value in row)
