"""What people read of a subscriber: its run's details, and the notice when it was paused."""

from datetime import datetime

from stockkeeper.contracts.event_subscriber import EventSubscriberState, SubscriberStatus
from stockkeeper.contracts.markdown import plain
from stockkeeper.contracts.messages import counted, utc
from stockkeeper.contracts.notice import Audience, Notice
from workflows.details import details, notices


def shown(state: EventSubscriberState) -> str:
    """The run in a few lines of Markdown: where it is, and what comes next."""
    about = [
        f"- to {plain(state.url)}",
        f"- {_which(state)}: {counted(state.delivered, 'event')} taken so far, all up to number {state.cursor}",
        f"- signed by secret no. {state.generation}{_twice(state)}",
    ]
    return details(state.status, _text(state), [*about, *notices(state.notices)], state.notes)


def _text(state: EventSubscriberState) -> str:
    match state.status:
        case SubscriberStatus.ACTIVE:
            return "Each event is sent as it comes."
        case SubscriberStatus.FAILING:
            return (
                f"{counted(state.failures, 'attempt')} in a row failed since {_at(state.failing_since)}: "
                f"{plain(state.last_error or '')}. Next attempt: {_at(state.next_attempt_at)}; by `resume` at once."
            )
        case SubscriberStatus.PAUSED:
            return f"Nothing is sent: {plain(state.paused_because or '')}. Next: `resume`, `change`, or `unsubscribe`."
        case SubscriberStatus.ENDED:
            return "Nothing is sent any more."


def _which(state: EventSubscriberState) -> str:
    types = ", ".join(state.types[:3]) + (f" and {len(state.types) - 3} more" if len(state.types) > 3 else "")
    products = f" of {counted(len(state.product_ids), 'product')}" if state.product_ids else ""
    return f"{types or 'all events'}{products}"


def _twice(state: EventSubscriberState) -> str:
    return f", and by the former one until {utc(state.signed_twice_until)}" if state.signed_twice_until else ""


def _at(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment is not None else "now"


def paused(state: EventSubscriberState) -> Notice:
    """To whoever runs the workers: a subscriber gets nothing any more."""
    body = [
        f"Events are no longer sent to the subscriber {state.name}, at {state.url}.",
        f"Why: {state.paused_because}.",
        f"All of its events up to number {state.cursor} were taken. What comes is kept, and sent once it is resumed.",
        "",
        f"Once its receiver takes events again: stockkeeper events resume {state.name}",
        f"It is at another place: stockkeeper events change {state.name} --url URL",
        f"It is wanted no more: stockkeeper events unsubscribe {state.name}",
    ]
    return Notice(audience=Audience.OPERATIONS, title=f"Events to {state.name} are paused", body="\n".join(body))
