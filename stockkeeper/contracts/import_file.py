"""The import of a file on the wire: start, pages, state, and the steps of its workflow in the database."""

import base64
import gzip
import zlib
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Annotated, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import to_json
from temporalio import activity

from stockkeeper.contracts.messages import Actor, Message, Notes, Reference, Start, State, Step
from stockkeeper.contracts.process import Command, ProcessSpec
from stockkeeper.domain import permission
from stockkeeper.domain.errors import InvalidRequest
from stockkeeper.domain.import_file import IMPORT
from stockkeeper.domain.import_file import ImportKind as ImportKind  # noqa: PLC0414 - part of the contract
from stockkeeper.domain.import_file import ImportStatus as ImportStatus  # noqa: PLC0414 - part of the contract
from stockkeeper.domain.stock import MovementType

WORKFLOW_TYPE = "ImportWorkflow"

ABANDONED_AFTER = timedelta(hours=1)
"""Time without a page or a finish after which an import ends: its sender has gone."""

MAX_PAGES = 10_000
MAX_PAGE_ROWS = 20_000
MAX_PAGE_BYTES = 512 * 1024
"""Bytes of a page's JSON before compression. Temporal takes 2 MiB, so a page fits even uncompressed."""

SKIPPED_NAMED = 100
"""Skipped rows that a state names; all are counted."""

PACKED_LENGTH = MAX_PAGE_BYTES * 3 // 2
"""Letters at most of a page, packed."""
_PAGE: TypeAdapter[list[tuple[int, list[str]]]] = TypeAdapter(
    Annotated[list[tuple[int, list[str]]], Field(min_length=1, max_length=MAX_PAGE_ROWS)],
    config=ConfigDict(strict=True),
)
_GZIP = 16 + zlib.MAX_WBITS


def workflow_id(kind: ImportKind, digest: str) -> str:
    """Id of the only workflow that imports this file."""
    return f"import-{kind}-{digest}"


class ImportRequest(Start):
    """Start of an `ImportWorkflow`: a file of this kind, with these columns, is about to come."""

    kind: ImportKind
    file_name: Reference
    digest: Annotated[
        str, Field(pattern=r"^[0-9a-f]{16}$", description="Digest of kind and content: the same file has the same one.")
    ]
    columns: Annotated[list[Annotated[str, Field(max_length=100)]], Field(min_length=1, max_length=50)]
    performed_by: Actor

    @property
    def summary(self) -> str:
        """The line that an operator reads beside its run."""
        return f"{self.kind.replace('_', ' ')} from {self.file_name}"


class AddPage(Message):
    """Command ``add_page``: a part of the rows. Sent twice, it counts once."""

    performed_by: Actor
    page: Annotated[int, Field(ge=0, lt=MAX_PAGES, description="Counted from 0.")]
    rows: Annotated[
        str,
        Field(
            max_length=PACKED_LENGTH,
            description="A JSON list of [line, [cell, ...]], the cells as text in the order of the columns; "
            "gzip, then Base64.",
        ),
    ]


ADD_PAGE = Command("add_page", AddPage)


class Finish(Message):
    """Command ``finish``: all pages were sent; apply the file, whole or not at all."""

    performed_by: Actor
    pages: Annotated[int, Field(gt=0, le=MAX_PAGES)]
    rows: Annotated[int, Field(gt=0, le=MAX_PAGES * MAX_PAGE_ROWS)]


FINISH = Command("finish", Finish)


class ImportProblem(State):
    """The fault of one row. Lines count from 1, the header's."""

    line: int
    column: str | None
    message: str


class ImportAdjustment(State):
    """An adjustment that a stock file has begun, because items had other units than the file says."""

    adjustment_number: str
    warehouse_id: int
    lines: int


def _is_empty(value: object) -> bool:
    """Whether a field says nothing: a file of another kind than stock has the same state as ever."""
    return not value


class ImportState(State):
    """State of an import: the answer to every command, to the query ``state``, and the workflow's result."""

    kind: str = ""
    file_name: str = ""
    status: ImportStatus = ImportStatus.LOADING
    rows: int = Field(default=0, description="Rows received.")
    pages: int = Field(default=0, description="Pages received.")
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    already_imported: bool = Field(
        default=False,
        description="Whether the same file was the last of its kind to be imported; then nothing has changed.",
    )
    errors: list[ImportProblem] = Field(default_factory=list, description="The first ten bad rows of a refused file.")
    errors_total: int = 0
    adjustments: list[ImportAdjustment] = Field(
        default_factory=list,
        exclude_if=_is_empty,
        description="Adjustments by the differences of a stock file; each is posted or waits for approval by itself.",
    )
    skipped: list[ImportProblem] = Field(
        default_factory=list,
        exclude_if=_is_empty,
        description="The first rows that were skipped, because the item changed since its export.",
    )
    skipped_total: int = Field(default=0, exclude_if=_is_empty)
    notes: Notes = Field(default_factory=list)


