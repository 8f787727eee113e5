"""The activities of each process, called in the worker's role, and the scenery that several files of tests share."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest
from sqlalchemy import Engine, make_url

from database.sessions import Database, connect
from devstack.stack import StackInfo
from tests.support import replenishment_rows
from tests.support.guards import Roles
from tests.support.past import Past
from tests.support.shop import Shop
from tests.support.steps.adjustment import AdjustmentCalls
from tests.support.steps.customer_return import ReturnCalls
from tests.support.steps.cycle_count import CountCalls
from tests.support.steps.inspection import InspectionCalls
from tests.support.steps.purchase_order import Buying
from tests.support.steps.reorder import Reordering
from tests.support.steps.replenishment_plan import Planning
from tests.support.steps.reservation import Steps
from tests.support.steps.transfer import TransferCalls

C = TypeVar("C")


def _acting(calls: Callable[[Database], C]) -> Any:
    """A fixture: the activities of one process, called in the worker's role."""

    @pytest.fixture
    def acting(database: Database) -> C:
        return calls(database)

    return acting


steps = _acting(Steps)
buying = _acting(Buying)
moving = _acting(TransferCalls)
taking = _acting(ReturnCalls)
putting_right = _acting(AdjustmentCalls)
counting = _acting(CountCalls)
inspecting = _acting(InspectionCalls)
planning = _acting(Planning)
reordering = _acting(Reordering)


@pytest.fixture
def both_roles(engine: Engine, database: Database) -> Roles:
    """The owner of the database, and the worker's role."""
    return engine, database.engine


@pytest.fixture
def past(shop: Shop) -> Past:
    """Lets things have happened."""
    return Past(shop)


@pytest.fixture
def nothing_else_to_order(engine: Engine) -> Iterator[None]:
    """Clear what is to be ordered, before the test and after it."""
    with replenishment_rows.nothing_else_to_order(engine):
        yield


@pytest.fixture
def empty(stack: StackInfo, engine: Engine) -> Iterator[Engine]:
    """A database with nothing in it."""
    name = f"empty_{uuid.uuid4().hex[:12]}"
    autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")
    with autocommit.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    url = make_url(stack.database_url).set(database=name).render_as_string(hide_password=False)
    empty = connect(url)
    yield empty
    empty.dispose()
    with autocommit.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name}")
