"""A look at a file before its import: what would change, and every bad row. A question that changes nothing."""

from typing import Annotated, Protocol

from pydantic import AwareDatetime, BaseModel, Field
from temporalio import activity

from stockkeeper.contracts.import_file import PACKED_LENGTH, ImportKind, ImportProblem
from stockkeeper.contracts.messages import Message

CHANGES_SHOWN = 200
"""Changes that the answer for one page shows; all are counted."""

PROBLEMS_SHOWN = 1_000
"""Cells that can't be read, and rows that are bad otherwise, that the answer for a page names; all are counted."""


class PreviewPage(Message):
    """A page of a file, as ``add_page`` has it. Pages are looked at each by itself."""

    kind: ImportKind
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$", description="Digest of kind and content.")]
    columns: Annotated[list[Annotated[str, Field(max_length=100)]], Field(min_length=1, max_length=50)]
    rows: Annotated[str, Field(max_length=PACKED_LENGTH)]
    as_of: AwareDatetime = Field(description="The time of the caller: days after it are of the future.")


class FileChange(BaseModel):
    """What would become of one row or cell."""

    line: int
    what: str = Field(description="new, updated, opened (opening stock), adjusted, or skipped.")
    key: str = Field(description="What the row is about, as the file calls it.")
    column: str | None = None
    before: str | None = None
    after: str | None = None


class Previewed(BaseModel):
    """What rows would do."""

    rows: int
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    skipped: int = 0
    changes: list[FileChange] = Field(default_factory=list)
    changes_total: int = 0
    problems: list[ImportProblem] = Field(default_factory=list)
    problems_total: int = 0


class PreviewedPage(Previewed):
    """What a page would do."""

    unreadable_total: int = Field(default=0, description="Those of them that are cells which can't be read.")


class ImportPreviewActivities(Protocol):
    """A look at files. Implemented in `activities.import_preview`."""

    @activity.defn(name="preview_import")
    def preview_import(self, question: PreviewPage) -> PreviewedPage:
        """What a page of a file would change."""
        ...
