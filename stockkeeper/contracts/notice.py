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


class NoticeOutcome(StrEnum):
    """Outcome of a notice.

    LOGGED: the settings have no notice URL for that audience, so it stands in the log and here only.
    FAILED: given up after trying for a while; the worker's log says why.
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
    """Number of notice URLs that took it. 0 is no fault: then it was logged only."""

    ways: int = Field(ge=0)


class NoticeActivities(Protocol):
    """The activity that sends notices. Implemented in `activities.notice`."""

    @activity.defn(name="send_notice")
    def send_notice(self, notice: Notice) -> NoticeSent:
        """Send a notice to every URL that the settings have for its audience."""
        ...
