"""Orders with lines in several databases: held in each of them, all lines or none, and read as one."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from stockkeeper.client.calls import checked, read_state, start_and_ask
from stockkeeper.client.conflicts import differences
from stockkeeper.client.connection import Connection
from stockkeeper.client.names import Names
from stockkeeper.client.questions import ask
from stockkeeper.client.runs import type_of_run
from stockkeeper.contracts.documents import ShowDocument
from stockkeeper.contracts.errors import DomainError, NotFound, already_exists
from stockkeeper.contracts.order_in_parts import PROCESS, WORKFLOW_TYPE, OrderInParts, whole_of
from stockkeeper.contracts.question import SHOW_DOCUMENT
from stockkeeper.contracts.reservation import ReservationState, ReservationStatus, requested_lines


async def hold_in_parts(
    connection: Connection, request: OrderInParts, names: Names, within: timedelta
) -> ReservationState:
    """Hold the lines of all parts until one deadline, or none of them. Asked again, it is the same hold.

    Args:
        connection: Temporal client, the databases, and patience.
        request: The start. The run is on the task queue of the first part.
        names: The caller's names, for messages.
        within: How long to wait for the answer.

    Raises:
        InsufficientStock: With the numbers of every item that is short, in any of them. Nothing is held.
        InvalidState: One of the databases didn't answer in time, and nothing is held; or as for any order.
        DomainError, Unreachable: See `stockkeeper.client.calls.answer`.
    """
    number = request.reference_id
    try:
        state = await start_and_ask(
            connection.at(request.parts[0].task_queue),
            PROCESS,
            request,
            what=f"{PROCESS.name} {number}",
            workflow_id=PROCESS.id_of(number),
            summary=request.summary,
            state=ReservationState,
            within=within,
            terms=None if request.hold_again else {"ttl_minutes": request.ttl_minutes},
        )
    except DomainError as error:
        raise names.in_words(error) from None
    if requested_lines(state.lines) != request.lines:
        raise already_exists(PROCESS.name, number, differences(state, request.as_one, names))
    return state


async def is_in_parts(connection: Connection, number: str) -> bool:
    """Whether several databases may hold an order: as its run says, or because Temporal has none any more."""
    if connection.databases is None:
        return False
    return await type_of_run(connection, PROCESS, number) in (WORKFLOW_TYPE, None)


async def read_order(connection: Connection, number: str) -> ReservationState:
    """The state of an order, from all databases; while one of them is away, from the order's run.

    Raises:
        NotFound: There is no such order.
        Unreachable: No worker answers.
    """
    what = f"{PROCESS.name} {number}"
    asked = checked(ShowDocument, kind=PROCESS.kind, number=number)
    handle = connection.client.get_workflow_handle(PROCESS.id_of(number))
    reading = read_state(handle, ReservationState, what=what, within=connection.answer_within)
    looking = asyncio.gather(
        *(ask(each, SHOW_DOCUMENT, asked) for each in databases_of(connection)), return_exceptions=True
    )
    [of_the_run], shown = await asyncio.gather(asyncio.gather(reading, return_exceptions=True), looking)
    failed = next((each for each in shown if isinstance(each, BaseException)), None)
    found = [each.state for each in shown if not isinstance(each, BaseException) and each.state is not None]
    parts = [ReservationState.model_validate(state) for state in found]
    if isinstance(of_the_run, ReservationState):
        # What was held for a moment of an order that was rejected is stored as cancelled.
        if failed is not None or not parts or of_the_run.status is ReservationStatus.REJECTED:
            return of_the_run
        return whole_of(parts).model_copy(update={"notes": of_the_run.notes})
    if failed is not None:
        raise failed
    if not parts:
        raise NotFound(f"{what} doesn't exist")
    return whole_of(parts)


async def was_decided(connection: Connection, look: Callable[[Connection], Awaitable[bool]], *, by_all: bool) -> bool:
    """Whether a command to an order in parts was decided: then it is carried out in all parts, sooner or later.

    Args:
        connection: To the databases.
        look: Whether one of them has carried it out.
        by_all: Whether it isn't decided before all of them have.

    Raises:
        DomainError, Unreachable: One of them refuses or doesn't answer, and the others don't tell.
    """
    done = await asyncio.gather(*(look(each) for each in databases_of(connection)), return_exceptions=True)
    if not by_all and any(each is True for each in done):
        return True
    for each in done:
        if isinstance(each, BaseException):
            raise each
    return all(each is True for each in done)


def databases_of(connection: Connection) -> Sequence[Connection]:
    """A connection to each database by itself."""
    databases = connection.databases
    return [connection] if databases is None else [connection.at(queue) for queue in databases.queues]
