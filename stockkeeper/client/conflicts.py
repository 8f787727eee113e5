"""A repeat with other contents, in words: in what the document that is there differs from the one that was sent."""

from collections import Counter
from typing import Any

from pydantic import BaseModel

from stockkeeper.client.names import Names

_LINES = {"lines", "line_items"}
_KINDS = {
    "warehouse_id": "warehouse",
    "from_warehouse_id": "warehouse",
    "to_warehouse_id": "warehouse",
    "supplier_id": "supplier",
}
_NAMED = 5


def differences(stored: BaseModel, sent: BaseModel, names: Names) -> list[str]:
    """The fields in which a stored document differs from a start of the same number, each in words.

    Args:
        stored: The state of the stored document.
        sent: The start.
        names: The caller's names for ids.
    """
    found: list[str] = []
    for field in type(sent).model_fields:
        if field not in type(stored).model_fields:
            continue
        there, here = getattr(stored, field), getattr(sent, field)
        if field in _LINES:
            found += _of_lines(there, here, names)
        elif field == "product_ids" or there == here:
            continue
        elif kind := _KINDS.get(field):
            what = field.removesuffix("_id").replace("_", " ")
            found.append(f"its {what} is {names.of(kind, there)}, not {names.of(kind, here)}")
        elif field == "requested_by":
            found.append(f"it was requested by {there}, not by {here}")
        else:
            found.append(f"its {field.replace('_', ' ')} is {there}, not {here}")
    if hasattr(sent, "product_ids"):
        counted = {line.product_id for line in getattr(stored, "lines", [])}
        found += [f"{names.of('product', each)} isn't on it" for each in sent.product_ids if each not in counted]
        found += [f"{names.of('product', each)} is on it" for each in sorted(counted - set(sent.product_ids))]
    return found if len(found) <= _NAMED else [*found[:_NAMED], f"and {len(found) - _NAMED} more"]


def _of_lines(there: list[Any], here: list[Any], names: Names) -> list[str]:
    has, wants = _units(there), _units(here)
    found = [
        f"it has {has[product_id]} of {names.of('product', product_id)}, not {wants[product_id]}"
        for product_id in sorted({*has, *wants})
        if has[product_id] != wants[product_id]
    ]
    if found or [_all_of(line) for line in there] == [_all_of(line) for line in here]:
        return found
    return ["its lines are split or ordered in another way, or at another place or cost"]


def _units(lines: list[Any]) -> Counter[int]:
    units: Counter[int] = Counter()
    for line in lines:
        units[line.product_id] += line.quantity if hasattr(line, "quantity") else line.qty
    return units


def _all_of(line: Any) -> tuple[object, ...]:
    return tuple(getattr(line, name, None) for name in ("product_id", "warehouse_id", "quantity", "qty", "unit_cost"))
