"""A product's names: another SKU, those that it had, and the search by parts of them; and the warehouses' names."""

from stockkeeper.client.calls import checked
from stockkeeper.client.document import Part
from stockkeeper.client.lines import Named
from stockkeeper.client.names import change, with_names
from stockkeeper.client.questions import ask, pages
from stockkeeper.contracts.homes import HomeShown, ShowHomes
from stockkeeper.contracts.product import ProductNames, ProductsFound, SearchProducts, ShowProduct
from stockkeeper.contracts.question import RENAME_PRODUCT, SEARCH_PRODUCTS, SHOW_HOMES, SHOW_PRODUCT


class Products(Part):
    """Products and their names."""

    async def rename_product(self, product: Named, sku: str, *, performed_by: str) -> ProductNames:
        """Give a product another SKU. The one that it had still leads to it, in every call and file.

        Args:
            product: The product.
            sku: Its new SKU.
            performed_by: The person or service that renames it.

        Raises:
            InvalidRequest: Another product has that SKU, or had it; or it can't be one.
            UnknownProduct: Nothing has that SKU or id.
            Unreachable: No worker answers.
        """
        return await change(
            self.connection, RENAME_PRODUCT, "rename", product=product, sku=sku, performed_by=performed_by
        )

    async def product_names(self, product: Named) -> ProductNames:
        """The SKU of a product, those that it had, and its barcodes.

        Raises:
            UnknownProduct: Nothing has that SKU or id.
            Unreachable: No worker answers.
        """
        return await ask(self.connection, SHOW_PRODUCT, await with_names(self.connection, ShowProduct, product=product))

    async def search_products(self, text: str, *, limit: int = 25) -> ProductsFound:
        """Products of which each word of a text begins a word of the SKU or the name, in any case.

        Args:
            text: The words; or a whole SKU, former SKU or barcode.
            limit: Products at most; ``more`` says whether there are others.

        Raises:
            InvalidRequest: The text is empty or too long.
            Unreachable: No worker answers.
        """
        return await ask(self.connection, SEARCH_PRODUCTS, checked(SearchProducts, text=text, limit=limit))

    async def warehouses(self) -> list[HomeShown]:
        """All warehouses in the order of their names, each with its timezone and the database that keeps it.

        Raises:
            Unreachable: No worker answers.
        """
        found = [each async for each in pages(self.connection, SHOW_HOMES, ShowHomes())]
        return sorted(found, key=lambda each: (each.warehouse.lower(), each.warehouse_id))
