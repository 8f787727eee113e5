"""An instant that is asked for while movements are being written: the answer waits for who came first, and is final."""

import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, make_url, text
from temporalio.exceptions import ApplicationError

from database import history
from database.sessions import Database, connect
from devstack.stack import StackInfo
from stockkeeper.domain.stock import ItemKey
from tests.support.meetings import WAIT_SECONDS, held_rows, until_sessions
from tests.support.shop import Shop
from tests.support.steps.ledger import A_MICROSECOND, Asking, begin_to_move, ledger_of, model_at, now

TOO_LONG = (
    "as_of: a transaction has been writing since before that instant, such as an import; ask for an earlier one, or "
    "again later"
)


@pytest.fixture
def asking(database: Database) -> Asking:
    return Asking(database)


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever would have to wait is refused."""
    monkeypatch.setattr(history, "_WAIT_SECONDS", 0.0)


@contextmanager
def writing(engine: Engine, item: ItemKey, *units: int) -> Iterator[tuple[Connection, list[datetime]]]:
    """A transaction that has written these movements, at these instants, and goes on until the end."""
    with engine.begin() as connection:
        begin_to_move(connection, item, *units)
        written = ledger_of(connection, item.warehouse_id)
        yield connection, [each.at for each in written[-len(units) :]]


def until_polling(engine: Engine, askers: int) -> None:
    """Return once so many of the worker's sessions look again and again whether somebody is still writing."""
    until_sessions(engine, askers, "state <> 'idle' AND query LIKE '%virtualtransaction = ANY%'")


def refusal(call: Callable[[], Any]) -> tuple[str | None, str]:
    """What the call is refused with, and in which words."""
    with pytest.raises(ApplicationError) as caught:
        call()
    return caught.value.type, caught.value.message


def test_who_has_an_earlier_instant_and_has_not_committed_is_waited_for(
    asking: Asking, threads: ThreadPoolExecutor, shop: Shop, engine: Engine
) -> None:
    item = shop.item(10)
    with writing(engine, item, -3, 5) as (_, [sold, bought]):
        instants = [sold - A_MICROSECOND, sold, bought, now()]
        asked = [threads.submit(asking.stock_at, instant, warehouse=item.warehouse_id) for instant in instants]
        until_polling(engine, len(asked))
        assert not any(each.done() for each in asked)
    assert [each.result(WAIT_SECONDS)[item] for each in asked] == [10, 7, 12, 12]


def test_who_is_waited_for_may_give_up(asking: Asking, threads: ThreadPoolExecutor, shop: Shop, engine: Engine) -> None:
    item = shop.item(10)
    with writing(engine, item, -3) as (connection, [sold]):
        asked = threads.submit(asking.stock_at, sold, warehouse=item.warehouse_id)
        until_polling(engine, 1)
        connection.rollback()
        assert asked.result(WAIT_SECONDS) == {item: 10}


def test_all_who_are_writing_are_waited_for_and_nobody_who_begins_later(
    asking: Asking, threads: ThreadPoolExecutor, shop: Shop, engine: Engine
) -> None:
    first, second, third = shop.items(3, units=10)
    with ExitStack() as earlier:
        earlier.enter_context(writing(engine, first, 1))
        with writing(engine, second, 2):
            asked = threads.submit(asking.stock_at, now(), warehouse=first.warehouse_id)
            until_polling(engine, 1)
        with writing(engine, third, 8):
            shop.move(second, 4)
            assert not asked.done()
            earlier.close()
            assert asked.result(WAIT_SECONDS) == {first: 11, second: 12, third: 10}


def test_who_only_holds_an_item_or_writes_something_else_is_not_waited_for(
    asking: Asking, impatient: None, shop: Shop, engine: Engine
) -> None:
    """What they may write comes later."""
    del impatient
    item = shop.item(10)
    with held_rows(
        engine, "inventory_items WHERE warehouse_id = :warehouse_id", warehouse_id=item.warehouse_id
    ) as held:
        held.execute(text("UPDATE products SET name = 'new' WHERE product_id = :product_id"), item._asdict())
        instant = now()
        assert asking.stock_at(instant, warehouse=item.warehouse_id) == {item: 10}
        begin_to_move(held, item, -3)
    assert ledger_of(engine, item.warehouse_id)[-1].at > instant
    assert asking.stock_at(instant, warehouse=item.warehouse_id) == {item: 10}


