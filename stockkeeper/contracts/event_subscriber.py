"""Subscribers on the wire: events are pushed to each of them by webhooks (ADR 0094)."""

from datetime import timedelta
from typing import Annotated, Protocol

from pydantic import AfterValidator, BaseModel, Field
from temporalio import activity

from stockkeeper.contracts.event import TYPES
from stockkeeper.contracts.messages import (
    MAX_ID,
    MAX_LINES,
    Actor,
    Id,
    Message,
    Notes,
    Reason,
    Start,
    State,
    Timestamp,
)
from stockkeeper.contracts.notice import Notices
from stockkeeper.contracts.process import Command, ProcessSpec
from stockkeeper.contracts.sealed_secret import public_key_of
from stockkeeper.contracts.webhook import WebhookUrl
from stockkeeper.domain import permission
from stockkeeper.domain.event_subscriber import SUBSCRIBER
from stockkeeper.domain.event_subscriber import SubscriberStatus as SubscriberStatus  # noqa: PLC0414 - of the contract

WORKFLOW_TYPE = "EventSubscriberWorkflow"

LONGEST_OVERLAP_HOURS = 7 * 24.0
OVERLAP_HOURS = 24.0


def _known(types: list[str]) -> list[str]:
    if unknown := sorted({*types} - TYPES.keys()):
        raise ValueError(f"has {unknown[0][:80]!r}, which is no type of event, such as stockkeeper.level.changed")
    return types


Types = Annotated[
    list[str],
    Field(max_length=100, description="Only these types of events; empty: all of them."),
    AfterValidator(_known),
]
ProductIds = Annotated[list[Id], Field(max_length=MAX_LINES, description="Only about these products; empty: all.")]
Number = Annotated[int, Field(ge=0, le=MAX_ID)]
SubscriberName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=100,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        description="The subscriber's name, also part of the workflow id.",
    ),
]


def _public_key(text: str) -> str:
    public_key_of(text)
    return text


class SubscribeToEvents(Start):
    """Start of an `EventSubscriberWorkflow`: send events to a URL, until it is unsubscribed."""

    name: SubscriberName
    url: WebhookUrl
    types: Types = Field(default=[])
    product_ids: ProductIds = Field(default=[])
    after: Number | None = Field(
        default=None, description="Begin after the event of this number; null: with the next one."
    )
    generation: Annotated[int, Field(gt=0, le=1_000_000)] = Field(
        default=1, description="The number of its signing secret: another one than that of an earlier subscriber."
    )
    performed_by: Actor

    @property
    def summary(self) -> str:
        """The line that an operator reads beside its run."""
        return f"events to {self.name}"


class PauseSubscriber(Message):
    """Send nothing until it is resumed."""

    performed_by: Actor
    reason: Reason


class ResumeSubscriber(Message):
    """Go on after the last event that was taken; one that fails is tried at once."""

    performed_by: Actor


class ReplayEvents(Message):
    """Send events again, in their order, from a number on."""

    performed_by: Actor
    from_number: Annotated[int, Field(gt=0, le=MAX_ID)] = Field(description="Number of the first event.")


class ChangeSubscriber(Message):
    """Send events elsewhere, or others, from the next one on."""

    performed_by: Actor
    url: WebhookUrl | None = Field(default=None, description="Null: as it is.")
    types: Types | None = Field(default=None, description="Null: as they are.")
    product_ids: ProductIds | None = Field(default=None, description="Null: as they are.")


class RotateSecret(Message):
    """Sign by another secret, and for some hours by the former one as well."""

    performed_by: Actor
    overlap_hours: Annotated[float, Field(ge=0, le=LONGEST_OVERLAP_HOURS)] = OVERLAP_HOURS


class Unsubscribe(Message):
    """Send nothing any more."""

    performed_by: Actor
    reason: Reason


class EventSubscriberState(State):
    """State of a subscriber: the answer to its start and commands and to the query ``state``, and the result."""

    name: str = ""
    url: str = Field(default="", description="Where its events are sent, without the query.")
    types: list[str] = Field(default_factory=list, description="Empty: all types.")
    product_ids: list[int] = Field(default_factory=list, description="Empty: all products.")
    status: SubscriberStatus = SubscriberStatus.ACTIVE
    cursor: int = Field(default=0, description="All of its events up to this number were taken.")
    delivered: int = Field(default=0, description="How many events were taken, repeats included.")
    failures: int = Field(default=0, description="Attempts in a row that have failed.")
    failing_since: Timestamp | None = None
    last_error: str | None = Field(default=None, description="Why the latest failed attempt did.")
    next_attempt_at: Timestamp | None = Field(default=None, description="While FAILING: when it is tried again.")
    paused_because: str | None = None
    since: Timestamp | None = Field(default=None, description="Since when it has this status.")
    generation: int = Field(default=1, description="The number of its signing secret.")
    signed_twice_until: Timestamp | None = Field(
        default=None, description="Until then its events are signed by the former secret, too."
    )
    performed_by: str = ""
    notices: Notices = Field(default_factory=list)
    notes: Notes = Field(default_factory=list)