class ImportStep(Step):
    """A step of an import."""

    import_id: str


class OpenImportStep(ImportStep):
    """Find out whether this file was the last of its kind, and delete the pages of an earlier attempt."""

    apply_operation_id: str


class StagePageStep(ImportStep):
    """Store a page until the file is whole."""

    kind: ImportKind
    columns: list[str]
    page: int
    rows: str


class ApplyImportStep(ImportStep):
    """Check all rows against the database, and write all of them or none."""

    # The id stands for kind and content. Who sent the file, under which name and in how many pages, is no difference.
    not_compared: ClassVar[frozenset[str]] = Step.not_compared | {"performed_by", "pages"}

    kind: ImportKind
    columns: list[str]
    pages: int
    rows: int


class DiscardImportStep(ImportStep):
    """Delete the pages of a file that won't be applied."""


class WantedAdjustment(BaseModel):
    """An adjustment that a stock file asks for: product and units of each line, positive in and negative out.

    Attributes:
        lots: The lot of each line, and the day on which it expires, if the file says it; empty: no line has one.
    """

    adjustment_number: str
    warehouse_id: int
    lines: list[tuple[int, int]]
    lots: list[tuple[str, date | None] | None] = Field(default_factory=list)


class Applied(BaseModel):
    """Rows that an applied file has changed; of a stock file also what has yet to be adjusted, and what was skipped."""

    rows: int
    inserted: int
    updated: int
    unchanged: int
    adjustments: list[WantedAdjustment] = Field(default_factory=list)
    skipped: list[ImportProblem] = Field(default_factory=list)
    skipped_total: int = 0


class Opened(BaseModel):
    """Result of an earlier import of the file; null: there was none, or another file of its kind came after it."""

    applied: Applied | None
    applications: int = Field(default=0, description="Number of times that the file was applied.")


class Staged(BaseModel):
    """Pages and rows stored of a file so far."""

    pages: int
    rows: int


class Discarded(BaseModel):
    """Number of deleted pages."""

    pages: int


def pack_rows(encoded_rows: Sequence[bytes]) -> str:
    """Rows, each as `encode_row` made it, as a page carries them."""
    # Without a time in it, so that the same rows are the same page.
    return base64.b64encode(gzip.compress(b"[" + b",".join(encoded_rows) + b"]", mtime=0)).decode()


def encode_row(line: int, cells: Sequence[str]) -> bytes:
    """A row as JSON: its line and its cells."""
    return to_json([line, cells])


def unpack_rows(packed: str) -> list[tuple[int, list[str]]]:
    """The rows of a page: for each its line and its cells.

    Raises:
        InvalidRequest: It isn't a page, or too large a one; no more than the limit is ever unpacked.
    """
    try:
        unpacker = zlib.decompressobj(_GZIP)
        content = unpacker.decompress(base64.b64decode(packed, validate=True), MAX_PAGE_BYTES + 1)
        whole = unpacker.eof and not unpacker.unused_data and len(content) <= MAX_PAGE_BYTES
    except (ValueError, zlib.error):
        raise InvalidRequest("rows: must be gzip in Base64") from None
    if not whole:
        raise InvalidRequest(f"rows: must be one whole gzip of at most {MAX_PAGE_BYTES} bytes")
    try:
        return _PAGE.validate_json(content)
    except ValidationError:
        raise InvalidRequest(
            f"rows: must be a JSON list of 1 to {MAX_PAGE_ROWS} rows, each [line, [cell, ...]] with cells as text"
        ) from None


class ImportActivities(Protocol):
    """Activities of an import's workflow. Implemented in `activities.import_file`."""

    @activity.defn(name="open_import")
    def open_import(self, step: OpenImportStep) -> Opened:
        """Find out whether the file was imported before."""
        ...

    @activity.defn(name="stage_page")
    def stage_page(self, step: StagePageStep) -> Staged:
        """Store a page."""
        ...

    @activity.defn(name="apply_import")
    def apply_import(self, step: ApplyImportStep) -> Applied:
        """Write all rows or none."""
        ...

    @activity.defn(name="discard_import")
    def discard_import(self, step: DiscardImportStep) -> Discarded:
        """Delete the pages."""
        ...


PROCESS = ProcessSpec(
    name="import",
    workflow_type=WORKFLOW_TYPE,
    start=ImportRequest,
    state=ImportState,
    activities=ImportActivities,
    commands=(ADD_PAGE, FINISH),
    needs={
        permission.START: permission.ADMINISTER,
        ADD_PAGE.name: permission.ADMINISTER,
        FINISH.name: permission.ADMINISTER,
    },
    workflow_id="import-{kind}-{digest}",
    answer="opened",
    table=IMPORT,
    movement_types=frozenset({MovementType.ADJUSTMENT}),
)
