"""The sandbox that histories are replayed in, beside the way they run in production."""

import time

from temporalio import workflow
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

# All of `workflows` is loaded anew for each run and watched: a clock, chance, or state shared by runs fails the replay.
# Messages and domain are passed through, because loading them anew takes half a second a run.
SANDBOX = SandboxedWorkflowRunner(
    restrictions=SandboxRestrictions.default.with_passthrough_modules(
        "stockkeeper", "pydantic", "pydantic_core", "annotated_types"
    )
)


@workflow.defn(name="ReservationWorkflow")
class ReadsTheClock:
    """A workflow that does what the sandbox refuses."""

    @workflow.run
    async def run(self, payload: object) -> float:
        """Return the machine's time."""
        del payload
        return time.time()