def test_who_began_after_the_instant_is_not_waited_for_and_who_began_before_is(
    asking: Asking, impatient: None, shop: Shop, engine: Engine
) -> None:
    """Such as an import, however long it takes."""
    del impatient
    item = shop.item(10)
    here, before = item.warehouse_id, now()
    with engine.begin() as connection:
        began = connection.execute(text("SELECT now()")).scalar_one()
        assert before < began
        begin_to_move(connection, item, 1)
        for instant in (began - timedelta(days=400), began - timedelta(minutes=61)):
            assert asking.stock_at(instant, warehouse=here) == {}
        for instant in (before, began - A_MICROSECOND):
            assert asking.stock_at(instant, warehouse=here) == {item: 10}
        for instant in (began, now()):
            assert refusal(partial(asking.stock_at, instant, warehouse=here)) == ("InvalidRequest", TOO_LONG)
    assert asking.stock_at(began, warehouse=here) == {item: 10}
    assert asking.stock_at(now(), warehouse=here) == {item: 11}


def test_who_may_not_be_seen_counts_as_one_who_began_before(
    stack: StackInfo, impatient: None, shop: Shop, engine: Engine
) -> None:
    """Another login's sessions don't say when they have begun."""
    del impatient
    item, login = shop.item(10), f"asker_{uuid.uuid4().hex[:12]}"
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE ROLE {login} LOGIN PASSWORD 'asks' IN ROLE stockkeeper_worker")
    url = make_url(stack.database_url).set(username=login, password="asks").render_as_string(hide_password=False)
    other = connect(url, pool_size=1, role="stockkeeper_worker")
    try:
        asking, instant = Asking(Database(other)), now()
        with writing(engine, item, 1):
            refused = refusal(lambda: asking.stock_at(instant, warehouse=item.warehouse_id))
            assert refused == ("InvalidRequest", TOO_LONG)
        assert asking.stock_at(instant, warehouse=item.warehouse_id) == {item: 10}
    finally:
        other.dispose()
        with engine.begin() as connection:
            connection.exec_driver_sql(f"DROP ROLE {login}")


def test_who_writes_for_too_long_is_not_waited_for_and_the_one_who_asks_is_told(
    asking: Asking, monkeypatch: pytest.MonkeyPatch, shop: Shop, engine: Engine
) -> None:
    monkeypatch.setattr(history, "_WAIT_SECONDS", 0.05)
    item = shop.item(10)
    with writing(engine, item, 1) as (_, [at]):
        assert refusal(lambda: asking.stock_at(at, warehouse=item.warehouse_id)) == ("InvalidRequest", TOO_LONG)
        assert refusal(lambda: asking.export(warehouse=item.warehouse_id)) == ("InvalidRequest", TOO_LONG)
    assert asking.stock_at(at, warehouse=item.warehouse_id) == {item: 11}


def test_an_answer_is_final_whatever_is_written_meanwhile(
    asking: Asking, threads: ThreadPoolExecutor, shop: Shop, engine: Engine
) -> None:
    items = shop.items(3, units=10)
    here, over = items[0].warehouse_id, threading.Event()

    def write(item: ItemKey) -> int:
        """Until the end, and how often."""
        times = 0
        while not over.is_set():
            shop.move(item, 3, -2, 1)
            times += 1
        return times

    def ask() -> dict[datetime, list[dict[ItemKey, int]]]:
        """Some instants, each at once and again later."""
        answers: dict[datetime, list[dict[ItemKey, int]]] = {}
        for _ in range(10):
            instant = now()
            answers[instant] = [asking.stock_at(instant, warehouse=here) for _ in range(2)]
        for instant, answered in answers.items():
            answered.append(asking.stock_at(instant, warehouse=here))
        return answers

    try:
        writers = [threads.submit(write, item) for item in (*items, items[0])]
        askers = [threads.submit(ask) for _ in range(2)]
        answered = [each.result(WAIT_SECONDS) for each in askers]
    finally:
        over.set()
    assert all(each.result(WAIT_SECONDS) for each in writers)
    written = ledger_of(engine, here)
    for instant, answers in ((instant, answers) for each in answered for instant, answers in each.items()):
        assert answers == [model_at(written, instant)] * 3


def test_a_file_has_all_that_was_being_written_before_its_last_movement(
    asking: Asking, threads: ThreadPoolExecutor, shop: Shop, engine: Engine
) -> None:
    """A movement that is written first may be committed last."""
    first, second = shop.items(2, units=10)
    with writing(engine, first, 1):
        shop.move(second, 2)
        asked = threads.submit(asking.export, warehouse=first.warehouse_id)
        until_polling(engine, 1)
        shop.move(second, 4)
    page = asked.result(WAIT_SECONDS)
    assert [row.split(",")[5] for row in page.rows] == ["10", "10", "1", "2"]
    again = asking.export(warehouse=first.warehouse_id, through_movement_id=page.through_movement_id)
    assert again.rows == page.rows
    assert [row.split(",")[5] for row in asking.export(warehouse=first.warehouse_id).rows] == [
        "10",
        "10",
        "1",
        "2",
        "4",
    ]
