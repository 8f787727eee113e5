"""Moving a warehouse to another database on the wire: start, command, state, and its steps (ADR 0085)."""

from typing import Protocol

from pydantic import BaseModel, Field
from temporalio import activity

from stockkeeper.contracts.messages import Actor, Id, Message, Notes, Reason, Reference, Start, State
from stockkeeper.contracts.process import Command, ProcessSpec
from stockkeeper.contracts.stock_audit import FindingState
from stockkeeper.domain import permission
from stockkeeper.domain.move import MOVE
from stockkeeper.domain.move import MoveStatus as MoveStatus  # noqa: PLC0414 - part of the contract

WORKFLOW_TYPE = "MoveWarehouseWorkflow"


def moves_queue(catalogue: str) -> str:
    """The task queue of moves, whose worker acts as the owner of all databases.

    Args:
        catalogue: The task queue of the database that keeps the catalogue.
    """
    return f"{catalogue}-moves"


class MoveWarehouse(Start):
    """Start of a `MoveWarehouseWorkflow`: move a warehouse with all that belongs to it, while it sells."""

    warehouse_id: Id = Field(description="The warehouse, also part of the workflow id.")
    to: Reference = Field(description="The task queue of the database that it moves to.")
    performed_by: Actor

    @property
    def summary(self) -> str:
        """The line that an operator reads beside its run."""
        return f"move of warehouse {self.warehouse_id} to {self.to}"


class CancelMove(Message):
    """Leave the warehouse where it is. It is refused once it has left."""

    performed_by: Actor
    reason: Reason


class MoveState(State):
    """State of a move: the answer to its command and to the query ``state``, and the workflow's result."""

    warehouse_id: int
    source: str | None = Field(default=None, description="The task queue of the database that it leaves.")
    to: str
    status: MoveStatus = MoveStatus.COPYING
    performed_by: str
    waits_for: list[str] = Field(
        default_factory=list, description="While DRAINING: open orders over other warehouses too, and open transfers."
    )
    rows: int = Field(default=0, description="Rows that have been copied; in the end, that have moved.")
    attempts: int = Field(default=0, description="How often it was tried to leave the old database.")
    seconds_away: float | None = Field(
        default=None, description="How long commands had to wait, from leaving to arriving. Null: it hasn't arrived."
    )
    findings: list[FindingState] = Field(
        default_factory=list, description="What the audit of its new database has found."
    )
    notes: Notes = Field(default_factory=list)


class MoveStep(BaseModel):
    """One step of a move.

    Attributes:
        warehouse_id: The warehouse.
        to: The task queue of the database that it moves to.
        source: That of the one that it leaves; empty: the step finds it out.
        version: The version of its place once it has moved; 0: the step finds it out.
    """

    warehouse_id: int
    to: str
    source: str = ""
    version: int = 0


class MoveFigures(BaseModel):
    """What came of a step: how many rows, and whether the warehouse has left or what it waits for."""

    rows: int = 0
    has_left: bool = False
    waits_for: list[str] = Field(default_factory=list)


class MoveActivities(Protocol):
    """The steps of a move. Each may be repeated. Implemented in `activities.move`."""

    @activity.defn(name="announce_move")
    def announce_move(self, step: MoveStep) -> MoveStep:
        """Let both databases know."""
        ...

    @activity.defn(name="copy_warehouse")
    def copy_warehouse(self, step: MoveStep) -> MoveFigures:
        """Copy its rows while it sells."""
        ...

    @activity.defn(name="drain_warehouse")
    def drain_warehouse(self, step: MoveStep) -> MoveFigures:
        """Let nothing new join it with other warehouses."""
        ...

    @activity.defn(name="switch_warehouse")
    def switch_warehouse(self, step: MoveStep) -> MoveFigures:
        """Let it leave, if nothing joins it with other warehouses."""
        ...

    @activity.defn(name="land_warehouse")
    def land_warehouse(self, step: MoveStep) -> MoveFigures:
        """Let it arrive."""
        ...

    @activity.defn(name="clear_move")
    def clear_move(self, step: MoveStep) -> MoveFigures:
        """Drop what was staged."""
        ...

    @activity.defn(name="give_move_up")
    def give_move_up(self, step: MoveStep) -> MoveFigures:
        """Leave it where it is, unless it has left."""
        ...


CANCEL = Command("cancel", CancelMove)

PROCESS = ProcessSpec(
    name="move of warehouse",
    workflow_type=WORKFLOW_TYPE,
    start=MoveWarehouse,
    state=MoveState,
    activities=MoveActivities,
    commands=(CANCEL,),
    needs={permission.START: permission.ADMINISTER, CANCEL.name: permission.ADMINISTER},
    workflow_id="move-warehouse-{warehouse_id}",
    table=MOVE,
)
