"""What a caller is told when a call ends with neither an answer nor a refusal: one line, and never Temporal's error."""

from datetime import timedelta

import pytest
from temporalio.client import ActivityFailureError, WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError, TerminatedError, TimeoutType
from temporalio.exceptions import TimeoutError as TimeoutFailure
from temporalio.service import RPCError, RPCStatusCode

from stockkeeper.client.calls import LOOK_FIRST, Interrupted, answer
from stockkeeper.contracts.errors import NotFound, StockkeeperError, Unreachable

AGAIN = "T-7: it may have been done; ask again with the same name: "
AWAY = ApplicationError("the database is away", type="DatabaseAway")
ENDED = ApplicationError("it was closed", type="AcceptedUpdateCompletedWorkflow")
LATE = TimeoutFailure("late", type=TimeoutType.SCHEDULE_TO_CLOSE, last_heartbeat_details=[])
OLDER = ApplicationError(
    "Activity function show_plans for workflow  is not registered on this worker, available activities: a, b",
    type="NotFoundError",
)
FAULT = ApplicationError("'x'\nand more", type="KeyError")


def _update(cause: BaseException) -> Exception:
    return WorkflowUpdateFailedError(cause)


def _run(cause: BaseException) -> Exception:
    return WorkflowFailureError(cause=cause)


def _question(cause: BaseException) -> Exception:
    return ActivityFailureError(cause=cause)


def _rpc(message: str, status: RPCStatusCode) -> Exception:
    return RPCError(message, status, b"")


@pytest.mark.parametrize(
    ("raised", "seen", "told"),
    [
        (_update(ENDED), Interrupted, f"{AGAIN}its run ended meanwhile"),
        (_run(TerminatedError("by an operator")), Interrupted, f"{AGAIN}its run was ended by an operator"),
        (_run(LATE), Unreachable, f"{AGAIN}no answer in time from a worker or its database"),
        (_update(AWAY), Unreachable, f"{AGAIN}the database is away"),
        (_update(FAULT), StockkeeperError, f"{AGAIN}a worker failed: KeyError: 'x'"),
        (
            _rpc("workflow update was aborted by closing workflow", RPCStatusCode.NOT_FOUND),
            *(Interrupted, f"{AGAIN}its run ended meanwhile"),
        ),
        (_rpc("connection reset", RPCStatusCode.UNAVAILABLE), Unreachable, f"{AGAIN}no answer: connection reset"),
        (
            _rpc(
                "limit on number of concurrent in-flight updates has been reached (10)",
                RPCStatusCode.RESOURCE_EXHAUSTED,
            ),
            *(Unreachable, f"{AGAIN}too many commands at once wait for an answer"),
        ),
        (
            _rpc("namespace rate limit exceeded", RPCStatusCode.RESOURCE_EXHAUSTED),
            Unreachable,
            f"{AGAIN}no answer: namespace rate limit exceeded",
        ),
        (_rpc("workflow execution already completed", RPCStatusCode.NOT_FOUND), NotFound, "T-7 doesn't exist"),
        (_rpc("no", RPCStatusCode.PERMISSION_DENIED), StockkeeperError, "T-7: Temporal refuses: no"),
    ],
    ids=lambda each: str(getattr(each, "cause", each))[:40],
)
async def test_a_lost_answer_to_a_change_is_no_refusal(
    raised: Exception, seen: type[StockkeeperError], told: str
) -> None:
    with pytest.raises(StockkeeperError) as caught:
        async with answer("T-7", timedelta(seconds=1)):
            raise raised
    assert (type(caught.value), str(caught.value)) == (seen, told)


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (_question(AWAY), "the database is away; nothing was booked"),
        (
            _question(ApplicationError("cut", type="OperationalError")),
            "the database is away; nothing was booked",
        ),
        (_question(LATE), "T-7: no answer in time from a worker or its database"),
        (_question(FAULT), "T-7: a worker failed: KeyError: 'x'"),
        (
            _question(OLDER),
            "T-7: a worker is older than this client, and doesn't know show_plans; all workers need its version",
        ),
    ],
    ids=lambda each: str(getattr(each, "cause", each))[:40],
)
async def test_a_lost_answer_to_a_question_has_changed_nothing(raised: Exception, told: str) -> None:
    with pytest.raises(StockkeeperError) as caught:
        async with answer("T-7", timedelta(seconds=1), if_lost=None):
            raise raised
    assert str(caught.value) == told


async def test_a_lost_answer_to_units_without_a_number_is_looked_at_first() -> None:
    with pytest.raises(Unreachable, match=f"^T-7: {LOOK_FIRST}: its run ended meanwhile$"):
        async with answer("T-7", timedelta(seconds=1), if_lost=LOOK_FIRST):
            raise _update(ENDED)
