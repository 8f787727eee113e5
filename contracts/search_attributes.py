"""What runs can be searched by: `StockStatus="ACTIVE" and StockSkus="TEA-100"` finds who holds the tea."""

from collections.abc import Iterable

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.common import SearchAttributeKey

STATUS = SearchAttributeKey.for_keyword("StockStatus")
SKUS = SearchAttributeKey.for_keyword_list("StockSkus")
WAREHOUSES = SearchAttributeKey.for_keyword_list("StockWarehouses")
REFERENCE = SearchAttributeKey.for_keyword("StockReference")
AMOUNT = SearchAttributeKey.for_float("StockAmount")
DEADLINE = SearchAttributeKey.for_datetime("StockDeadline")

TYPES: dict[str, "IndexedValueType.ValueType"] = {
    STATUS.name: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    SKUS.name: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD_LIST,
    WAREHOUSES.name: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD_LIST,
    REFERENCE.name: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    AMOUNT.name: IndexedValueType.INDEXED_VALUE_TYPE_DOUBLE,
    DEADLINE.name: IndexedValueType.INDEXED_VALUE_TYPE_DATETIME,
}
"""What has to be registered with a namespace before a worker can run."""

_LIST_BYTES = 1_500


def keywords(values: Iterable[str]) -> list[str]:
    """The values once each, in order, as many as fit.

    Temporal refuses a value above 2 KiB, and a workflow whose search attributes are refused is stuck; so a very long
    list is searchable by its first entries.
    """
    fitting: list[str] = []
    size = 0
    for value in dict.fromkeys(values):
        size += len(value.encode()) + 4
        if size > _LIST_BYTES:
            break
        fitting.append(value)
    return fitting
