"""A product's names on PostgreSQL."""

from sqlalchemy import Connection
from temporalio import activity

from activities.stock import StockQuestions
from activities.writes import OnDatabase, database_errors, effect_once, page_of
from database.former_skus import barcodes_of, names_of, rename
from database.operations import Operation
from database.product_search import search
from stockkeeper.contracts.product import (
    FormerSku,
    ProductActivities,
    ProductBarcode,
    ProductFound,
    ProductNames,
    ProductsFound,
    RenameProductStep,
    SearchProducts,
    ShowProduct,
)
from stockkeeper.contracts.stock import FindItems


class ProductNaming(OnDatabase, ProductActivities):
    """`ProductActivities` on PostgreSQL."""

    @activity.defn(name="rename_product", no_thread_cancel_exception=True)
    def rename_product(self, step: RenameProductStep) -> ProductNames:
        """Give a product another SKU. Documents, movements and levels have it by its id, and show the new one.

        Locks: the products, against imports, and the product. Operation: the caller's.

        Raises:
            UnknownProduct: The catalogue hasn't got it.
            InvalidRequest: Another product has that SKU, or had it.
        """
        product_id = self._id(step.product)

        def effect(connection: Connection, operation: Operation) -> ProductNames:
            rename(connection, operation, product_id, step.sku, step.as_of)
            return _names(connection, product_id)

        return effect_once(self._database, step, ProductNames, effect)[0]

    @activity.defn(name="show_product", no_thread_cancel_exception=True)
    def show_product(self, question: ShowProduct) -> ProductNames:
        """The SKU of a product, those that it had, and its barcodes.

        Raises:
            UnknownProduct: The catalogue hasn't got it.
        """
        product_id = self._id(question.product)
        with database_errors(), self._database.snapshot() as connection:
            return _names(connection, product_id)

    @activity.defn(name="search_products", no_thread_cancel_exception=True)
    def search_products(self, question: SearchProducts) -> ProductsFound:
        """Products by words that begin words of their SKU or name, or by a whole SKU, former SKU or barcode."""
        with database_errors(), self._database.snapshot() as connection:
            rows = search(connection, question.text, question.limit + 1)
        found, more = page_of(ProductFound, rows, question.limit)
        return ProductsFound(products=found, more=more)

    def _id(self, product: str) -> int:
        return StockQuestions(self._database).find_items(FindItems(products=[product])).products[product]


def _names(connection: Connection, product_id: int) -> ProductNames:
    product, former = names_of(connection, product_id)
    barcodes = [ProductBarcode(**row) for row in barcodes_of(connection, product_id)]
    return ProductNames(**product, former_skus=[FormerSku(**row) for row in former], barcodes=barcodes)
