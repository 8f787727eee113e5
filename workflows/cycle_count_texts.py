"""Texts about a count: in the Temporal UI, and in notices. None of them shows what the system has."""

from collections.abc import Sequence

from stockkeeper.contracts.cycle_count import CountLineState, CycleCountState, StoredCount, StoredCountLine, progress
from stockkeeper.contracts.lot import product_and_lot
from stockkeeper.contracts.markdown import plain
from stockkeeper.contracts.messages import counted, utc
from stockkeeper.contracts.notice import Audience, Notice
from stockkeeper.domain.cycle_count import CountStatus
from workflows.details import details, notices, table
from workflows.giving_way import held_before_lines, named
from workflows.notices import cut

_FIRST = (CountStatus.REVIEW, CountStatus.COUNTING, CountStatus.POSTED, CountStatus.CANCELLED)


def skus_of(count: StoredCount | None) -> dict[int, str]:
    """The SKU of each product on the list; none as long as nothing is stored."""
    return {line.product_id: line.sku for line in count.lines} if count else {}


def review_wanted(count: StoredCount) -> Notice:
    """Everything has been counted, and some of it is beyond tolerance."""
    waiting = [line for line in count.lines if line.status is CountStatus.REVIEW]
    title = f"Count {count.count_number}, {count.warehouse}: {counted(len(waiting), 'item')} beyond tolerance"
    body = [
        "Another person has to count again, or a person who hasn't counted approves it with a root cause.",
        "",
        *(f"{product_and_lot(line.sku, line.lot_number)}, counted by {line.counted_by}" for line in waiting),
    ]
    return Notice(audience=Audience.WAREHOUSE, title=title, body="\n".join(cut(body)))


def approval_wanted(count: StoredCount, lines: Sequence[StoredCountLine]) -> Notice:
    """Less was counted than is promised to orders and transfers. Without numbers: the product may be counted again."""
    title = f"Count {count.count_number}, {count.warehouse}: {counted(len(lines), 'item')} fewer than promised"
    body = [
        "Orders or transfers would lose their units, so only an approval with a root cause puts the count into the",
        f"books. Whose: `stockkeeper count review --count {count.count_number}`, for the approver.",
        "",
        *(f"{product_and_lot(line.sku, line.lot_number)}, counted by {line.counted_by}" for line in lines),
    ]
    return Notice(audience=Audience.WAREHOUSE, title=title, body="\n".join(cut(body)))


def gave_way(count: StoredCount) -> Notice:
    """The notice about orders and transfers that have lost their promised units."""
    skus, ended = skus_of(count), count.gave_way
    of = f"count {count.count_number}, {count.warehouse}"
    title = f"Promised stock is missing: {counted(len(ended), 'hold')} gave way to {of}"
    body = [f"{named(hold)} of {skus.get(hold.product_id, hold.product_id)}" for hold in ended]
    return Notice(audience=Audience.WAREHOUSE, title=title, body="\n".join(cut(body)))


def held_before(count: StoredCount) -> Notice:
    """The notice about orders and transfers that gave way earlier, and whose units may be back."""
    of = f"count {count.count_number}, {count.warehouse}"
    title = f"Units are back: {counted(len(count.held_before), 'hold')} gave way before {of}"
    body = "\n".join(cut(held_before_lines(count, skus_of(count))))
    return Notice(audience=Audience.WAREHOUSE, title=title, body=body)


def details_of(state: CycleCountState, count: StoredCount) -> str:
    """The run in a few lines of Markdown: progress, lines to review, and the next step."""
    skus = skus_of(count)
    # Lines that wait for a person come first; the page shows twenty.
    lines = sorted(state.lines, key=lambda line: _FIRST.index(line.status))
    rows = table(
        ["product", "status", "#counted", "by", "#off by", "why"],
        [
            (
                product_and_lot(skus.get(line.product_id, f"product {line.product_id}"), line.lot_number),
                line.status,
                _or_nothing(line.counted_quantity),
                line.counted_by or "",
                _or_nothing(line.delta),
                _why(line),
            )
            for line in lines
        ],
    )
    ended = [
        f"- {plain(named(hold))} of {plain(skus.get(hold.product_id, hold.product_id))}: gave way"
        for hold in state.gave_way
    ]
    asked = f"Requested by {plain(state.requested_by)} at {utc(count.requested_at)}."
    text = f"{plain(count.warehouse)}, {progress(state)}. {_next(state)}"
    return details(state.status, text, [asked, "", *rows, "", *ended[-5:], "", *notices(state.notices)], state.notes)


def _next(state: CycleCountState) -> str:
    match state.status:
        case CountStatus.COUNTING:
            return "Next: `record` what is there, or `cancel`."
        case CountStatus.REVIEW:
            if any(line.needs_approval for line in state.lines):
                return "A hold would end by it. Next: `approve_variance` with a root cause, after `count review`."
            return "Next: `record` by a person who hasn't counted it, or `approve_variance` with a root cause."
        case CountStatus.CANCELLED:
            return f"Given up: {plain(state.closed_reason)}. What is in the books stays."
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
