"""Moving warehouses between databases: start a move, look at it, cancel it."""

from temporalio.client import WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy

from stockkeeper.client.calls import answer, checked, read_state
from stockkeeper.client.document import Part
from stockkeeper.client.lines import Named
from stockkeeper.client.names import with_ids
from stockkeeper.contracts.errors import InvalidRequest, InvalidState
from stockkeeper.contracts.markdown import plain
from stockkeeper.contracts.move import CANCEL, PROCESS, CancelMove, MoveState, MoveWarehouse, moves_queue


class Moves(Part):
    """Warehouses that move to another database while they sell (`docs/several-databases.md`)."""

    async def move_warehouse(self, warehouse: Named, *, to: str, performed_by: str) -> MoveState:
        """Begin to move a warehouse with all that belongs to it. The same call again finds the same move.

        The worker of moves has to be running: `stockkeeper warehouse mover`.

        Args:
            warehouse: The warehouse.
            to: The task queue of the database that it moves to.
            performed_by: Who moves it.

        Returns:
            Where the move is.

        Raises:
            InvalidRequest, UnknownWarehouse: The request is wrong.
            InvalidState: The warehouse is on its way to another database.
            Unreachable: Temporal doesn't answer, or no worker of moves.
        """
        databases = self.connection.databases
        if databases is None:
            raise InvalidRequest("there is one database, and no other to move to (STOCKKEEPER_DATABASES)")
        if to not in databases.queues:
            raise InvalidRequest(f"to: there is no database {to}, only {', '.join(databases.queues)}")
        request, _ = await with_ids(
            self.connection, MoveWarehouse, warehouse_id=warehouse, to=to, performed_by=performed_by
        )
        name = plain(request.summary)
        async with answer(name, self.connection.answer_within):
            handle = await self.connection.client.start_workflow(
                PROCESS.workflow_type,
                request,
                id=PROCESS.id_of(str(request.warehouse_id)),
                task_queue=moves_queue(databases.queues[0]),
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                result_type=MoveState,
                static_summary=name,
            )
        state = await read_state(handle, MoveState, what=name, within=self.connection.answer_within)
        if state.to not in ("", to):
            raise InvalidState(f"warehouse {request.warehouse_id} is on its way to {state.to}", state.status, "move")
        return state if state.to else MoveState(warehouse_id=request.warehouse_id, to=to, performed_by=performed_by)

    async def warehouse_move(self, warehouse: Named) -> MoveState:
        """Where the latest move of a warehouse is.

        Raises:
            UnknownWarehouse: There is no such warehouse.
            NotFound: It hasn't moved.
            Unreachable: Temporal doesn't answer, or no worker of moves.
        """
        handle = await self._handle(warehouse)
        return await read_state(handle, MoveState, what=f"move of {warehouse}", within=self.connection.answer_within)

    async def cancel_move(self, warehouse: Named, *, performed_by: str, reason: str) -> MoveState:
        """Leave a warehouse where it is.

        Raises:
            InvalidState: It has left already.
            NotFound: It isn't on a move.
            Unreachable: Temporal doesn't answer, or no worker of moves.
        """
        command = checked(CancelMove, performed_by=performed_by, reason=reason)
        handle = await self._handle(warehouse)
        async with answer(f"move of {warehouse}", self.connection.answer_within):
            state = await handle.execute_update(CANCEL.name, command, result_type=MoveState)
        return MoveState.model_validate(state)

    async def _handle(self, warehouse: Named) -> "WorkflowHandle[object, MoveState]":
        request, _ = await with_ids(
            self.connection, MoveWarehouse, warehouse_id=warehouse, to="anywhere", performed_by="anybody"
        )
        return self.connection.client.get_workflow_handle(
            PROCESS.id_of(str(request.warehouse_id)), result_type=MoveState
        )
