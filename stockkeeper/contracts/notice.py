"""Notices: what somebody outside Temporal should hear of.

A process sends one, and goes on; it never depends on whether a mail server answers. What was sent, and what became of
it, stands in the process's own state and in the worker's log.
"""

from enum import StrEnum
from typing import Protocol

from pydantic import BaseModel, Field
from temporalio import activity

from stockkeeper.contracts.messages import State, Timestamp


class Audience(StrEnum):
    """Who is to hear of it. The settings say by which ways each of them is reached."""

    PROCUREMENT = "PROCUREMENT"
    ESCALATION = "ESCALATION"
    SUPPLIER = "SUPPLIER"
    WAREHOUSE = "WAREHOUSE"


class NoticeOutcome(StrEnum):
    """What became of a notice.

    LOGGED: the settings name no way to that audience, so it stands in the log and here.
    FAILED: given up after trying for a while; the worker's log says why.
    """

    PENDING = "PENDING"
    SENT = "SENT"
    LOGGED = "LOGGED"
    FAILED = "FAILED"


class NoticeState(State):
    """A notice as the process that sent it shows it."""

    at: Timestamp
    audience: Audience
    title: str
    outcome: NoticeOutcome = NoticeOutcome.PENDING


class Notice(BaseModel):
    """What is to be sent.

    Attributes:
        audience: Who is to hear of it.
        supplier_id: Which supplier, for `Audience.SUPPLIER`; the address is looked up where it is sent, and stays out
            of histories.
        title: One line.
        body: Plain text.
    """

    audience: Audience
    supplier_id: int | None = None
    title: str
    body: str


class NoticeSent(BaseModel):
    """The answer: by how many ways it went out. None is no fault; then it was logged only."""

    ways: int = Field(ge=0)


class NoticeActivities(Protocol):
    """What sends notices. Implemented in `activities.notice`."""

    @activity.defn(name="send_notice")
    def send_notice(self, notice: Notice) -> NoticeSent:
        """Send it by every way that the settings have for its audience."""
        ...
