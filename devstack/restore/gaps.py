"""What one of two stores knows and the other doesn't, after they were restored to different moments.

Nothing here asks a server: `find_gaps` compares what was read.

- The database is the older one: runs have carried out steps that it has lost. Their operation ids aren't stored, so
  each is carried out again, with its own contents and the workflow's time from then.
- Temporal is the older one: the database has effects of runs that are gone, or of steps that a run knows nothing of.
  The first are started again. The second are replaced by a run that begins with the same request: it finds the document
  as it is. Going on with the old run would be wrong, because it numbers signals, and looks at the queue, as it did
  before: the next one would have the operation id of one that it has forgotten, and be taken for its repeat.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from database.after_restore import StoredStep
from devstack.restore.recorded import ReadRun, RecordedStep
from stockkeeper.contracts import import_file
from stockkeeper.contracts.import_file import ApplyImportStep, ImportActivities, StagePageStep
from stockkeeper.contracts.processes import DOCUMENTS

STARTED_BY = "after-restore: "
"""How the identity begins under which a run was started after a restore: such a run begins with a look."""


class GapKind(StrEnum):
    """What is missing where."""

    STEP_LOST = "STEP_LOST"
    RUN_MISSING = "RUN_MISSING"
    RUN_BEHIND = "RUN_BEHIND"
    RUN_UNREADABLE = "RUN_UNREADABLE"
    OTHER_PRODUCT = "OTHER_PRODUCT"


@dataclass(frozen=True)
class Gap:
    """One thing that only one of the two stores knows.

    Attributes:
        kind: What is missing.
        workflow_id: The workflow that it is about.
        detail: What was found, in words.
        run: The run in Temporal, if there is one.
        step: The lost step.
        document: Kind and number of the document whose run is missing.
    """

    kind: GapKind
    workflow_id: str
    detail: str
    run: ReadRun | None = None
    step: RecordedStep | None = None
    document: tuple[str, str] | None = None


@dataclass(frozen=True)
class Books:
    """What the database says.

    Attributes:
        operations: The operations from the instant on since which the stores may differ.
        stored: Of the steps that runs have carried out since, those whose operation is stored, however old.
        open_documents: Kind and number of each document that a run should take commands for.
        gave_way: The workflows of holds that have given way since.
        staged_pages: The number of staged pages by import.
        skus: Products of which runs know, each id with the SKUs that it has or had.
    """

    operations: Sequence[StoredStep] = ()
    stored: AbstractSet[str] = frozenset()
    open_documents: Sequence[tuple[str, str]] = ()
    gave_way: AbstractSet[str] = frozenset()
    staged_pages: Mapping[str, int] | None = None
    skus: AbstractSet[tuple[int, str]] = frozenset()


_OF_IMPORTS = frozenset(name for name in vars(ImportActivities) if not name.startswith("_"))
REPEATABLE = _OF_IMPORTS | {
    name for process in DOCUMENTS.values() for name in vars(process.activities) if not name.startswith("_")
}
"""The activities whose effect is looked for, and brought back: those of documents, and of imports."""


def done_since(runs: Iterable[ReadRun], since: datetime) -> list[tuple[ReadRun, RecordedStep]]:
    """The steps of documents and imports that were carried out at an instant or later, in the order of their ends.

    One that several runs know, as after a reset, is the first one's.
    """
    found: dict[tuple[str, str], tuple[ReadRun, RecordedStep]] = {}
    done = [
        (each.done_at, run, each)
        for run in runs
        for each in run.steps
        if each.done_at is not None and each.done_at >= since and each.activity in REPEATABLE
    ]
    for _, run, each in sorted(done, key=lambda item: item[0]):
        # What a file's run asks for has the same names when the file is sent again.
        by_run = run.run.run_id if each.activity in _OF_IMPORTS else ""
        found.setdefault((by_run, each.operation_id), (run, each))
    return list(found.values())


def find_gaps(since: datetime, runs: Sequence[ReadRun], running: AbstractSet[str], books: Books) -> list[Gap]:
    """Compare both stores.

    Args:
        since: Before this instant both know the same.
        runs: The runs in which something has happened since, in Temporal or by the database, with their steps.
        running: The workflows that have a run which hasn't ended.
        books: What the database says.
    """
    lost = _lost_steps(since, runs, books)
    # Whether a document is still open is known when its steps are back.
    decided_later = {gap.workflow_id for gap in lost}
    return [
        *(_unreadable(run) for run in runs if run.unreadable is not None),
        *other_products(products_of(runs), books.skus),
        *lost,
        *_missing_runs(running | decided_later, books.open_documents),
        *_runs_behind(runs, books),
    ]


def products_of(runs: Iterable[ReadRun]) -> set[tuple[int, str]]:
    """Every product that an answer has named: its id, and the SKU by which it was known then."""
    found: set[tuple[int, str]] = set()
    for run in runs:
        for each in run.steps:
            for line in _lines_of(each.answer):
                product_id, sku = getattr(line, "product_id", None), getattr(line, "sku", None)
                if isinstance(product_id, int) and isinstance(sku, str):
                    found.add((product_id, sku))
    return found


def _lines_of(answer: Any) -> Iterable[Any]:
    return getattr(answer, "lines", None) or getattr(answer, "line_items", None) or ()


def _unreadable(run: ReadRun) -> Gap:
    return Gap(
        GapKind.RUN_UNREADABLE,
        run.run.workflow_id,
        f"the history of run {run.run.run_id} can't be replayed: {run.unreadable}",
        run=run,
    )


def other_products(known: AbstractSet[tuple[int, str]], skus: AbstractSet[tuple[int, str]]) -> list[Gap]:
    """Products that have another number now: a file that is imported again may give them new ones."""
    ids: dict[str, set[int]] = {}
    for product_id, sku in skus:
        ids.setdefault(sku, set()).add(product_id)
    return [
        Gap(GapKind.OTHER_PRODUCT, "", f"runs know {sku} as product {product_id}, and the database by another number")
        for product_id, sku in sorted(known)
        if sku in ids and product_id not in ids[sku]
    ]


def _lost_steps(since: datetime, runs: Sequence[ReadRun], books: Books) -> list[Gap]:
    gaps: list[Gap] = []
    imports = _imports_to_repeat(runs, books)
    for run, each in done_since(runs, since):
        if each.activity in _OF_IMPORTS:
            if run.run.workflow_id not in imports:
                continue
        elif each.operation_id in books.stored:
            continue
        detail = f"{each.operation_id} was carried out at {each.done_at:%Y-%m-%d %H:%M:%S} UTC"
        gaps.append(Gap(GapKind.STEP_LOST, run.run.workflow_id, detail, run=run, step=each))
    return gaps


def _imports_to_repeat(runs: Sequence[ReadRun], books: Books) -> set[str]:
    """The workflows of imports whose file, or pages of it, the database has lost."""
    found: set[str] = set()
    for run in runs:
        if run.run.process is not import_file.PROCESS:
            continue
        applied = [each for each in run.steps if isinstance(each.step, ApplyImportStep)]
        if any(each.done_at is not None and each.operation_id not in books.stored for each in applied):
            found.add(run.run.workflow_id)
        elif run.run.is_open and not applied:
            pages = {each.step.page for each in run.steps if isinstance(each.step, StagePageStep) and each.done_at}
            import_id = run.run.workflow_id
            if len(pages) > (books.staged_pages or {}).get(import_id, 0):
                found.add(run.run.workflow_id)
    return found


def _missing_runs(running: AbstractSet[str], documents: Iterable[tuple[str, str]]) -> list[Gap]:
    gaps = []
    for kind, number in documents:
        process = DOCUMENTS[kind]
        workflow_id = process.id_of(number)
        if workflow_id not in running:
            detail = f"{process.name} {number} is open, and no run takes its commands"
            gaps.append(Gap(GapKind.RUN_MISSING, workflow_id, detail, document=(kind, number)))
    return gaps


def _runs_behind(runs: Sequence[ReadRun], books: Books) -> list[Gap]:
    """Open runs whose document has gone on without them."""
    known: dict[str, set[str]] = {}
    for run in runs:
        known.setdefault(run.run.workflow_id, set()).update(each.operation_id for each in run.steps)
    done: dict[str, list[str]] = {}
    for each in books.operations:
        # The way back of an order that was never held is noted by the step that finds nothing to release.
        if not each.operation_id.startswith(f"{each.workflow_id}/withdrawn/"):
            done.setdefault(each.workflow_id, []).append(each.operation_id)
    gaps = []
    for run in runs:
        if not run.run.is_open or run.run.process is import_file.PROCESS or run.unreadable or _begins_with_a_look(run):
            continue
        workflow_id = run.run.workflow_id
        unknown = [each for each in done.get(workflow_id, ()) if each not in known[workflow_id]]
        if unknown:
            more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
            detail = f"{unknown[0]}{more} was carried out, and its run doesn't know"
        elif workflow_id in books.gave_way and not _was_told(workflow_id, known[workflow_id]):
            detail = "a hold of it gave way to a correction, and its run doesn't know"
        else:
            continue
        gaps.append(Gap(GapKind.RUN_BEHIND, workflow_id, detail, run=run))
    return gaps


def _begins_with_a_look(run: ReadRun) -> bool:
    """Whether it was started after a restore, and no worker has taken it up yet."""
    identity: str = run.started.workflow_execution_started_event_attributes.identity
    return identity.startswith(STARTED_BY) and not run.is_taken_up


def _was_told(workflow_id: str, known: Collection[str]) -> bool:
    return any(each.startswith(f"{workflow_id}/give_way/") for each in known)