class Subscription(BaseModel):
    """What is checked before anything is sent.

    Attributes:
        url: The URL.
        after: Begin after this number; None: with the next event.
    """

    url: str = Field(repr=False)
    after: int | None = None


class SubscriptionChecked(BaseModel):
    """A subscription that can be served.

    Attributes:
        cursor: The number after which it begins.
    """

    cursor: int


class DeliverEvents(BaseModel):
    """Deliver events until one isn't taken, or it is time to report.

    Attributes:
        name: The subscriber.
        url: Where they are sent.
        types: Only these types; empty: all.
        product_ids: Only about these products; empty: all.
        cursor: After this number.
        ahead: Numbers above the cursor of events that were taken already.
        generation: The number of the secret.
        former_generation: The number of another one that signs as well; None: there is none.
    """

    name: str
    url: str = Field(repr=False)
    types: list[str] = Field(default_factory=list)
    product_ids: list[int] = Field(default_factory=list)
    cursor: int
    ahead: list[int] = Field(default_factory=list)
    generation: int
    former_generation: int | None = None


class Delivered(BaseModel):
    """What has become of it.

    Attributes:
        cursor: All events up to this number were taken.
        ahead: Numbers above the cursor of events that were taken.
        taken: How many were taken.
        error: Why one wasn't taken, in a few words; None: all were.
        is_gone: The receiver says that it wants none any more (410).
        give_up_after_hours: How long a receiver may fail before it is paused, by the worker's settings.
    """

    cursor: int
    ahead: list[int] = Field(default_factory=list)
    taken: int = 0
    error: str | None = None
    is_gone: bool = False
    give_up_after_hours: float = 72.0

    @property
    def give_up_after(self) -> timedelta:
        """How long a receiver may fail before it is paused."""
        return timedelta(hours=self.give_up_after_hours)


class ShowWebhookSecret(Message):
    """The question for the secret that signs a subscriber's webhooks now; its answer opens with one key only."""

    name: SubscriberName
    generation: Annotated[int, Field(gt=0, le=1_000_000)] | None = Field(
        default=None, description="Only the secret of this number; null: the present one."
    )
    public_key: Annotated[str, AfterValidator(_public_key)] = Field(
        max_length=100, description="X25519 public key in Base64, of a pair that is made for this question alone."
    )


class WebhookSecretSealed(BaseModel):
    """A subscriber's secret, sealed to the asker's public key.

    The key is HKDF-SHA-256, without salt, of the X25519 agreement; its info is ``stockkeeper webhook secret, X25519
    HKDF-SHA256 AES-256-GCM``, a zero byte, the asker's public key, and the one here. It opens AES-256-GCM, with name,
    line feed and generation as associated data.
    """

    name: str
    generation: int = Field(description="The number of the secret.")
    public_key: str = Field(description="The worker's public key of this one answer, in Base64.")
    sealed: str = Field(description="Nonce of 12 bytes, ciphertext and tag, in Base64.")


class WebhookSecretActivities(Protocol):
    """The question for a subscriber's secret. Implemented in `activities.webhook_secret`."""

    @activity.defn(name="show_webhook_secret")
    async def show_webhook_secret(self, question: ShowWebhookSecret) -> WebhookSecretSealed:
        """The secret that signs for a subscriber now, sealed."""
        ...


class EventSubscriberActivities(Protocol):
    """The steps of a subscriber. Each may be repeated. Implemented in `activities.event_subscriber`."""

    @activity.defn(name="check_subscription")
    async def check_subscription(self, wanted: Subscription) -> SubscriptionChecked:
        """Whether events may be sent there, and from which number on."""
        ...

    @activity.defn(name="deliver_events")
    async def deliver_events(self, wanted: DeliverEvents) -> Delivered:
        """Send events, and wait for the next ones."""
        ...


PAUSE = Command("pause", PauseSubscriber)
RESUME = Command("resume", ResumeSubscriber)
REPLAY = Command("replay", ReplayEvents)
CHANGE = Command("change", ChangeSubscriber)
ROTATE_SECRET = Command("rotate_secret", RotateSecret)
UNSUBSCRIBE = Command("unsubscribe", Unsubscribe)
COMMANDS: tuple[Command[Message], ...] = (PAUSE, RESUME, REPLAY, CHANGE, ROTATE_SECRET, UNSUBSCRIBE)

PROCESS = ProcessSpec(
    name="event subscriber",
    workflow_type=WORKFLOW_TYPE,
    start=SubscribeToEvents,
    state=EventSubscriberState,
    activities=EventSubscriberActivities,
    commands=COMMANDS,
    needs={permission.START: permission.ADMINISTER, **{each.name: permission.ADMINISTER for each in COMMANDS}},
    workflow_id="event-subscriber-{name}",
    answer="subscribed",
    table=SUBSCRIBER,
)
