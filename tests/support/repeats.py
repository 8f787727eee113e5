"""Documents that are started again under the number of one that has ended."""

from collections.abc import Awaitable, Callable, Sequence

from sqlalchemy import Engine
from temporalio.client import WorkflowExecutionStatus

from tests.support.books import nothing_is_stored
from tests.support.shop import new_reference
from tests.support.wire import Caller, Json, at_once, refusal


async def changed_starts_conflict(
    caller: Caller,
    engine: Engine,
    right: Callable[[str], dict[str, Json]],
    end: Callable[[str], Awaitable[Json]] | None,
    changes: Sequence[dict[str, Json]],
) -> None:
    """A start with one change is a conflict for caller and run, and nothing is stored.

    Args:
        caller: The service that starts the documents.
        engine: The database.
        right: The start of the document of this number.
        end: Ends the document of this number, unless its start has.
        changes: The fields that each second start has otherwise.
    """

    async def ended() -> str:
        number = new_reference("ended")
        await caller.ask_raw(number, [right(number)])
        if end is not None:
            await end(number)
        await caller.result(number)
        return number

    async def conflict(number: str, change: dict[str, Json]) -> None:
        refused = await refusal(caller.ask_raw(number, [right(number) | change]))
        assert refused.type == "OperationConflict", change
        assert await refusal(caller.result(number)) == refused
        assert await caller.status(number) == WorkflowExecutionStatus.FAILED

    numbers = await at_once(*(ended() for _ in changes))
    with nothing_is_stored(engine):
        await at_once(*(conflict(*each) for each in zip(numbers, changes, strict=True)))
