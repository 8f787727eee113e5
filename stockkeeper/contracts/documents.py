"""Questions about documents of any kind: the list of them, and the state of one, as the database has them.

The database keeps every document; Temporal keeps a run for a while, and may have several for one document. So these
answers depend on no run: not on one that was terminated, paused or continued, and not on one that is gone.
"""

from typing import Annotated, Any, Protocol

from pydantic import AfterValidator, AwareDatetime, BaseModel, Field, WithJsonSchema
from temporalio import activity

from stockkeeper.contracts.messages import MAX_LINES, Id, Message, Page, Reference, Timestamp
from stockkeeper.contracts.processes import DOCUMENTS
from stockkeeper.contracts.stock import Name

DOCUMENTS_AT_ONCE = 500
"""Documents on a page at most; a page of long ones ends earlier."""


def _document(kind: str) -> str:
    if kind not in DOCUMENTS:
        raise ValueError(f"must be one of {', '.join(DOCUMENTS)}")
    return kind


Kind = Annotated[
    str,
    AfterValidator(_document),
    WithJsonSchema({"type": "string", "enum": list(DOCUMENTS), "description": "Kind of the document."}),
]


AsOf = Annotated[
    AwareDatetime,
    Field(description="Instant whose deadlines count: from its own on, a hold is EXPIRED. Null: the worker's time."),
]


class ListDocuments(Message):
    """Documents of one kind, the latest first, page by page.

    A document whose start is still on its way isn't among them, nor one that was rejected for lack of stock.
    """

    kind: Kind
    status: Annotated[str, Field(min_length=1, max_length=40, description="Only in this status.")] | None = None
    product: Name | None = Field(default=None, description="Only with this product, by its SKU or id.")
    warehouse: Name | None = Field(
        default=None, description="Only of this warehouse, by its name or id; of transfers, source or destination."
    )
    numbers: Annotated[list[Reference], Field(max_length=MAX_LINES)] | None = Field(
        default=None, description="Only those of these numbers that there are."
    )
    limit: Annotated[int, Field(gt=0, le=DOCUMENTS_AT_ONCE, description="Documents on this page at most.")] = 100
    before: Id | None = Field(default=None, description="Place of the last document seen.")
    as_of: AsOf | None = None


class DocumentListed(BaseModel):
    """One document in a list."""

    place: int = Field(description="Its place in the order in which documents of its kind were stored.")
    number: str
    status: str
    skus: list[str] = Field(description="Its products in the order of its lines; of a long document the first.")
    warehouses: list[str] = Field(description="The names of its warehouses.")
    created_at: Timestamp
    deadline: Timestamp | None = Field(description="Next instant at which it ends, lapses or is overdue.")
    memo: dict[str, Any] = Field(description="The fields that only its kind has: those of its workflow's memo.")
    workflow_id: str
    run_id: str = Field(description="The run that stored it; later ones may have followed. Empty: it has none yet.")


class DocumentsListed(Page):
    """Documents of one page."""

    documents: list[DocumentListed]


LISTS_AT_ONCE = 20


class ListTogether(Message):
    """Several lists at once, as an inbox has them: a question costs more than what a short list does."""

    lists: Annotated[list[ListDocuments], Field(min_length=1, max_length=LISTS_AT_ONCE)]


class ListedTogether(BaseModel):
    """The first page of each list."""

    pages: list[DocumentsListed | None] = Field(
        description="In the order of the lists. Null: the pages before it have filled the answer; ask for it alone."
    )


class ShowDocument(Message):
    """The state of one document."""

    kind: Kind
    number: Reference
    as_of: AsOf | None = None


class DocumentShown(BaseModel):
    """One document: its workflow's state, as the database has it."""

    state: dict[str, Any] | None = Field(
        description="The state of its workflow, without notes and notices, which only a run has. Null: nothing is "
        "stored by that number."
    )
    alike: str | None = Field(
        default=None,
        description="If nothing is stored by that number: a stored one that differs by upper and lower case alone.",
    )


class DocumentActivities(Protocol):
    """Questions about documents. Implemented in `activities.documents`."""

    @activity.defn(name="list_documents")
    def list_documents(self, question: ListDocuments) -> DocumentsListed:
        """Documents of one kind."""
        ...

    @activity.defn(name="list_together")
    def list_together(self, question: ListTogether) -> ListedTogether:
        """The first page of several lists."""
        ...

    @activity.defn(name="show_document")
    def show_document(self, question: ShowDocument) -> DocumentShown:
        """The state of one document."""
        ...
