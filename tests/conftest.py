"""One PostgreSQL, one Temporal and one worker for the whole session; every test brings its own products."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Iterator
from functools import cache
from typing import Any, TypeVar

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis.strategies import text
from pydantic import SecretStr
from sqlalchemy import Engine
from temporalio.client import Client
from typer.main import get_command

from database.migrate import upgrade
from database.sessions import Database, connect
from devstack.stack import StackInfo, running_stack
from starter.namespace import register_search_attributes
from stockkeeper.client.connection import connect_temporal
from tests.support.adjustment import Adjusting
from tests.support.auditor import ALWAYS, assert_books_agree, auditors_engine, mark
from tests.support.customer_return import Returns
from tests.support.cycle_count import CountPlans, Counts
from tests.support.inspection import Inspecting
from tests.support.notices import TAKING
from tests.support.purchase_order import Purchasing
from tests.support.recall import Recalling
from tests.support.replenishment import Plans, Reorders
from tests.support.reservation import Orders
from tests.support.shop import Shop
from tests.support.stock_audit import Audits
from tests.support.told import misfits
from tests.support.transfer import Transfers
from tests.support.webhooks import WEBHOOK_KEY
from tests.support.wire import Caller
from worker import Settings, build_database, event_loop, working

# The same examples every time, and no time limit: on a busy machine that would fail by chance.
hypothesis_settings.register_profile("stockkeeper", deadline=None, database=None, derandomize=True)
hypothesis_settings.load_profile("stockkeeper")


C = TypeVar("C", bound=Caller)


AUDIT_EACH, FOLD = "--audit-each", "--fold"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Say after which test the books disagree."""
    parser.addoption(
        AUDIT_EACH, action="store_true", help="audit the books after each test, and not only after each file"
    )
    parser.addoption(
        FOLD, action="store_true", help="fold the events after each file, or test, and compare them with the tables"
    )


def pytest_collection_finish() -> None:
    """Keep modules and collected tests, which live to the end, out of the garbage collector's passes.

    Few passes are left for the rest: one over all objects may hold a workflow's task up for longer than a worker takes
    for a deadlock.
    """
    # Which characters there are is found out once, before there are several processes, and kept in a file.
    text().validate()
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


BEGIN_FIRST = "tests/faults/test_simulation.py"
"""It takes two minutes and more, for which the other processes would have nothing to do if it came last."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the longest file begin first; the others stay in the order of the folders."""
    items.sort(key=lambda item: not item.nodeid.startswith(BEGIN_FIRST))


_AT_WORK = pytest.StashKey["asyncio.Task[None]"]()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Fail at once, and don't wait for answers, once the session's worker has ended."""
    at_work = item.config.stash.get(_AT_WORK, None)
    if at_work is not None and at_work.done() and "worker" in getattr(item, "fixturenames", ()):
        pytest.fail(f"the session's worker has ended: {at_work.exception()!r}", pytrace=False)


@pytest.fixture(autouse=True, scope="session")
def _commands_are_made_once() -> Iterator[None]:
    """Typer's runner makes all commands anew for each call, which takes longer than what most of them do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("typer.testing._get_command", cache(get_command))
        yield


@pytest.fixture(scope="session")
def _asyncio_loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """The loop that a worker has, which takes less time than asyncio's own; pytest-asyncio asks for it by this name.

    Its hook for that would give a loop to asynchronous tests alone, and the others would begin another one, with a
    stack of its own.
    """
    return event_loop


@pytest.fixture(scope="session")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[StackInfo]:
    """PostgreSQL and Temporal."""
    async with running_stack(tmp_path_factory.mktemp("stack"), fast=True, headless=True, environ={}) as info:
        yield info


@pytest.fixture(scope="session")
def engine(stack: StackInfo) -> Iterator[Engine]:
    """The migrated database, as its owner, with enough connections for tests that race."""
    engine = connect(stack.database_url, pool_size=20, application_name="tests")
    upgrade(engine)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def auditor(stack: StackInfo, engine: Engine) -> Iterator[Engine]:
    """What the auditor asks on; at the end of the session it goes over everything that there is."""
    del engine  # The schema has to be there first.
    auditor = auditors_engine(stack.database_url)
    yield auditor
    assert_books_agree(auditor)
    auditor.dispose()


