"""Fingerprints of the workflows: what each would do today in every run that was ever recorded, command by command.

A replay compares kind and order of the commands, and the names of activities. It doesn't compare what a step is asked:
one under another operation id is replayed without complaint, and takes effect twice when a run moves from an older
worker to a newer one within it; one with other contents is taken for a conflict. So the commands stand in
`tests/replay/fingerprints`, a file for each process with a section for each recorded run and one with the fields of the
messages, and `test_fingerprints.py` compares.

`python -m tests.replay.fingerprint` writes the files anew; when that is right, docs/operations.md says
(*Changing a workflow*).
"""

import asyncio
import functools
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import unified_diff
from pathlib import Path
from typing import Any, cast, get_type_hints

from pydantic import BaseModel, SecretStr
from temporalio.api.common.v1 import Payload
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_commands import UpdateResponse, WorkflowCommand
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.client import WorkflowHistory
from temporalio.worker import (
    Replayer,
    UnsandboxedWorkflowRunner,
    WorkflowInstance,
    WorkflowInstanceDetails,
    WorkflowRunner,
)
from temporalio.workflow import Info, _Definition

from activities.edge import at_the_edge
from stockkeeper.contracts.converter import DATA_CONVERTER
from stockkeeper.contracts.messages import Step
from tests.replay.record import PROCESSES
from tests.replay.recording import HISTORIES, load
from worker import REPLAYED_WITH, WORKFLOWS, Settings, build_database, build_steps

FINGERPRINTS = Path(__file__).parent / "fingerprints"
RECORDED = sorted(HISTORIES.glob("*.json"))


@dataclass(frozen=True)
class Asked:
    """A command: what a workflow asked of Temporal.

    Attributes:
        line: The command in a line. Times, texts for people and answers aren't in it: others break no run.
        message: Name and fields of the message that it sends.
        summary: The text beside it in the Temporal UI.
    """

    line: str
    message: tuple[str, str] | None = None
    summary: str = ""


@dataclass(frozen=True)
class Replayed:
    """What became of a recorded run.

    Attributes:
        failure: What the replay failed with.
        commands: What the workflow asked for.
        details: What the run shows of itself at last.
    """

    failure: Exception | None
    commands: Sequence[Asked]
    details: str


class _Watched(WorkflowInstance):
    """A run whose commands are written down."""

    def __init__(self, run: WorkflowInstance, commands: list[Asked]) -> None:
        self._run = run
        self._commands = commands

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        """Go on with the run."""
        completion = self._run.activate(act)
        for command in completion.successful.commands:
            summary = json.loads(command.user_metadata.summary.data or '""')
            self._commands += [replace(asked, summary=summary) for asked in _asked(command)]
        return completion

    def get_serialization_context(self, command_info: Any) -> Any:
        """As of the run."""
        return self._run.get_serialization_context(command_info)

    def get_external_store_context(self, command_info: Any) -> Any:
        """As of the run."""
        return self._run.get_external_store_context(command_info)

    def get_info(self) -> Info:
        """As of the run."""
        return self._run.get_info()


class WatchedRunner(WorkflowRunner):
    """Runs workflows as a worker does, and writes down what they ask of Temporal.

    Attributes:
        commands: By the run's id.
    """

    def __init__(self, runner: WorkflowRunner | None = None) -> None:
        self._runner = runner or UnsandboxedWorkflowRunner()
        self.commands: dict[str, list[Asked]] = {}
        self._runs: dict[str, Any] = {}

    def prepare_workflow(self, defn: _Definition) -> None:
        """Load the workflow."""
        self._runner.prepare_workflow(defn)

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """Begin a run."""
        run = self._runs[det.info.run_id] = self._runner.create_instance(det)
        return _Watched(run, self.commands.setdefault(det.info.run_id, []))

    def replayed(self, run_id: str, failure: Exception | None) -> Replayed:
        """What became of a run."""
        details = str(self._runs[run_id].workflow_get_current_details()) if run_id in self._runs else ""
        return Replayed(failure, self.commands.get(run_id, []), details)


def _asked(command: WorkflowCommand) -> Iterator[Asked]:
    kind = str(command.WhichOneof("variant"))
    asked = getattr(command, kind)
    match kind:
        case "schedule_activity" | "schedule_local_activity":
            way = "local step" if kind == "schedule_local_activity" else "step"
            contents = _contents(asked.activity_type, asked.arguments)
            yield _sending(f"{way} {asked.activity_type}", asked.activity_type, asked.arguments, contents)
        case "signal_external_workflow_execution":
            to = asked.workflow_execution.workflow_id
            yield _sending(f"signal {asked.signal_name} to {to}", asked.signal_name, asked.args)
        case "start_child_workflow_execution":
            yield _sending(f"child {asked.workflow_type} as {asked.workflow_id}", asked.workflow_type, asked.input)
        case "continue_as_new_workflow_execution":
            yield _sending("another run", "what another run is given", asked.arguments[1:])
        case "update_response":
            yield from _answer(asked)
        case "respond_to_query":
            return
        case _:
            yield Asked(" ".join([_WORDS.get(kind, kind.replace("_", " ")), *_names(kind, asked)]))


