"""Values that fit a JSON Schema: strategies of Hypothesis for the keywords that our contract uses."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

import stockkeeper.contracts
from tests.support.wire import Json

SCHEMA: dict[str, Any] = json.loads((Path(stockkeeper.contracts.__path__[0]) / "schema.json").read_text())
"""The contract, as a service in another language reads it."""

_FEW = 3
"""Most elements that a list gets by chance; long ones are made on purpose (`spoiled`)."""
_SMALL = 12
_LONG = 60_000
"""Letters at most of a text, where a field takes more: each may be twelve bytes of JSON, and Temporal takes 2 MiB."""
_LETTERS = st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs"))


@dataclass(frozen=True)
class Own:
    """Something of the lane that sends the message, put in when it is sent: an id, a name, a number of its own.

    Attributes:
        kind: What it is.
        place: Which one, if there are several.
        more: Letters that are put after it.
    """

    kind: str
    place: int = 0
    more: str = ""


def own(kind: str, places: int = 1) -> SearchStrategy[Own]:
    """One of the lane's own."""
    return st.builds(Own, st.just(kind), st.integers(0, places - 1))


_NUMBER: SearchStrategy[Json] = st.one_of(
    st.just(Own("number")),
    st.builds(Own, st.just("number"), st.just(0), st.text(_LETTERS, max_size=20)),
)
_NAME = st.sampled_from(["ann", "bob", "cid", "rita", "shop"])
_UNITS = st.integers(0, _SMALL)
_CALL = st.sampled_from(["first", "second"])
_WAREHOUSE = own("warehouse", 2)

LIKELY: Mapping[str, SearchStrategy[Json]] = {
    **dict.fromkeys(("product_id", "product_ids"), own("product", 4)),
    "lot_number": own("lot", 3),
    **dict.fromkeys(("warehouse_id", "from_warehouse_id", "warehouse_ids"), own("warehouse")),
    "to_warehouse_id": own("warehouse", 2).map(lambda each: Own("warehouse", 1 - each.place)),
    "supplier_id": own("supplier"),
    **dict.fromkeys(
        (
            *("po_number", "transfer_number", "count_number", "return_number", "adjustment_number"),
            *("inspection_number", "recall_number"),
        ),
        _NUMBER,
    ),
    "number": own("document", 4),
    **dict.fromkeys(("product", "products"), own("sku", 4)),
    **dict.fromkeys(("warehouse", "warehouses", "from_warehouse", "to_warehouse"), own("warehouse_name", 2)),
    **dict.fromkeys(("performed_by", "approver", "requested_by"), _NAME),
    **dict.fromkeys(("reason", "unfit_reason"), st.just("because")),
    **dict.fromkeys(("quantity", "qty", "counted_quantity"), st.integers(1, _SMALL)),
    **dict.fromkeys(("rejected_quantity", "damaged_quantity", "restock_quantity", "scrap_quantity"), _UNITS),
    **dict.fromkeys(("unit_cost", "value", "up_to"), st.sampled_from(["1.00", "12.5", "1000000"])),
    **dict.fromkeys(("receipt_id", "fulfillment_id", "release_id", "write_off_id", "dispatch_id"), _CALL),
    **dict.fromkeys(("correction_id", "return_id", "amendment_id", "inspection_id", "decision_id"), _CALL),
    **dict.fromkeys(("note", "reference", "file_name", "status", "command", "key"), st.just("a remark")),
    "workflow_id": own("workflow", 4),
    "sku": own("sku", 3).map(lambda each: Own("sku", each.place, "-new")),
    "ttl_minutes": st.sampled_from([0.001, 30, 525_600]),
    "wait_minutes": st.sampled_from([0, 0, 0.001, 60]),
    "version": st.integers(1, 2),
    "approvals": st.integers(0, 2),
    "page": st.integers(0, 2),
    "pages": st.integers(1, 2),
    "rows": own("rows", 4),
    "columns": st.sampled_from([["sku", "name"], ["sku", "warehouse", "quantity"]]),
    "digest": own("digest"),
    "history_days": st.sampled_from([1, 90]),
    "planning": st.sampled_from(["auto", "manual"]),
    "operation_id": own("operation", 3),
}
"""What a field of this name is most often: something that makes sense to whoever receives it, so that there are effects
and refusals by the state of things, and not only by the form of the message."""


def definition(reference: str) -> dict[str, Any]:
    """The schema that a reference of the contract leads to."""
    found: dict[str, Any] = SCHEMA["$defs"][reference.removeprefix("#/$defs/")]
    return found