@pytest.fixture(scope="session")
def settings(stack: StackInfo, engine: Engine) -> Settings:
    """A worker's settings: it acts as the role that can't change the past."""
    del engine  # The schema has to be there first.
    return Settings(
        database_url=SecretStr(stack.database_url),
        database_role="stockkeeper_worker",
        task_queue=stack.task_queue,
        concurrency=10,
        # Otherwise each order would note that its supplier wasn't written to.
        supplier_notice_urls=SecretStr(TAKING),
        webhook_key=SecretStr(WEBHOOK_KEY),
        webhook_allow_http=True,
        webhook_networks="127.0.0.0/8",
    )


@pytest.fixture(scope="session")
def database(settings: Settings) -> Iterator[Database]:
    """The database as a worker sees it."""
    database = build_database(settings)
    yield database
    database.engine.dispose()


@pytest.fixture(scope="session")
async def our_client(stack: StackInfo) -> Client:
    """A client with our converter, with the search attributes registered."""
    client = await connect_temporal(stack.temporal_address, stack.namespace)
    await register_search_attributes(client)
    return client


@pytest.fixture(scope="session")
async def plain_client(stack: StackInfo) -> Client:
    """A client with Temporal's own JSON converter, as any other service has."""
    return await Client.connect(stack.temporal_address, namespace=stack.namespace)


@pytest.fixture(scope="session")
async def worker(
    request: pytest.FixtureRequest, our_client: Client, database: Database, settings: Settings
) -> AsyncIterator[None]:
    """One worker for all tests that don't bring their own."""
    begun, over = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        async with working(our_client, database, settings):
            begun.set()
            await over.wait()

    # In a task of its own, which a worker that fails can end: that of a fixture's first part is over by then.
    request.config.stash[_AT_WORK] = at_work = asyncio.create_task(work())
    at_work.add_done_callback(lambda _: begun.set())
    await begun.wait()
    yield
    over.set()
    await at_work


def _calling(kind: type[C]) -> Any:
    """A fixture: a service's side of one kind of process, with the session's worker at the other end."""

    @pytest.fixture(scope="session")
    def caller(plain_client: Client, worker: None, stack: StackInfo) -> C:
        del worker
        return kind(plain_client, stack.task_queue)

    return caller


orders = _calling(Orders)
purchasing = _calling(Purchasing)
transfers = _calling(Transfers)
returns = _calling(Returns)
adjusting = _calling(Adjusting)
inspecting = _calling(Inspecting)
recalling = _calling(Recalling)
counts = _calling(Counts)
count_plans = _calling(CountPlans)
reorders = _calling(Reorders)
plans = _calling(Plans)
audits = _calling(Audits)


@pytest.fixture
def shop(engine: Engine) -> Shop:
    """Makes products, warehouses and stock."""
    return Shop(engine)


@pytest.fixture(autouse=True)
def _books_agree_after_each(request: pytest.FixtureRequest) -> Iterator[None]:
    """With ``--audit-each``: the auditor goes after each test over all that is in its own warehouses."""
    each = request.config.getoption(AUDIT_EACH) and "engine" in request.fixturenames
    audited = request.getfixturevalue("auditor") if each else None
    since = mark(audited, fold=request.config.getoption(FOLD)) if audited is not None else ALWAYS
    yield
    if audited is not None:
        assert_books_agree(audited, since, fold=request.config.getoption(FOLD))


@pytest.fixture(autouse=True, scope="module")
def _books_of_the_file_agree_afterwards(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever the tests of a file did to the stock, the auditor goes afterwards over all of their warehouses.

    And what was told of it is what the contract says of events.
    """
    here = [item for item in request.session.items if item.path == request.path]
    with_books = any("engine" in getattr(item, "fixturenames", ()) for item in here)
    audited = request.getfixturevalue("auditor") if with_books else None
    since = mark(audited, fold=request.config.getoption(FOLD)) if audited is not None else ALWAYS
    yield
    if audited is not None:
        assert misfits(audited, since.time) == []
        try:
            assert_books_agree(audited, since, fold=request.config.getoption(FOLD))
        except AssertionError as disagree:
            disagree.add_note(
                f"`pytest {AUDIT_EACH} {request.path.relative_to(request.config.rootpath)}` says after which test"
            )
            raise