_WORDS = {
    "upsert_workflow_search_attributes": "search attributes",
    "modify_workflow_properties": "memo",
    "set_patch_marker": "patch",
    "fail_workflow_execution": "fail with",
}


def _names(kind: str, asked: Any) -> Iterator[str]:
    """What else a command is told by."""
    match kind:
        case "upsert_workflow_search_attributes":
            yield ", ".join(sorted(asked.search_attributes.indexed_fields))
        case "modify_workflow_properties":
            yield ", ".join(sorted(asked.upserted_memo.fields))
        case "set_patch_marker":
            yield asked.patch_id
        case "fail_workflow_execution":
            yield asked.failure.application_failure_info.type


def _answer(response: UpdateResponse) -> Iterator[Asked]:
    match response.WhichOneof("response"):
        case "rejected":
            yield Asked(f"refuse an update: {response.rejected.application_failure_info.type}")
        case "completed":
            yield Asked("answer an update")
        case "accepted":
            yield Asked("take an update")


def _contents(activity: str, arguments: Sequence[Payload]) -> str:
    """What a step is compared by where its operation was carried out before: a few digits that change with it."""
    model = messages_of_activities()[activity]
    if not issubclass(model, Step):
        return ""
    contents = json.dumps(model.model_validate_json(arguments[0].data).contents(), sort_keys=True)
    return f" of {hashlib.sha256(contents.encode()).hexdigest()[:8]}"


def _sending(line: str, name: str, arguments: Sequence[Payload], contents: str = "") -> Asked:
    """A command that sends a message: a step has its operation in the line."""
    values = [json.loads(each.data) if each.data else None for each in arguments]
    operations = [f" as {each['operation_id']}" for each in values if isinstance(each, dict) and "operation_id" in each]
    return Asked(line + "".join(operations) + contents, (name, "; ".join(map(_fields, values))))


def _fields(value: object) -> str:
    return ", ".join(sorted(value)) if isinstance(value, dict) else type(value).__name__


async def replay(workflows: Sequence[type] = WORKFLOWS, paths: Sequence[Path] = RECORDED) -> Mapping[Path, Replayed]:
    """Replay recorded runs: one worker for all, because each worker loads every workflow."""
    runner = WatchedRunner()
    replayer = Replayer(
        workflows=workflows, data_converter=DATA_CONVERTER, workflow_runner=runner, interceptors=REPLAYED_WITH
    )
    histories = {path: load(path) for path in paths}
    path_of = {history.run_id: path for path, history in histories.items()}

    async def each() -> AsyncIterator[WorkflowHistory]:
        for history in histories.values():
            yield history

    async with replayer.workflow_replay_iterator(each()) as results:
        return {
            path_of[result.history.run_id]: runner.replayed(result.history.run_id, result.replay_failure)
            async for result in results
        }


@functools.cache
def messages_of_activities() -> Mapping[str, type[BaseModel]]:
    """The message of each activity of a worker, by the activity's name."""
    settings = Settings(database_url=SecretStr("postgresql://nobody@localhost/nowhere"))
    return {
        vars(at_the_edge(member))["__temporal_activity_definition"].name: _message_of(member)
        for steps in build_steps(build_database(settings), settings)
        for member in (getattr(steps, name) for name in dir(steps))
        if hasattr(member, "__temporal_activity_definition")
    }


def _message_of(member: Callable[..., Any]) -> type[BaseModel]:
    [message] = [hint for name, hint in get_type_hints(member).items() if name != "return"]
    return cast("type[BaseModel]", message)


def fingerprint_of(process: str, replayed: Mapping[Path, Replayed]) -> str:
    """A process's file."""
    scenes = PROCESSES[process]
    runs = {name: replayed[scenes.path(name)].commands for name in scenes.names()}
    messages = {each.message for commands in runs.values() for each in commands if each.message is not None}
    return "\n".join(
        [
            *(_section(name, [each.line for each in commands]) for name, commands in runs.items()),
            _section("fields of its messages", [f"{name}: {fields}" for name, fields in sorted(messages)]),
        ]
    )


def _section(title: str, lines: Sequence[str]) -> str:
    return "".join([f"{title}\n", *(f"  {line}\n" for line in lines)])


def file_of(process: str) -> Path:
    """Where a process's fingerprint is."""
    return FINGERPRINTS / f"{process}.txt"


def difference(written: str, now: str) -> str:
    """What a process would do otherwise than before, each change with the run that it is in; empty: nothing."""
    lines = unified_diff(written.splitlines(), now.splitlines(), "so far", "now", n=1_000, lineterm="")
    told: list[str] = []
    section = ""
    for line in [*lines][3:]:
        if line[0] == " " and not line.startswith("   "):
            section = line[1:]
        elif line[0] != " ":
            told.append(f"{section}: {line[0]} {line[1:].strip()}")
    return "\n".join(told)


def main() -> None:
    """Write the files anew."""
    FINGERPRINTS.mkdir(exist_ok=True)
    replayed = asyncio.run(replay())
    for process in PROCESSES:
        file_of(process).write_text(fingerprint_of(process, replayed))


if __name__ == "__main__":
    main()