@cache
def message(reference: str, *, likely: bool) -> SearchStrategy[Json]:
    """What fits a message of the contract.

    Args:
        reference: Its schema.
        likely: Only what makes sense in each field whose name is in `LIKELY`; otherwise anything that fits, too.
    """
    return _Fitting(likely=likely).of(definition(reference))


def anything() -> SearchStrategy[Json]:
    """Any JSON at all, a few levels deep."""
    return st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=_SMALL)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=_FEW), st.dictionaries(st.text(max_size=_FEW), inner, max_size=_FEW)
        ),
        max_leaves=_SMALL,
    )


@dataclass(frozen=True)
class _Fitting:
    """What fits a schema.

    Attributes:
        likely: As of `message`.
    """

    likely: bool

    def of(self, schema: Mapping[str, Any], name: str = "") -> SearchStrategy[Json]:
        """What fits a schema, for a field of this name."""
        if "$ref" in schema:
            reference = schema["$ref"]
            return st.deferred(lambda: message(reference, likely=self.likely))
        if "anyOf" in schema:
            return st.one_of(*(self.of(each, name) for each in schema["anyOf"]))
        if "const" in schema:
            return st.just(schema["const"])
        if "enum" in schema:
            return st.sampled_from(schema["enum"])
        kind = schema.get("type", "any")
        if name in LIKELY and kind in {"string", "integer", "number"}:
            return LIKELY[name] if self.likely else LIKELY[name] | self._of_type(kind, schema, name)
        return self._of_type(kind, schema, name)

    def _of_type(self, kind: str, schema: Mapping[str, Any], name: str) -> SearchStrategy[Json]:
        match kind:
            case "object":
                return self._object(schema)
            case "array":
                return self._array(schema, name)
            case _:
                return _SIMPLE[kind](schema)

    def _object(self, schema: Mapping[str, Any]) -> SearchStrategy[Json]:
        fields = {field: self.of(each, field) for field, each in schema.get("properties", {}).items()}
        if not fields:
            return st.dictionaries(st.text(max_size=_FEW), anything(), max_size=_FEW)
        required = schema.get("required", ())
        return st.fixed_dictionaries(
            {field: each for field, each in fields.items() if field in required},
            optional={field: each for field, each in fields.items() if field not in required},
        )

    def _array(self, schema: Mapping[str, Any], name: str) -> SearchStrategy[Json]:
        if "prefixItems" in schema:
            return st.tuples(*(self.of(each) for each in schema["prefixItems"])).map(list)
        if name == "columns" and self.likely:
            return LIKELY[name]
        least = schema.get("minItems", 0)
        each = self.of(schema["items"], name)
        if self.likely:
            return st.lists(each, min_size=least, max_size=least + 1)
        return st.lists(each, min_size=least, max_size=least + _FEW)


def _string(schema: Mapping[str, Any]) -> SearchStrategy[Json]:
    if schema.get("format") == "date-time":
        return st.one_of(st.just(Own("now")), st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat))
    if schema.get("format") == "date":
        return st.one_of(
            st.dates(date(2026, 1, 1), date(2027, 1, 1)).map(date.isoformat), st.dates().map(date.isoformat)
        )
    if "pattern" in schema:
        return st.from_regex(schema["pattern"], fullmatch=True)
    least, most = schema.get("minLength", 0), schema.get("maxLength", 1_000)
    return st.one_of(
        st.text(_LETTERS, min_size=least, max_size=min(most, least + _SMALL)).map(str.strip),
        st.text(min_size=least, max_size=min(most, least + _SMALL)),
        st.characters(codec="utf-8").map(lambda letter: letter * min(most, _LONG)),
    )


def _integer(schema: Mapping[str, Any]) -> SearchStrategy[Json]:
    least = schema.get("minimum", schema.get("exclusiveMinimum", -(2**63) - 1) + 1)
    most = schema.get("maximum", schema.get("exclusiveMaximum", 2**63) - 1)
    near = st.integers(least, min(most, least + _SMALL))
    return st.one_of(near, st.integers(least, most), st.sampled_from([least, most]))


def _number(schema: Mapping[str, Any]) -> SearchStrategy[Json]:
    least = schema.get("minimum", schema.get("exclusiveMinimum"))
    most = schema.get("maximum", schema.get("exclusiveMaximum"))
    return st.floats(
        least,
        most,
        exclude_min=least is not None and "minimum" not in schema,
        exclude_max=most is not None and "maximum" not in schema,
        allow_nan=False,
        allow_infinity=False,
    )


_SIMPLE: Mapping[str, Callable[[Mapping[str, Any]], SearchStrategy[Json]]] = {
    "string": _string,
    "integer": _integer,
    "number": _number,
    "boolean": lambda _: st.booleans(),
    "null": lambda _: st.none(),
    "any": lambda _: anything(),
}
