"""A product under another SKU: the one that it had still leads to it, and to nothing else."""

import uuid

import psycopg
import pytest
from sqlalchemy import Engine, insert, text
from sqlalchemy.exc import IntegrityError
from temporalio.exceptions import ApplicationError

from activities.product import ProductNaming
from activities.stock import StockQuestions
from database import tables
from database.product_search import _SEARCH
from database.sessions import Database
from stockkeeper.contracts.product import ProductNames, RenameProductStep, SearchProducts, ShowProduct
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

    def search(self, text: str, limit: int = 25) -> list[str]:
        return [each.sku for each in self._steps.search_products(SearchProducts(text=text, limit=limit)).products]

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


@pytest.fixture
def screws(database: Database) -> str:
    """A word that only these screws have in their names."""
    word = new_reference("Quill").replace("-", "")
    made = [
        (f"{word}-M8x20", "Hex bolt, zinc", True),
        (f"{word}-M8", "Hex bolt", True),
        (f"A-{word}", "Flat_washer 8.4mm (pack/50)", True),
        (f"B-{word.upper()}", "Öse <gross>", False),
    ]
    with database.engine.begin() as connection:
        rows = [{"sku": sku, "name": name, "is_active": is_active} for sku, name, is_active in made]
        connection.execute(insert(tables.products), rows)
    return word


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("{word}", ["{word}-M8", "{word}-M8x20", "A-{word}", "B-{upper}"]),
        ("{word}-m8", ["{word}-M8", "{word}-M8x20"]),
        ("BOLT {word} hex", ["{word}-M8", "{word}-M8x20"]),
        ("{word} m8x", ["{word}-M8x20"]),
        ("  wash {word}", ["A-{word}"]),
        ("{word} 8.4mm", ["A-{word}"]),
        ("{word} pack 50", ["A-{word}"]),
        ("{word} gros", ["B-{upper}"]),
        ("{word} Ös", ["B-{upper}"]),
        ("{word} olt", []),
        ("{word} ' & | ! :* \\ '' %", ["A-{word}", "B-{upper}", "{word}-M8", "{word}-M8x20"]),
        ("'", []),
    ],
)
def test_products_are_found_by_the_beginnings_of_words(
    screws: str, naming: Naming, typed: str, found: list[str]
) -> None:
    spelled = {"word": screws, "upper": screws.upper()}
    assert naming.search(typed.format(**spelled)) == [each.format(**spelled) for each in found]


def test_a_search_says_that_there_is_more(screws: str, database: Database) -> None:
    steps = ProductNaming(database)
    first = steps.search_products(SearchProducts(text=screws, limit=3))
    assert ([each.is_active for each in first.products], first.more) == ([True, True, True], True)
    all_of_them = steps.search_products(SearchProducts(text=screws, limit=4))
    assert ([each.is_active for each in all_of_them.products], all_of_them.more) == ([True, True, True, False], False)


def test_a_search_finds_a_former_sku_and_a_barcode(
    tea: tuple[int, str, str], naming: Naming, database: Database
) -> None:
    product, old, new = tea
    code = f"{uuid.uuid4().int % 10**12:012d}"
    code += str(-sum(int(digit) * (1, 3)[place % 2] for place, digit in enumerate(code)) % 10)
    with database.engine.begin() as connection:
        row = {"barcode": code.zfill(14), "product_id": product, "unit": "each", "quantity": 1}
        connection.execute(insert(tables.product_barcodes), row)
    assert naming.search(old.lower()) == naming.search(code) == naming.search(code.zfill(14)) == [new]


def test_a_search_goes_by_an_index(screws: str, database: Database) -> None:
    with database.engine.begin() as connection:
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        asked = {"words": f"'{screws}':*", "typed": screws, "barcode": screws, "ranked": 10, "most": 10}
        plan = "\n".join(connection.execute(text(f"EXPLAIN {_SEARCH.text}"), asked).scalars())
    assert "products_words" in plan
    assert "Seq Scan" not in plan
