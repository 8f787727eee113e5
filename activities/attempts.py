"""What operators see of attempts that fail or are refused: one line in the log, and a word to a run that waits."""

import contextlib
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from activities.step_log import log_if_recovered, log_refused
from stockkeeper.contracts.outage import ATTEMPT_FAILED, DATABASE_TROUBLES, AttemptFailed
from stockkeeper.domain.errors import DomainError

_TOLD = (4, 8, 16, 32)
"""Attempts of which a run is told: a few soon, and none of those that a deadlock costs."""
_TOLD_EVERY = 20
"""... and later one in ten minutes: each costs the run four events in its history."""
_TELL_WITHIN = timedelta(seconds=2)
_WHY_LENGTH = 500


def is_told(attempt: int) -> bool:
    """Whether a run is told of this attempt."""
    return attempt in _TOLD or (attempt > _TOLD[-1] and attempt % _TOLD_EVERY == 0)


class AttemptsToldToRuns(Interceptor):
    """Tells a run that a step of it waits for the database, so that its details in the Temporal UI say so.

    Only of attempts through the task queue: what becomes of the local ones, the run sees for itself. The log has a line
    for each step that is refused, and for each that is done after attempts that failed.

    Args:
        client: Temporal, where the runs are.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002 - the SDK's name
        """Put it around every activity."""
        return _Telling(next, self._client)


class _Telling(ActivityInboundInterceptor):
    def __init__(self, wrapped: ActivityInboundInterceptor, client: Client) -> None:
        super().__init__(wrapped)
        self._client = client

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 - the SDK's name
        try:
            answer = await super().execute_activity(input)
        except ApplicationError as error:
            if error.type in DATABASE_TROUBLES:
                await self._tell(error.message)
            elif error.type in DomainError.codes:
                log_refused(input.args, error.type)
            raise
        except DomainError as refusal:
            log_refused(input.args, refusal.code)
            raise
        log_if_recovered(input.args, list(input.headers))
        return answer

    async def _tell(self, why: str) -> None:
        info = activity.info()
        if info.is_local or info.workflow_id is None or not is_told(info.attempt):
            return
        failed = AttemptFailed(
            step=info.activity_type,
            attempt=info.attempt,
            failed_at=datetime.now(UTC),
            why=why[:_WHY_LENGTH],
        )
        run = self._client.get_workflow_handle(info.workflow_id, run_id=info.workflow_run_id)
        # The run may have ended by force, or Temporal be away as well: the attempt has failed in any case.
        with contextlib.suppress(RPCError):
            await run.signal(ATTEMPT_FAILED, failed, rpc_timeout=_TELL_WITHIN)


class OneLineAnAttempt(logging.Filter):
    """Writes an attempt that has met trouble with the database in one line; any other failure keeps its stack."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record, and let it pass."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, ApplicationError) and error.type in DATABASE_TROUBLES and activity.in_activity():
            info = activity.info()
            whose = info.workflow_id or "a question"
            record.msg = "attempt %d of %s for %s failed: %s: %s"
            record.args = (info.attempt, info.activity_type, whose, error.type, error.message)
            record.exc_info = None
        return True


_ONE_LINE = OneLineAnAttempt()


def log_attempts_in_one_line() -> None:
    """Have the SDK's log of failed attempts written so, in this process."""
    logging.getLogger(activity.__name__).addFilter(_ONE_LINE)
