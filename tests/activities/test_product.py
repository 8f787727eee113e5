"""A product under another SKU: the one that it had still leads to it, and to nothing else."""

import psycopg
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError
from temporalio.exceptions import ApplicationError

from activities.product import ProductNaming
from activities.stock import StockQuestions
from database.sessions import Database
from stockkeeper.contracts.product import ProductNames, RenameProductStep, ShowProduct
from stockkeeper.contracts.stock import FindItems
from tests.activities.test_import_file import Loading
from tests.support.books import level, nothing_is_stored
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import NOON, run_activity


class Naming:
    """Renames products, and asks for them."""

    def __init__(self, database: Database) -> None:
        self._steps = ProductNaming(database)
        self._questions = StockQuestions(database)

    def rename(self, product: str, sku: str, *, operation: str | None = None) -> ProductNames:
        step = RenameProductStep(
            operation_id=operation or new_reference("rename"),
            performed_by="olga",
            as_of=NOON,
            product=product,
            sku=sku,
        )
        return run_activity("rename_product", self._steps.rename_product, step)

    def refused(self, product: str, sku: str, *, operation: str | None = None) -> tuple[str | None, str]:
        with pytest.raises(ApplicationError) as caught:
            self.rename(product, sku, operation=operation)
        return caught.value.type, caught.value.message

    def former(self, product: str) -> tuple[str, list[str]]:
        names = self._steps.show_product(ShowProduct(product=product))
        return names.sku, [each.sku for each in names.former_skus]

    def found(self, *names: str, exact: bool = True) -> list[int]:
        found = self._questions.find_items(FindItems(products=list(names), exact=exact)).products
        return [found[name] for name in names]


@pytest.fixture
def naming(database: Database) -> Naming:
    return Naming(database)


@pytest.fixture
def tea(shop: Shop, naming: Naming) -> tuple[int, str, str]:
    """A product that was renamed: its id, the SKU that it had, and the one that it has."""
    product, old, new = shop.product(), new_reference("TEA"), new_reference("ASSAM")
    naming.rename(f"id:{product}", old)
    naming.rename(old, new)
    return product, old, new


def test_the_names_that_it_had_are_kept_with_who_and_when(tea: tuple[int, str, str], naming: Naming) -> None:
    product, old, new = tea
    names = naming.rename(new, new)
    assert (names.product_id, names.sku, len(names.former_skus)) == (product, new, 2)
    latest = {each.sku: (each.renamed_at, each.renamed_by) for each in names.former_skus}[old]
    assert latest == (NOON, "olga")


@pytest.mark.parametrize("exact", [True, False])
def test_a_former_sku_is_found_in_any_case(tea: tuple[int, str, str], naming: Naming, exact: bool) -> None:
    product, old, new = tea
    assert naming.found(new, old, old.lower(), new.lower(), exact=exact) == [product] * 4


def test_a_former_sku_of_digits_is_no_id(shop: Shop, naming: Naming) -> None:
    product, other = shop.product(), shop.product()
    naming.rename(f"id:{product}", f"{other}")
    naming.rename(f"{other}", new_reference("tea"))
    assert naming.found(f"{other}", exact=True) == naming.found(f"{other}", exact=False) == [product]


def test_files_mean_the_product_by_the_sku_that_it_had(
    tea: tuple[int, str, str], naming: Naming, database: Database, shop: Shop, engine: Engine
) -> None:
    product, old, new = tea
    warehouse = shop.warehouse()
    stock = Loading(database, "stock", "sku", "warehouse_id", "quantity")
    stock.stage((old, f"{warehouse}", "7"))
    assert stock.apply(1).inserted == 1
    with engine.connect() as connection:
        assert connection.execute(
            text("SELECT quantity_on_hand FROM inventory_items WHERE (warehouse_id, product_id) = (:w, :p)"),
            {"w": warehouse, "p": product},
        ).scalars().all() == [7]
    prices = Loading(database, "products", "sku", "unit_price")
    prices.stage((old.upper(), "12.50"))
    assert prices.apply(1).updated == 1
    assert naming.former(old)[0] == new
    with engine.connect() as connection:
        query = text("SELECT unit_price FROM products WHERE product_id = :p")
        assert str(connection.execute(query, {"p": product}).scalar_one()) == "12.500000"
    both = Loading(database, "products", "sku", "unit_price")
    both.stage((old, "1"), (new, "2"))
    with pytest.raises(ApplicationError, match="is the same as on line 2"):
        both.apply(2)


def test_no_other_product_may_have_a_sku_that_one_has_or_had(
    tea: tuple[int, str, str], naming: Naming, shop: Shop, engine: Engine
) -> None:
    _, old, new = tea
    other = f"id:{shop.product()}"
    with nothing_is_stored(engine):
        assert naming.refused(other, new.lower()) == ("InvalidRequest", f"{new} is the SKU of another product")
        assert naming.refused(other, old.lower()) == (
            "InvalidRequest",
            f"{old.lower()} was the SKU of {new} until 2026-06-01, and still leads to it; choose another",
        )
        assert naming.refused(new_reference("none"), "X")[0] == "UnknownProduct"
        # Nor by any other way into the tables.
        with pytest.raises(IntegrityError) as caught:
            _insert_product(engine, old.upper())
        assert isinstance(caught.value.orig, psycopg.errors.UniqueViolation)
        assert caught.value.orig.diag.constraint_name == "skus_have_one_meaning"


def _insert_product(engine: Engine, sku: str) -> None:
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO products (sku, name) VALUES (:sku, 'x')"), {"sku": sku})


def test_a_product_may_have_its_own_again_or_in_another_case(tea: tuple[int, str, str], naming: Naming) -> None:
    product, old, new = tea
    [first] = [sku for sku in naming.former(new)[1] if sku != old]
    assert naming.rename(new, old).sku == old
    assert sorted(naming.former(old)[1]) == sorted([first, new])
    assert naming.rename(old, old.swapcase()).sku == old.swapcase()
    assert sorted(naming.former(old)[1]) == sorted([first, new])
    assert naming.found(old, new, first) == [product] * 3


def test_a_renaming_happens_once(shop: Shop, naming: Naming) -> None:
    product, new, operation = f"id:{shop.product()}", new_reference("tea"), new_reference("rename")
    once = naming.rename(product, new, operation=operation)
    naming.rename(new, other := new_reference("tea"))
    assert naming.rename(product, new, operation=operation) == once
    assert naming.former(new)[0] == other
    assert naming.refused(product, new_reference("tea"), operation=operation) == (
        "OperationConflict",
        "this renaming was made with another SKU before",
    )


def test_movements_and_levels_show_the_sku_of_today(naming: Naming, shop: Shop, engine: Engine) -> None:
    item, new = shop.item(4), new_reference("tea")
    naming.rename(f"id:{item.product_id}", new)
    assert level(engine, item) == (4, 0)
    with engine.connect() as connection:
        query = text("SELECT sku FROM stock_movements JOIN products USING (product_id) WHERE product_id = :p")
        assert connection.execute(query, {"p": item.product_id}).scalars().all() == [new]
