"""Attempts of activities as metrics: refused holds, attempts that are tried again, notices that no service takes."""

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from temporalio import activity
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError, FailureError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from activities.metrics import FAULT, Metrics
from activities.notice import NOT_TAKEN, UNDELIVERABLE
from stockkeeper.contracts.converter import as_domain_error
from stockkeeper.contracts.messages import parse
from stockkeeper.contracts.notice import Notice, NoticeActivities
from stockkeeper.contracts.policies import NOTICE
from stockkeeper.contracts.reservation import ReservationActivities
from stockkeeper.contracts.transfer import TransferActivities
from stockkeeper.domain.errors import DomainError


def _name_of(declared: Any) -> str:
    name: str = vars(declared)["__temporal_activity_definition"].name
    return name


HOLDS = frozenset(
    {
        _name_of(ReservationActivities.reserve_stock),
        _name_of(ReservationActivities.hold_again),
        _name_of(TransferActivities.hold_transfer),
    }
)
"""Steps that ask for a hold."""
SEND_NOTICE = _name_of(NoticeActivities.send_notice)

_ATTEMPT: timedelta = NOTICE["start_to_close_timeout"]
_LATE = timedelta(seconds=30)


class _Tried(NamedTuple):
    """A notice that a service hasn't taken: since when it is to be sent, and until when we hear of it again."""

    since: datetime
    until: datetime


class PendingNotices:
    """The notices whose last attempt has failed on this worker, and that are tried again, here or elsewhere.

    Nobody tells a worker what becomes of an attempt on another one. So each is forgotten when its next attempt should
    have ended: then it has failed here again, or is another worker's, or is over.
    """

    def __init__(self) -> None:
        self._tried: dict[tuple[str | None, ...], _Tried] = {}

    def failed(self, info: activity.Info, now: datetime) -> None:
        """An attempt has failed, and there is another one."""
        again = now + _interval(info.retry_policy or NOTICE["retry_policy"], info.attempt)
        self._tried[_key(info)] = _Tried(info.scheduled_time, again + _ATTEMPT + _LATE)

    def is_over(self, info: activity.Info) -> None:
        """It was taken, or is given up."""
        self._tried.pop(_key(info), None)

    def at(self, now: datetime) -> tuple[int, float]:
        """How many there are, and the seconds since the first of them was to be sent."""
        self._tried = {key: tried for key, tried in self._tried.items() if tried.until > now}
        oldest = max(((now - tried.since).total_seconds() for tried in self._tried.values()), default=0.0)
        return len(self._tried), max(oldest, 0.0)


def _key(info: activity.Info) -> tuple[str | None, ...]:
    return info.workflow_id, info.workflow_run_id, info.activity_id


def _interval(policy: RetryPolicy, attempt: int) -> timedelta:
    """The time between an attempt and the next one, which Temporal takes from the policy."""
    longest = policy.maximum_interval or policy.initial_interval * 100
    # From some power on it is the longest in any case, and a float has an end.
    return min(policy.initial_interval * policy.backoff_coefficient ** min(attempt - 1, 32), longest)


class MeasuredAttempts(Interceptor):
    """Counts what becomes of each attempt.

    Args:
        metrics: The worker's.
        pending: The notices that are tried again.
    """

    def __init__(self, metrics: Metrics, pending: PendingNotices) -> None:
        self._metrics = metrics
        self._pending = pending

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002 - the SDK's name
        """Put it around every activity."""
        return _Measuring(next, self._metrics, self._pending)


class _Measuring(ActivityInboundInterceptor):
    def __init__(self, wrapped: ActivityInboundInterceptor, metrics: Metrics, pending: PendingNotices) -> None:
        super().__init__(wrapped)
        self._metrics = metrics
        self._pending = pending

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 - the SDK's name
        try:
            result = await super().execute_activity(input)
        except ApplicationError as error:
            self._count(error, input)
            raise
        except FailureError:
            raise  # It was cancelled.
        except Exception:
            self._metrics.attempt_failed(FAULT)
            raise
        if (info := activity.info()).activity_type == SEND_NOTICE:
            self._pending.is_over(info)
        return result

    def _count(self, error: ApplicationError, asked: ExecuteActivityInput) -> None:
        info = activity.info()
        if error.type == NOT_TAKEN:
            self._pending.failed(info, datetime.now(UTC))
            self._metrics.notice_refused(parse(Notice, asked.args).audience)
        elif error.type == UNDELIVERABLE:
            self._pending.is_over(info)
        elif error.type not in DomainError.codes:
            self._metrics.attempt_failed(error.type or "")
        elif info.activity_type in HOLDS and (refusal := as_domain_error(error)) is not None:
            self._metrics.rejected(refusal)
