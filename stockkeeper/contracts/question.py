"""Questions: everything that the database can be asked, listed once, and the workflow that carries a question.

A client asks by a standalone activity of the question's name. Where the server has standalone activities switched off
(by default before Temporal 1.32), it starts a `QuestionWorkflow` with the same question, which ends with the answer.
Some entries are small changes that carry an operation id of their own; they travel the same two ways.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, Field

from stockkeeper.contracts.audit_findings import (
    AuditFindingActivities,
    DecideFindingStep,
    FindingShown,
    FindingsShown,
    ShowFindings,
)
from stockkeeper.contracts.buffer import BufferActivities, SetBufferStep
from stockkeeper.contracts.count_questions import (
    Accuracies,
    Accuracy,
    CountQuestionActivities,
    ShowAccuracy,
    ShowVariances,
    Variance,
    Variances,
)
from stockkeeper.contracts.documents import (
    DocumentActivities,
    DocumentListed,
    DocumentShown,
    DocumentsListed,
    ListDocuments,
    ShowDocument,
)
from stockkeeper.contracts.import_preview import ImportPreviewActivities, PreviewedPage, PreviewPage
from stockkeeper.contracts.ledger import (
    Course,
    ExportMovements,
    History,
    LedgerActivities,
    LevelsThen,
    LevelThen,
    Movement,
    MovementsPage,
    ShowCourse,
    ShowHistory,
    ShowStockAt,
)
from stockkeeper.contracts.messages import Message, Page
from stockkeeper.contracts.operation import FindOperation, OperationActivities, OperationFound
from stockkeeper.contracts.product import ProductActivities, ProductNames, RenameProductStep, ShowProduct
from stockkeeper.contracts.replenishment_plan import (
    ItemPlan,
    ItemPlans,
    ReplenishmentPlanActivities,
    SetPlanningStep,
    ShowPlans,
)
from stockkeeper.contracts.stock import (
    FindItems,
    FindTerms,
    FoundItems,
    FoundTerms,
    InTransit,
    InTransitPage,
    ShowInTransit,
    ShowLevels,
    StockActivities,
    StockLevel,
    StockLevels,
)

WORKFLOW_TYPE = "QuestionWorkflow"


def workflow_id(name: str) -> str:
    """The id of the run that answers one question; the name is unique to it."""
    return f"question-{name}"


class QuestionRequest(Message):
    """Start of a `QuestionWorkflow`: the question by its name, and its fields."""

    question: Annotated[str, Field(min_length=1, max_length=100, description="Name of the question.")]
    payload: dict[str, Any] = Field(description="The question's own fields.")


Q = TypeVar("Q", bound=BaseModel)
A = TypeVar("A", bound=BaseModel)
P = TypeVar("P", bound=Page)
R = TypeVar("R")


@dataclass(frozen=True)
class Question(Generic[Q, A]):
    """A question, the activity that answers it, and the models of both.

    Attributes:
        activity: The method of the activities' interface; its name is the question's name on the wire.
        model: The model of the question.
        answer: The model of the answer.
    """

    activity: Callable[[Any, Q], A]
    model: type[Q]
    answer: type[A]

    @property
    def name(self) -> str:
        """The question's name on the wire."""
        return self.activity.__name__


@dataclass(frozen=True)
class PagedQuestion(Question[Q, P], Generic[Q, P, R]):
    """A question whose answer comes page by page.

    Attributes:
        rows: The rows of a page.
        place: A row's place in the order of the rows.
        goes_on: The question's field for the place of the last row seen; ``before`` where the latest comes first.
    """

    rows: Callable[[P], Sequence[R]]
    place: Callable[[R], object]
    goes_on: str = "after"


