"""What the steps of all documents share: operation ids, the call, and the rows that have to stay."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar, TypedDict, TypeVar

from pydantic import BaseModel
from sqlalchemy import Engine, text

from stockkeeper.domain.stock import ItemKey
from tests.support.books import nothing_changes
from tests.support.shop import new_reference
from tests.support.steps.activity import NOON, run_activity

S = TypeVar("S", bound=BaseModel)


class When(TypedDict, total=False):
    """Keyword arguments of every command: its time (noon), when goods moved, and its operation (a new one)."""

    as_of: datetime
    occurred_at: datetime | None
    operation: str | None


R = TypeVar("R")


class DocumentCalls:
    """A document's side of its activities.

    Each command has an operation of its own, unless a test repeats one on purpose.
    """

    prefix: ClassVar[str]
    """Of the workflow id, before the number."""
    number_field: ClassVar[str]
    """The field of a step that has the document's number."""

    def __init__(self, run_id: str = "run") -> None:
        self._run_id = run_id

    def _start(
        self, activity: Callable[[S], R], step: type[S], number: str, name: str, by: str, when: When, **fields: Any
    ) -> R:
        """The answer to the step that begins a document; ``operation`` is the whole id of its operation."""
        operation_id = when.get("operation") or f"{self.prefix}{number}/{name}"
        return self._do(activity, step, number, operation_id, by, when, **fields)

    def _command(
        self, activity: Callable[[S], R], step: type[S], number: str, name: str, by: str, when: When, **fields: Any
    ) -> R:
        """The answer to a command; ``operation`` is the last part of its operation's id."""
        operation_id = f"{self.prefix}{number}/{name}/{when.get('operation') or new_reference(name)}"
        return self._do(activity, step, number, operation_id, by, when, **fields)

    def _approve_up_to(
        self, activity: Callable[[S], R], step: type[S], number: str, up_to: tuple[str, int], by: str, when: When
    ) -> R:
        """The answer to the approval of a difference up to this value and these units of unknown cost."""
        value, units = up_to
        fields = {"value": Decimal(value), "unvalued_units": units, "note": "I saw it"}
        return self._command(activity, step, number, "approve_difference", by, when, **fields)

    def _receive(
        self,
        activity: Callable[[S], R],
        step: type[S],
        number: str,
        receipt: tuple[str, str, str],
        lines: Sequence[Any],
        by: str,
        when: When,
        **fields: Any,
    ) -> R:
        """The answer to a delivery, whose number is its operation."""
        name, field, receipt_id = receipt
        named: When = {**when, "operation": receipt_id}
        return self._command(
            activity, step, number, name, by, named, **{field: receipt_id, "lines": list(lines)}, **fields
        )

    def _do(
        self, activity: Callable[[S], R], step: type[S], number: str, operation: str, by: str, when: When, **fields: Any
    ) -> R:
        known = {
            self.number_field: number,
            "operation_id": operation,
            "performed_by": by,
            "as_of": when.get("as_of", NOON),
            "occurred_at": when.get("occurred_at"),
        }
        return run_activity(activity.__name__, activity, step.model_validate(known | fields), run_id=self._run_id)


@dataclass(frozen=True)
class Papers:
    """All rows of a document, found by its number."""

    queries: Mapping[str, str]

    def of(self, engine: Engine, number: str) -> dict[str, list[tuple[Any, ...]]]:
        """Every row that the document has, by kind."""
        with engine.connect() as connection:
            return {
                name: [tuple(row) for row in connection.execute(text(query), {"number": number})]
                for name, query in self.queries.items()
            }

    @contextmanager
    def stay(self, engine: Engine, number: str, *items: ItemKey) -> Iterator[None]:
        """Whatever happens inside changes neither the document nor the books of these items."""
        before = self.of(engine, number)
        with nothing_changes(engine, *items):
            yield
        assert self.of(engine, number) == before
