"""What people read of a count: in the Temporal UI, and in notices. Nobody reads there what the system has."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from stockkeeper.contracts.cycle_count import CountLineState, CycleCountState, progress
from stockkeeper.contracts.messages import GaveWay, counted, utc
from stockkeeper.contracts.notice import Audience, Notice
from stockkeeper.domain.cycle_count import CountStatus
from workflows.details import details, notices, table
from workflows.giving_way import named
from workflows.notices import cut

_FIRST = (CountStatus.REVIEW, CountStatus.COUNTING, CountStatus.POSTED, CountStatus.CANCELLED)


def review_wanted(state: CycleCountState, warehouse: str, skus: Mapping[int, str]) -> Notice:
    """Everything has been counted, and something of it is beyond tolerance."""
    waiting = [line for line in state.lines if line.status is CountStatus.REVIEW]
    title = f"Count {state.count_number}, {warehouse}: {counted(len(waiting), 'item')} beyond tolerance"
    body = [
        "Somebody else has to count again, or somebody who hasn't counted approves it with a root cause.",
        "",
        *(f"{skus.get(line.product_id, line.product_id)}, counted by {line.counted_by}" for line in waiting),
    ]
    return Notice(audience=Audience.WAREHOUSE, title=title, body="\n".join(cut(body)))


def gave_way(state: CycleCountState, warehouse: str, skus: Mapping[int, str], ended: Sequence[GaveWay]) -> Notice:
    """What was promised isn't there."""
    title = f"Promised and not there: {counted(len(ended), 'hold')} gave way to count {state.count_number}, {warehouse}"
    body = [f"{named(hold)} of {skus.get(hold.product_id, hold.product_id)}" for hold in ended]
    return Notice(audience=Audience.WAREHOUSE, title=title, body="\n".join(cut(body)))


def details_of(state: CycleCountState, warehouse: str, skus: Mapping[int, str], requested_at: datetime) -> str:
    """The run in a few lines of Markdown: what is to be counted, what has to be looked at again, what comes next."""
    # What waits for somebody comes first; the page shows twenty lines.
    lines = sorted(state.lines, key=lambda line: _FIRST.index(line.status))
    rows = table(
        ["product", "status", "#counted", "by", "#off by", "why"],
        [
            (
                skus.get(line.product_id, f"product {line.product_id}"),
                line.status,
                _or_nothing(line.counted_quantity),
                line.counted_by or "",
                _or_nothing(line.delta),
                _why(line),
            )
            for line in lines
        ],
    )
    ended = [f"- {named(hold)} of {skus.get(hold.product_id, hold.product_id)}: gave way" for hold in state.gave_way]
    asked = f"Requested by {state.requested_by} at {utc(requested_at)}."
    told = f"{warehouse}, {progress(state)}. {_next(state)}"
    return details(state.status, told, [asked, "", *rows, "", *ended[-5:], "", *notices(state.notices)], state.notes)


def _next(state: CycleCountState) -> str:
    match state.status:
        case CountStatus.COUNTING:
            return "Next: `record` what is there, or `cancel`."
        case CountStatus.REVIEW:
            return "Next: `record` by somebody who hasn't counted it, or `approve_variance` with a root cause."
        case CountStatus.CANCELLED:
            return f"Given up: {state.closed_reason}. What is in the books stays."
        case _:
            return _found(state.lines)


def _found(lines: Sequence[CountLineState]) -> str:
    off = [line.delta for line in lines if line.delta]
    if not off:
        return "The books were right."
    return f"{counted(len(off), 'item')} corrected, by {counted(sum(map(abs, off)), 'unit')}."


def _why(line: CountLineState) -> str:
    return ", approved by ".join(part for part in (line.root_cause, line.approved_by) if part)


def _or_nothing(value: int | None) -> object:
    return "" if value is None else value
