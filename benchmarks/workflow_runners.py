"""What a run of a workflow costs with the sandbox, with all of ours passed through it, and without it.

The recorded histories are replayed, so there is no server and no database: what is measured is the worker's CPU time.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping

from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from benchmarks.measuring import in_turn, table
from stockkeeper.contracts.converter import DATA_CONVERTER
from tests.replay.recording import HISTORIES, load
from tests.replay.sandbox import SANDBOX
from worker import REPLAYED_WITH, WORKFLOW_RUNNER, WORKFLOWS

WITHOUT = "without the sandbox"
RUNNERS: Mapping[str, WorkflowRunner] = {
    WITHOUT: WORKFLOW_RUNNER,
    "all of ours passed through": SandboxedWorkflowRunner(
        restrictions=SANDBOX.restrictions.with_passthrough_modules("workflows")
    ),
    "workflows loaded anew": SANDBOX,
}
ROUNDS = 5


async def _replay(runner: WorkflowRunner, histories: list[WorkflowHistory]) -> float:
    """CPU seconds of this process for one history, the worker's start left out."""

    async def each() -> AsyncIterator[WorkflowHistory]:
        for history in histories:
            yield history

    replayer = Replayer(
        workflows=WORKFLOWS, data_converter=DATA_CONVERTER, workflow_runner=runner, interceptors=REPLAYED_WITH
    )
    async with replayer.workflow_replay_iterator(each()) as results:
        began = time.process_time()
        async for result in results:
            if result.replay_failure is not None:
                raise result.replay_failure
        return (time.process_time() - began) / len(histories)


def main() -> None:
    """Measure, and print a table."""
    histories = [load(path) for path in sorted(HISTORIES.glob("*.json"))]

    def replay_with(runner: WorkflowRunner) -> Callable[[], float]:
        return lambda: asyncio.run(_replay(runner, histories))

    timings = in_turn({name: replay_with(runner) for name, runner in RUNNERS.items()}, ROUNDS)
    print(table(f"CPU time of a run, mean of {len(histories)} histories", "ms", timings, WITHOUT))


if __name__ == "__main__":
    main()
