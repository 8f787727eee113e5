"""Who may do what, for programs that let people in: see `stockkeeper.domain.permission` for the rules."""

from collections.abc import Iterable, Mapping
from typing import Any

from stockkeeper.domain.permission import (
    QUESTIONS,
    START,
    Identity,
    Needs,
    Role,
    require_limit,
    require_role,
)

__all__ = ["QUESTIONS", "START", "Identity", "Needs", "Role", "places", "require_limit", "require_role"]


def places(source: Any, at: str) -> Iterable[int | None]:
    """The ids of the warehouses that a start or a state names where its message takes place; None: any.

    Args:
        source: The start's fields, or the state.
        at: The field with the warehouse (`Needs.at`).
    """
    if not at:
        return []
    if at != "lines":
        return [_field(source, at)]
    parts = _field(source, "parts")
    found: list[int | None] = []
    # The start of an order in several databases has lines in each of its parts.
    for part in parts if isinstance(parts, list) else [source]:
        lines = _field(part, "lines")
        found += [_field(line, "warehouse_id") for line in lines] if isinstance(lines, list) else [None]
    return found


def _field(source: Any, name: str) -> Any:
    return source.get(name) if isinstance(source, Mapping) else getattr(source, name, None)
