"""Steps that meet a limit of the database: nothing has changed, and they are carried out once there is room again."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Engine, text
from temporalio.exceptions import ApplicationError

from database.sessions import Database, connect
from tests.support.books import ItemBooks, books, level, nothing_changes
from tests.support.disk import IS_THERE, no_room_for_large_answers
from tests.support.shop import Shop, new_reference
from tests.support.steps.reservation import Steps


@pytest.fixture
def narrow(engine: Engine) -> Iterator[Database]:
    """The database in the worker's role, by one connection; a transaction ends after a second."""
    url = engine.url.render_as_string(hide_password=False)
    database = Database(connect(url, pool_size=1, role="stockkeeper_worker", transaction_seconds=1))
    yield database
    database.engine.dispose()


@pytest.mark.skipif(not IS_THERE, reason="needs prlimit, of Linux")
def test_a_large_order_that_the_disk_has_no_room_for_leaves_nothing_and_small_ones_go_on(
    narrow: Database, shop: Shop, engine: Engine
) -> None:
    warehouse, other = shop.warehouse(), shop.item(100)
    # Of so many items that the answer, compressed, is larger than a page of the file that can't grow.
    items = [shop.item(10, warehouse=warehouse) for _ in range(200)]
    steps, reference = Steps(narrow), new_reference()
    large = [(item, 1) for item in items * 5]
    with no_room_for_large_answers(engine) as disk:
        with narrow.transaction() as connection:
            process = disk.for_session(connection)
        for _ in range(2):
            with nothing_changes(engine, *items), pytest.raises(ApplicationError) as caught:
                steps.reserve(reference, *large)
            assert (caught.value.type, caught.value.non_retryable) == ("DatabaseFull", False)
            assert caught.value.message.startswith("the database's disk is full: could not extend file")
            steps.reserve(new_reference(), (other, 3))
        assert level(engine, other) == (100, 6)
        disk.is_over(process)
        assert len(steps.reserve(reference, *large).lines) == 1_000
    held = ItemBooks(on_hand=10, reserved=5, held=5, open_lines=5, movements=1, moved=10)
    assert set(books(engine, *items).items) == {held}


@contextmanager
def _commits_slowly(engine: Engine, reference: str) -> Iterator[None]:
    """The check of this order's operations at commit takes a minute."""
    with engine.begin() as connection:
        connection.execute(
            text(f"""
                CREATE FUNCTION check_slowly() RETURNS trigger LANGUAGE plpgsql AS
                    $$BEGIN PERFORM pg_sleep(60); RETURN NULL; END$$;
                CREATE CONSTRAINT TRIGGER check_slowly AFTER INSERT ON operations DEFERRABLE INITIALLY DEFERRED
                    FOR EACH ROW WHEN (NEW.workflow_id = 'reservation-{reference}') EXECUTE FUNCTION check_slowly()
            """)
        )
    try:
        yield
    finally:
        with engine.begin() as connection:
            connection.execute(text("DROP TRIGGER check_slowly ON operations; DROP FUNCTION check_slowly"))


def test_a_hold_whose_commit_takes_too_long_leaves_nothing_and_is_made_when_it_does_not(
    narrow: Database, shop: Shop, engine: Engine
) -> None:
    item = shop.item(10)
    steps, slow = Steps(narrow), new_reference()
    with _commits_slowly(engine, slow):
        with nothing_changes(engine, item), pytest.raises(ApplicationError) as caught:
            steps.reserve(slow, (item, 4))
        assert (caught.value.type, caught.value.message) == ("DatabaseBusy", "transaction timeout")
        steps.reserve(new_reference(), (item, 3))
        assert level(engine, item) == (10, 3)
    steps.reserve(slow, (item, 4))
    assert level(engine, item) == (10, 7)
