"""Notices: messages to people outside Temporal, such as mail.

A process sends one, and goes on; it never depends on whether a mail server answers. The notice and its outcome
stand in the process's own state and in the worker's log.
"""

from enum import StrEnum
from typing import Annotated, Protocol

from pydantic import BaseModel, Field
from temporalio import activity

from stockkeeper.contracts.messages import State, Timestamp


class Audience(StrEnum):
    """The recipients of a notice. The settings have the notice URLs of each audience."""

    PROCUREMENT = "PROCUREMENT"
    ESCALATION = "ESCALATION"
    SUPPLIER = "SUPPLIER"
    WAREHOUSE = "WAREHOUSE"
    OPERATIONS = "OPERATIONS"


NOT_SET_UP = "no mail is set up"
"""The reason of a notice that was not sent: the settings have no notice URL for its audience."""
NO_ADDRESS = "the supplier has no mail address"
"""The reason of a notice that was not sent to a supplier, where the settings have a URL for it."""


class NoticeOutcome(StrEnum):
    """Outcome of a notice.

    LOGGED: the settings have no notice URL for that audience, or the supplier has no mail address, so it stands in the
        log and here only.
    FAILED: given up after trying for a while, or at once where the supplier's address can't be written to.
    """

    PENDING = "PENDING"
    SENT = "SENT"
    LOGGED = "LOGGED"
    FAILED = "FAILED"


class NoticeState(State):
    """A notice in the state of the process that sent it."""

    at: Timestamp
    audience: Audience
    title: str
    outcome: NoticeOutcome = NoticeOutcome.PENDING
    reason: str | None = Field(None, description="Why it was not sent, where the outcome is LOGGED or FAILED.")

    @property
    def not_sent(self) -> str | None:
        """Why it was not sent, in a few words; None: it was, or is under way."""
        match self.outcome:
            case NoticeOutcome.LOGGED:
                return self.reason or NOT_SET_UP
            case NoticeOutcome.FAILED:
                return self.reason or "it was not taken"
            case _:
                return None


Notices = Annotated[list[NoticeState], Field(description="Notices sent to people; the latest hundred.")]


class Notice(BaseModel):
    """A notice to be sent.

    Attributes:
        audience: The recipients.
        supplier_id: The supplier, for `Audience.SUPPLIER`; the address is looked up where it is sent, and stays out
            of histories.
        title: One line.
        body: Plain text.
    """

    audience: Audience
    supplier_id: int | None = None
    title: str
    body: str


class NoticeSent(BaseModel):
    """Result of sending a notice.

    Attributes:
        ways: Number of notice URLs that took it. 0 is no fault: then it was logged only.
        not_sent: The reason then.
    """

    ways: int = Field(ge=0)
    not_sent: str | None = None


class NoticeActivities(Protocol):
    """The activity that sends notices. Implemented in `activities.notice`."""

    @activity.defn(name="send_notice")
    def send_notice(self, notice: Notice) -> NoticeSent:
        """Send a notice to every recipient that the settings have for its audience."""
        ...
