"""Names in place of ids: the very name, the only one in another case, an id that says so, and the nearest one."""

import uuid

import pytest
from sqlalchemy import Engine, exc, insert, text
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.stock import StockQuestions
from database import tables
from database.sessions import Database
from stockkeeper.contracts.stock import FindItems, FoundItems


def _product(engine: Engine, sku: str) -> int:
    with engine.begin() as connection:
        added = insert(tables.products).values(sku=sku, name=sku).returning(tables.products.c.product_id)
        return int(connection.execute(added).scalar_one())


@pytest.fixture
def run() -> str:
    """The end of every name of this test."""
    return uuid.uuid4().hex[:8].upper()


class Finding:
    """Asks for ids."""

    def __init__(self, database: Database) -> None:
        self._questions = StockQuestions(database)

    def __call__(self, *skus: str, exact: bool = True) -> dict[str, int]:
        """The ids of products."""
        return self.found(FindItems(products=list(skus), exact=exact)).products

    def found(self, asked: FindItems) -> FoundItems:
        """The answer."""
        return ActivityEnvironment().run(self._questions.find_items, asked)

    def refused(self, *skus: str, exact: bool = True) -> str:
        """The message of a refusal."""
        with pytest.raises(ApplicationError) as caught:
            self(*skus, exact=exact)
        assert caught.value.type == "UnknownProduct"
        return caught.value.message


@pytest.fixture
def find(database: Database) -> Finding:
    """Asks for ids."""
    return Finding(database)


def test_a_number_is_a_sku_and_no_id(find: Finding, engine: Engine, run: str) -> None:
    number = _product(engine, f"TEA-{run}")
    message = find.refused(str(number))
    assert message.startswith(f"no product is called '{number}'; ")
    assert find(f"id:{number}", f"TEA-{run}") == {f"id:{number}": number, f"TEA-{run}": number}
    # A question that doesn't go by SKU alone takes both, a SKU first.
    assert find(str(number), exact=False) == {str(number): number}


def test_leading_zeros_that_a_spreadsheet_dropped_are_suggested(find: Finding, engine: Engine) -> None:
    digits = str(uuid.uuid4().int)[:12].lstrip("0")
    _product(engine, f"000{digits}")
    assert find.refused(digits) == f"no product is called '{digits}'; did you mean 000{digits}?"


def test_a_name_is_found_in_any_case(find: Finding, engine: Engine, run: str) -> None:
    number = _product(engine, f"Grün-{run}")
    typed = f"grÜN-{run.lower()}"
    assert find(typed) == {typed: number}


def test_the_nearest_name_is_suggested(find: Finding, engine: Engine, run: str) -> None:
    for colour in ("RED", "BLUE"):
        _product(engine, f"MUG-{colour}-{run}")
    assert find.refused(f"MUG-RDE-{run}") == f"no product is called 'MUG-RDE-{run}'; did you mean MUG-RED-{run}?"
    assert find.refused(f"MUG-RDE-{run}", f"{run}-no", f"MUG-BLU-{run}") == (
        f"no product is called 'MUG-RDE-{run}', '{run}-no', 'MUG-BLU-{run}'; "
        f"did you mean MUG-RED-{run} for MUG-RDE-{run}, MUG-BLUE-{run} for MUG-BLU-{run}?"
    )


def test_no_name_differs_from_another_by_case_alone(engine: Engine, run: str) -> None:
    _product(engine, f"TEA-{run}")
    with pytest.raises(exc.IntegrityError, match=f"tea-{run} differs from TEA-{run} by upper and lower case alone"):
        _product(engine, f"tea-{run}")
    for table in (tables.warehouses, tables.suppliers):
        with pytest.raises(exc.IntegrityError, match="by upper and lower case alone"), engine.begin() as connection:
            connection.execute(insert(table).values([{"name": f"Place {run}"}, {"name": f"place {run}"}]))
    renamed = text("UPDATE products SET sku = :new WHERE sku = :old")
    _product(engine, f"CUP-{run}")
    with pytest.raises(exc.IntegrityError, match="by upper and lower case alone"), engine.begin() as connection:
        connection.execute(renamed, {"new": f"tea-{run}", "old": f"CUP-{run}"})


def test_twins_from_before_are_told_apart(find: Finding, engine: Engine, run: str) -> None:
    upper = _product(engine, f"CUP-{run}")
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE products DISABLE TRIGGER products_have_no_twins"))
        twin = connection.execute(
            text("INSERT INTO products (sku, name) VALUES (:sku, 'cup') RETURNING product_id"), {"sku": f"cup-{run}"}
        ).scalar_one()
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE products ENABLE TRIGGER products_have_no_twins"))
    assert find(f"CUP-{run}", f"cup-{run}") == {f"CUP-{run}": upper, f"cup-{run}": twin}
    assert find.refused(f"Cup-{run}") == (f"no product is called 'Cup-{run}' exactly; write CUP-{run} or cup-{run}")
