"""Search attributes of runs: `StockStatus="ACTIVE" and StockSkus="TEA-100"` finds the holds on the tea."""

import json
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
"""The search attributes that a namespace needs before a worker can run."""

REFUSED = "REFUSED"
"""The `StockStatus` of a run that has failed because its start was refused: a failed run without it is a fault."""

_VALUE_BYTES = 1_800
"""Temporal refuses a value above 2 KiB, and ends a workflow whose search attributes are refused."""


def keyword(value: str) -> str:
    """The value, or as much of its beginning as Temporal takes."""
    while _encoded(value) > _VALUE_BYTES:
        value = value[: len(value) * 9 // 10]
    return value


def keywords(values: Iterable[str]) -> list[str]:
    """The values once each, in order, as many as Temporal takes: a very long list is found by its first entries."""
    fitting: list[str] = []
    size = 0
    for value in dict.fromkeys(map(keyword, values)):
        size += _encoded(value) + len(", ")
        if size > _VALUE_BYTES:
            break
        fitting.append(value)
    return fitting


def _encoded(value: str) -> int:
    # As the SDK sends it: JSON in ASCII, where a letter may take six bytes and a symbol twelve.
    return len(json.dumps(value))
