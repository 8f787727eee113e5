"""What the ledger answers, for programs and the command line."""

import csv
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

from temporalio.client import Client

from stockkeeper.client.calls import checked
from stockkeeper.client.questions import ask, page_by_page
from stockkeeper.client.stock import levels
from stockkeeper.contracts.ledger import (
    MOVEMENT_COLUMNS,
    Course,
    ExportMovements,
    LedgerActivities,
    LevelThen,
    Movement,
    MovementsPage,
    ShowCourse,
    ShowHistory,
    ShowStockAt,
)

LEVEL_COLUMNS = (
    *("sku", "warehouse", "quantity_on_hand", "quantity_reserved", "quantity_available"),
    *("reorder_point",),
)
"""The columns of a file of levels."""


async def stock_at(
    client: Client,
    as_of: datetime,
    *,
    product: str | None = None,
    warehouse: str | None = None,
    task_queue: str,
) -> AsyncIterator[LevelThen]:
    """What was on hand at an instant, in the order of SKU and warehouse, read page by page.

    The answer is final: asked again, it is the same, whatever is being written meanwhile.

    Raises:
        UnknownProduct, UnknownWarehouse: Nothing is called that.
        InvalidRequest: The instant is yet to come, or an import has been writing since before it.
        Unreachable: No worker answers.
    """
    question = checked(ShowStockAt, as_of=as_of.isoformat(), product=product, warehouse=warehouse)
    async for level in page_by_page(
        client,
        LedgerActivities.show_stock_at,
        question,
        task_queue,
        rows=lambda page: page.levels,
        place=lambda level: (level.sku, level.warehouse),
    ):
        yield level


async def history(
    client: Client,
    product: str,
    warehouse: str,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    task_queue: str,
) -> AsyncIterator[Movement]:
    """An item's movements, the latest first, read page by page.

    Raises:
        UnknownProduct, UnknownWarehouse: Nothing is called that.
        Unreachable: No worker answers.
    """
    question = checked(ShowHistory, product=product, warehouse=warehouse, since=_iso(since), until=_iso(until))
    async for movement in page_by_page(
        client,
        LedgerActivities.show_history,
        question,
        task_queue,
        rows=lambda page: page.movements,
        place=lambda movement: (movement.created_at, movement.movement_id),
        goes_on="before",
    ):
        yield movement


async def course(
    client: Client,
    product: str,
    warehouse: str,
    *,
    since: datetime,
    until: datetime,
    steps: int,
    task_queue: str,
) -> Course:
    """How an item went between two instants.

    Raises:
        UnknownProduct, UnknownWarehouse: Nothing is called that.
        InvalidRequest: It doesn't begin before it ends.
        Unreachable: No worker answers.
    """
    question = checked(
        ShowCourse, product=product, warehouse=warehouse, since=_iso(since), until=_iso(until), steps=steps
    )
    return await ask(client, LedgerActivities.show_course, question, task_queue)


@dataclass(frozen=True)
class Exported:
    """Some lines of a file, and how far it is: so many of about so many."""

    lines: list[str]
    done: int
    expected: int


async def export_movements(
    client: Client,
    *,
    product: str | None = None,
    warehouse: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    task_queue: str,
) -> AsyncIterator[Exported]:
    """The ledger as lines of CSV, in the order in which it was written; page by page, so that it may be of any length.

    It ends with the last movement that was there at the beginning.

    Raises:
        UnknownProduct, UnknownWarehouse: Nothing is called that.
        Unreachable: No worker answers.
    """
    head = [",".join(MOVEMENT_COLUMNS)]
    question = checked(ExportMovements, product=product, warehouse=warehouse, since=_iso(since), until=_iso(until))
    while True:
        page: MovementsPage = await ask(client, LedgerActivities.export_movements, question, task_queue)
        yield Exported([*head, *page.rows], page.after_movement_id or page.expected, page.expected)
        head = []
        if page.after_movement_id is None:
            return
        question = question.model_copy(
            update={"after_movement_id": page.after_movement_id, "through_movement_id": page.through_movement_id}
        )


async def export_levels(
    client: Client, *, product: str | None = None, warehouse: str | None = None, task_queue: str
) -> AsyncIterator[str]:
    """What there is now as lines of CSV, in the order of SKU and warehouse.

    Raises:
        UnknownProduct, UnknownWarehouse: Nothing is called that.
        Unreachable: No worker answers.
    """
    found = levels(client, product=product, warehouse=warehouse, task_queue=task_queue)
    # Not before there is an answer: a file with a head and nothing else would be one about nothing.
    level = await anext(found, None)
    yield ",".join(LEVEL_COLUMNS)
    while level is not None:
        line = io.StringIO()
        csv.writer(line, lineterminator="").writerow(getattr(level, name) for name in LEVEL_COLUMNS)
        yield line.getvalue()
        level = await anext(found, None)


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
