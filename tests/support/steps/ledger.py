"""Asks the ledger's activities on PostgreSQL, without Temporal around them."""

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, text
from temporalio.testing import ActivityEnvironment

from activities.ledger import LedgerQuestions
from database import ledger
from database.locks import lock_items
from database.operations import Operation
from database.sessions import Database
from database.stock_rows import Moving
from stockkeeper.contracts import ledger as wire
from stockkeeper.domain.stock import ItemKey, MovementType
from tests.support.shop import new_reference

A_MICROSECOND = timedelta(microseconds=1)


class Asking:
    """Somebody who wants to know. Products and warehouses go by their ids, which are names, too."""

    def __init__(self, database: Database) -> None:
        self._questions = LedgerQuestions(database)

    def stock_at(
        self, as_of: datetime, *, product: int | None = None, warehouse: int | None = None
    ) -> dict[ItemKey, int]:
        """What was on hand, of all pages."""
        return {
            ItemKey(level.warehouse_id, level.product_id): level.quantity_on_hand
            for page in self.pages_at(as_of, product=product, warehouse=warehouse)
            for level in page
        }

    def pages_at(
        self, as_of: datetime, *, product: int | None = None, warehouse: int | None = None
    ) -> list[list[wire.LevelThen]]:
        """The same, page by page."""
        question = wire.ShowStockAt(as_of=as_of, product=_name(product), warehouse=_name(warehouse))
        pages = []
        while True:
            page = _run(self._questions.show_stock_at, question)
            pages.append(page.levels)
            if not page.more:
                return pages
            last = page.levels[-1]
            question = question.model_copy(update={"after": (last.sku, last.warehouse)})

    def history(
        self, item: ItemKey, since: datetime | None = None, until: datetime | None = None
    ) -> list[list[wire.Movement]]:
        """An item's movements, page by page."""
        question = wire.ShowHistory(
            product=str(item.product_id), warehouse=str(item.warehouse_id), since=since, until=until
        )
        pages = []
        while True:
            page = _run(self._questions.show_history, question)
            pages.append(page.movements)
            if not page.more:
                return pages
            last = page.movements[-1]
            question = question.model_copy(update={"before": (last.created_at, last.movement_id)})

    def course(self, item: ItemKey, since: datetime, until: datetime, steps: int) -> wire.Course:
        """How an item went."""
        question = wire.ShowCourse(
            product=str(item.product_id), warehouse=str(item.warehouse_id), since=since, until=until, steps=steps
        )
        answer: wire.Course = _run(self._questions.show_course, question)
        return answer

    def export(self, **asked: Any) -> wire.MovementsPage:
        """One page of a file."""
        for name in ("product", "warehouse"):
            asked[name] = _name(asked.get(name))
        answer: wire.MovementsPage = _run(self._questions.export_movements, wire.ExportMovements(**asked))
        return answer

    def rest_of_the_file(self, page: wire.MovementsPage, **asked: Any) -> list[wire.MovementsPage]:
        """The pages after this one."""
        pages = []
        while page.after_movement_id is not None:
            through = page.through_movement_id
            page = self.export(after_movement_id=page.after_movement_id, through_movement_id=through, **asked)
            pages.append(page)
        return pages


def _name(of: int | None) -> str | None:
    return None if of is None else str(of)


def _run(question: Any, asked: Any) -> Any:
    return ActivityEnvironment().run(question, asked)


class Moved(NamedTuple):
    """A movement of the ledger."""

    item: ItemKey
    quantity: int
    balance: int
    at: datetime


_LEDGER = text("""
    SELECT warehouse_id, product_id, quantity, balance_after, created_at FROM stock_movements
    WHERE warehouse_id = :warehouse_id ORDER BY movement_id
""")


def ledger_of(engine: Engine | Connection, warehouse_id: int) -> list[Moved]:
    """What a warehouse's ledger has, in the order in which it was written."""
    if isinstance(engine, Engine):
        with engine.connect() as connection:
            return ledger_of(connection, warehouse_id)
    rows = engine.execute(_LEDGER, {"warehouse_id": warehouse_id})
    return [Moved(ItemKey(row[0], row[1]), row[2], row[3], row[4]) for row in rows]


def model_at(moved: list[Moved], as_of: datetime) -> dict[ItemKey, int]:
    """What was on hand by adding up, which is another way than the ledger's own."""
    on_hand: dict[ItemKey, int] = {}
    for each in moved:
        if each.at <= as_of:
            on_hand[each.item] = on_hand.get(each.item, 0) + each.quantity
    return on_hand


def begin_to_move(
    connection: Connection,
    item: ItemKey,
    *units: int,
    reference_id: str = "test",
    workflow_id: str = "test",
    movement_type: MovementType = MovementType.ADJUSTMENT,
    operation_id: str | None = None,
) -> None:
    """Write movements in a transaction that goes on."""
    named = operation_id or new_reference("test")
    operation = Operation(named, "test", {}, "tests", workflow_id, "test")
    lock_items(connection, [item])
    lines = [Moving(item, each) for each in units]
    ledger.move(connection, operation, movement_type, lines, reference_id=reference_id, reason="test")


def now() -> datetime:
    """This machine's clock, which is the database's, too."""
    return datetime.now(UTC)


def points(course: wire.Course, name: str) -> list[Any]:
    """One line of a chart."""
    return [getattr(point, name) for point in course.points]


def point(course: wire.Course) -> wire.CoursePoint:
    """The only one."""
    [only] = course.points
    return only