FIND_ITEMS = Question(StockActivities.find_items, FindItems, FoundItems)
FIND_TERMS = Question(StockActivities.find_terms, FindTerms, FoundTerms)
SHOW_LEVELS = PagedQuestion[ShowLevels, StockLevels, StockLevel](
    StockActivities.show_levels,
    ShowLevels,
    StockLevels,
    rows=lambda page: page.levels,
    place=lambda level: (level.sku, level.warehouse),
)
SHOW_IN_TRANSIT = PagedQuestion[ShowInTransit, InTransitPage, InTransit](
    StockActivities.show_in_transit,
    ShowInTransit,
    InTransitPage,
    rows=lambda page: page.lines,
    place=lambda line: (line.sku, line.from_warehouse, line.to_warehouse),
)
SHOW_STOCK_AT = PagedQuestion[ShowStockAt, LevelsThen, LevelThen](
    LedgerActivities.show_stock_at,
    ShowStockAt,
    LevelsThen,
    rows=lambda page: page.levels,
    place=lambda level: (level.sku, level.warehouse),
)
SHOW_HISTORY = PagedQuestion[ShowHistory, History, Movement](
    LedgerActivities.show_history,
    ShowHistory,
    History,
    rows=lambda page: page.movements,
    place=lambda movement: (movement.created_at, movement.movement_id),
    goes_on="before",
)
SHOW_COURSE = Question(LedgerActivities.show_course, ShowCourse, Course)
EXPORT_MOVEMENTS = Question(LedgerActivities.export_movements, ExportMovements, MovementsPage)
SHOW_PLANS = PagedQuestion[ShowPlans, ItemPlans, ItemPlan](
    ReplenishmentPlanActivities.show_plans,
    ShowPlans,
    ItemPlans,
    rows=lambda page: page.plans,
    place=lambda plan: (plan.sku, plan.warehouse),
)
SET_PLANNING = Question(ReplenishmentPlanActivities.set_planning, SetPlanningStep, ItemPlan)
SET_BUFFER = Question(BufferActivities.set_buffer, SetBufferStep, StockLevel)
RENAME_PRODUCT = Question(ProductActivities.rename_product, RenameProductStep, ProductNames)
SHOW_PRODUCT = Question(ProductActivities.show_product, ShowProduct, ProductNames)
SHOW_VARIANCES = PagedQuestion[ShowVariances, Variances, Variance](
    CountQuestionActivities.show_variances,
    ShowVariances,
    Variances,
    rows=lambda page: page.variances,
    place=lambda variance: (variance.count_number, variance.sku),
)
SHOW_ACCURACY = PagedQuestion[ShowAccuracy, Accuracies, Accuracy](
    CountQuestionActivities.show_accuracy,
    ShowAccuracy,
    Accuracies,
    rows=lambda page: page.accuracies,
    place=lambda accuracy: (accuracy.warehouse, accuracy.month, accuracy.count_class),
)
SHOW_FINDINGS = PagedQuestion[ShowFindings, FindingsShown, FindingShown](
    AuditFindingActivities.show_findings,
    ShowFindings,
    FindingsShown,
    rows=lambda page: page.findings,
    place=lambda finding: finding.finding_id,
    goes_on="before",
)
LIST_DOCUMENTS = PagedQuestion[ListDocuments, DocumentsListed, DocumentListed](
    DocumentActivities.list_documents,
    ListDocuments,
    DocumentsListed,
    rows=lambda page: page.documents,
    place=lambda document: document.place,
    goes_on="before",
)
SHOW_DOCUMENT = Question(DocumentActivities.show_document, ShowDocument, DocumentShown)
FIND_OPERATION = Question(OperationActivities.find_operation, FindOperation, OperationFound)
PREVIEW_IMPORT = Question(ImportPreviewActivities.preview_import, PreviewPage, PreviewedPage)
DECIDE_FINDING = Question(AuditFindingActivities.decide_finding, DecideFindingStep, FindingShown)

_ALL: tuple[Question[Any, Any], ...] = (
    *(LIST_DOCUMENTS, SHOW_DOCUMENT, FIND_OPERATION, PREVIEW_IMPORT),
    *(FIND_ITEMS, FIND_TERMS, SHOW_LEVELS, SHOW_IN_TRANSIT),
    *(SHOW_PRODUCT, RENAME_PRODUCT, SET_BUFFER),
    *(SHOW_STOCK_AT, SHOW_HISTORY, SHOW_COURSE, EXPORT_MOVEMENTS),
    *(SHOW_PLANS, SET_PLANNING, SHOW_VARIANCES, SHOW_ACCURACY, SHOW_FINDINGS, DECIDE_FINDING),
)

QUESTIONS: Mapping[str, Question[Any, Any]] = {question.name: question for question in _ALL}
"""Every question by its name on the wire."""
