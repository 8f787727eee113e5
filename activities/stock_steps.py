"""Group commit: steps on the stock that come at the same time share one transaction.

While the steps of one transaction are being carried out and committed, the next ones gather (`database.gathering`); a
lone step never waits for company. Each step decides on what the one before has left, in memory and under the locks of
all of them (`database.locked_stock`), and gets its own answer. One that is refused has changed nothing, and hurts no
other one. If the database refuses anything, an item stays locked, or a step breaks, nothing is written, and each step
is tried alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from pydantic import BaseModel

from activities.step_log import log_repeated
from activities.together import SharedStep, answer_of, carry_out
from activities.writes import as_repeat, database_errors, operation_of, with_effects
from database.locked_stock import LockedStock
from database.operations import Operation, require_later
from database.sessions import Database
from database.stock_reading import Wants, lock_stock
from stockkeeper.contracts.messages import Step, StockAnswer
from stockkeeper.domain.effective_time import require_past
from stockkeeper.domain.errors import DomainError

Result = TypeVar("Result", bound=BaseModel)
Decision = Callable[[LockedStock, Operation], StockAnswer | None]
"""Decides on the stock as it is, by the domain, and changes it; or raises a `DomainError` and has changed nothing.

It returns its effects on others, which the workflow has to pass on. None: there were none.
"""


@dataclass(slots=True)
class _StockStep(SharedStep[Result]):
    """A step on the stock."""

    wants: Wants
    decide: Decision
    read: Callable[[LockedStock], Result]
    keeps_refusal: bool


def stock_once(
    database: Database,
    step: Step,
    wants: Wants,
    result: type[Result],
    decide: Decision,
    read: Callable[[LockedStock], Result],
    *,
    keeps_refusal: bool = True,
) -> Result:
    """Carry out a step on the stock once, and answer with what it is about as it is now.

    A repeat reads the answer again, because the workflow replaces its state by it; the effects on others are those of
    the first time, whose answer may never have arrived.

    Locks: the operation, then the items wanted.

    Args:
        database: The database.
        step: The step; its operation id makes it happen once.
        wants: What it needs of the stock.
        result: The type of the answer.
        decide: Decides and changes.
        read: Reads the answer from the stock.
        keeps_refusal: Whether a refusal is the last word on this attempt; False: it will be asked for again.

    Raises:
        DomainError: The step is refused, and nothing has changed; nor does an attempt that was begun earlier change
            anything from here on.
        ApplicationError: The database failed; Temporal tries the step again.
    """
    this = _StockStep(operation_of(step), result, wants, decide, read, keeps_refusal)
    with database_errors():
        require_past(step.occurred_at, step.as_of)
        database.gathering.join(this, partial(_carry_out, database))
        answer = answer_of(this, partial(_in_one_transaction, database))
    if this.is_repeat:
        log_repeated(this.operation)
    return answer


def _carry_out(database: Database, steps: Sequence[_StockStep[Any]]) -> None:
    carry_out(steps, partial(_in_one_transaction, database))


def _in_one_transaction(database: Database, steps: Sequence[_StockStep[Result]]) -> list[Result | DomainError]:
    with database.transaction(steps=len(steps)) as connection:
        wants, operations = [step.wants for step in steps], [step.operation for step in steps]
        stock = lock_stock(connection, wants, operations, is_shared=len(steps) > 1)
        outcomes = [_outcome_of(stock, step) for step in steps]
        stock.write(commit=True)
    return outcomes


def _outcome_of(stock: LockedStock, step: _StockStep[Result]) -> Result | DomainError:
    try:
        return _decided(stock, step)
    except DomainError as refusal:
        if step.keeps_refusal:
            stock.add_refused(step.operation, refusal)
        return refusal


def _decided(stock: LockedStock, step: _StockStep[Result]) -> Result:
    if (stored := stock.stored.get(step.operation.operation_id)) is not None:
        stored.require_same(step.operation)
        step.is_repeat = True
        return as_repeat(with_effects(step.read(stock), step.effects_before(stored)))
    require_later(step.operation, stock.refused)
    on_others = step.decide(stock, step.operation)
    answer = with_effects(step.read(stock), on_others)
    stock.add_done(step.operation, answer.model_dump_json())
    return answer
