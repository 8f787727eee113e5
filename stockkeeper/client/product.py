"""A product's names: another SKU, and those that it had."""

from stockkeeper.client.document import Part
from stockkeeper.client.lines import Named
from stockkeeper.client.names import change, with_names
from stockkeeper.client.questions import ask
from stockkeeper.contracts.product import ProductNames, ShowProduct
from stockkeeper.contracts.question import RENAME_PRODUCT, SHOW_PRODUCT


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
