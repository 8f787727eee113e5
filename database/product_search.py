"""The search for products by words: each begins a word of the SKU or the name, by the index of these words."""

import re
from collections.abc import Sequence

from sqlalchemy import Connection, RowMapping, text

from database.tables import NO_LETTERS, WORDS_OF_A_PRODUCT
from stockkeeper.domain.barcode import GTIN_DIGITS

_RANKED = 5_000
"""Products that are put in order; of more, some are left out, and nobody who wants one types so little."""
_BETWEEN_WORDS = re.compile(rf"[\W{re.escape(NO_LETTERS)}]+")

# The whole text is looked for by indexes of its own. It may have no word at all, such as a SKU of signs.
_SEARCH = text(f"""
    WITH found AS (
        (SELECT product_id FROM products WHERE {WORDS_OF_A_PRODUCT} @@ to_tsquery('simple', :words) LIMIT :ranked)
        UNION SELECT product_id FROM products WHERE lower(sku) = lower(:typed)
        UNION SELECT product_id FROM former_skus WHERE lower(sku) = lower(:typed) AND taken_back_at IS NULL
        UNION SELECT product_id FROM product_barcodes WHERE lower(barcode) = lower(:barcode)
    )
    SELECT product_id, sku, name, is_active
    FROM found JOIN products USING (product_id)
    ORDER BY lower(sku) = lower(:typed) DESC, starts_with(lower(sku), lower(:typed)) DESC, sku
    LIMIT :most
""")  # noqa: S608 - names and signs of ours


def search(connection: Connection, typed: str, most: int) -> Sequence[RowMapping]:
    """Products by part of what people know of them. Locks nothing.

    Args:
        connection: The transaction.
        typed: Words, in any order and in any case; or a whole SKU, former SKU or barcode.
        most: Products at most.
    """
    typed = typed.strip()
    words = " & ".join(f"'{word}':*" for word in _BETWEEN_WORDS.split(typed) if word)
    barcode = typed.zfill(GTIN_DIGITS) if typed.isdecimal() else typed
    asked = {"words": words, "typed": typed, "barcode": barcode, "ranked": _RANKED, "most": most}
    return connection.execute(_SEARCH, asked).mappings().all()
