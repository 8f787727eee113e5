"""Questions: everything that the database can be asked, listed once, and the workflow that carries a question.

A client asks by a standalone activity of the question's name. Where the server has standalone activities switched off
(by default before Temporal 1.32), it starts a `QuestionWorkflow` with the same question, which ends with the answer.
Some entries are small changes that carry an operation id of their own; they travel the same two ways.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, Field

from stockkeeper.contracts import (
    audit_findings,
    barcode,
    buffer,
    count_questions,
    documents,
    event,
    event_subscriber,
    homes,
    import_preview,
    item_reasons,
    ledger,
    lot_questions,
    lot_trace,
    operation,
    order_promising,
    plan_questions,
    product,
    replenishment_plan,
    stock,
    supply,
    waiting,
)
from stockkeeper.contracts.messages import Message, Page
from stockkeeper.contracts.policies import READ, READ_EVENTS, events_queue

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


def _on_every_worker(task_queue: str) -> str:
    return task_queue


@dataclass(frozen=True)
class Question(Generic[Q, A]):
    """A question, the activity that answers it, and the models of both.

    Attributes:
        activity: The method of the activities' interface; its name is the question's name on the wire.
        model: The model of the question.
        answer: The model of the answer.
        policy: Its timeouts and attempts.
        queue: The task queue on which it is asked, by the one on which everything is started.
    """

    activity: Callable[[Any, Q], A] | Callable[[Any, Q], Awaitable[A]]
    model: type[Q]
    answer: type[A]
    policy: Mapping[str, Any] = field(default_factory=lambda: READ, kw_only=True)
    queue: Callable[[str], str] = field(default=_on_every_worker, kw_only=True)

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


FIND_ITEMS = Question(stock.StockActivities.find_items, stock.FindItems, stock.FoundItems)
FIND_TERMS = Question(stock.StockActivities.find_terms, stock.FindTerms, stock.FoundTerms)
SHOW_LEVELS = PagedQuestion[stock.ShowLevels, stock.StockLevels, stock.StockLevel](
    stock.StockActivities.show_levels,
    stock.ShowLevels,
    stock.StockLevels,
    rows=lambda page: page.levels,
    place=lambda level: (level.sku, level.warehouse),
)
SHOW_LOTS = PagedQuestion[lot_questions.ShowLots, lot_questions.LotsShown, lot_questions.LotShown](
    lot_questions.LotQuestionActivities.show_lots,
    lot_questions.ShowLots,
    lot_questions.LotsShown,
    rows=lambda page: page.lots,
    place=lambda lot: lot.place,
)
SHOW_EXPIRING_LOTS = PagedQuestion[lot_questions.ShowExpiringLots, lot_questions.LotsShown, lot_questions.LotShown](
    lot_questions.LotQuestionActivities.show_expiring_lots,
    lot_questions.ShowExpiringLots,
    lot_questions.LotsShown,
    rows=lambda page: page.lots,
    place=lambda lot: lot.place_by_day,
)
SHOW_LOT_HOLDS = PagedQuestion[lot_questions.ShowLotHolds, lot_questions.LotHolds, lot_questions.LotHold](
    lot_questions.LotQuestionActivities.show_lot_holds,
    lot_questions.ShowLotHolds,
    lot_questions.LotHolds,
    rows=lambda page: page.holds,
    place=lambda hold: (hold.warehouse, hold.reservation_id),
)
SHOW_IN_TRANSIT = PagedQuestion[stock.ShowInTransit, stock.InTransitPage, stock.InTransit](
    stock.StockActivities.show_in_transit,
    stock.ShowInTransit,
    stock.InTransitPage,
    rows=lambda page: page.lines,
    place=lambda line: (line.sku, line.from_warehouse, line.to_warehouse),
)
SHOW_WAITING = PagedQuestion[waiting.ShowWaiting, waiting.WaitingPage, waiting.WaitingShown](
    waiting.WaitingActivities.show_waiting,
    waiting.ShowWaiting,
    waiting.WaitingPage,
    rows=lambda page: page.lines,
    place=lambda line: line.wait_id,
)
SHOW_ARRIVALS = PagedQuestion[item_reasons.ShowArrivals, item_reasons.ArrivalsPage, item_reasons.ItemArrival](
    item_reasons.ItemReasonActivities.show_arrivals,
    item_reasons.ShowArrivals,
    item_reasons.ArrivalsPage,
    rows=lambda page: page.arrivals,
    place=lambda arrival: (arrival.product_id, arrival.warehouse_id, arrival.document),
)
SHOW_ITEM_HOLDS = PagedQuestion[item_reasons.ShowItemHolds, item_reasons.ItemHolds, item_reasons.ItemHold](
    item_reasons.ItemReasonActivities.show_item_holds,
    item_reasons.ShowItemHolds,
    item_reasons.ItemHolds,
    rows=lambda page: page.holds,
    place=lambda hold: hold.reservation_id,
)
SHOW_SET_ASIDE = PagedQuestion[item_reasons.ShowSetAside, item_reasons.SetAsidePage, item_reasons.SetAsideShown](
    item_reasons.ItemReasonActivities.show_set_aside,
    item_reasons.ShowSetAside,
    item_reasons.SetAsidePage,
    rows=lambda page: page.lines,
    place=lambda line: (line.inspection_id, line.line_number),
)
PROMISE = Question(
    order_promising.OrderPromisingActivities.promise, order_promising.AskPromise, order_promising.DeliveryPromise
)
SHOW_STOCK_AT = PagedQuestion[ledger.ShowStockAt, ledger.LevelsThen, ledger.LevelThen](
    ledger.LedgerActivities.show_stock_at,
    ledger.ShowStockAt,
    ledger.LevelsThen,
    rows=lambda page: page.levels,
    place=lambda level: (level.sku, level.warehouse),
)
SHOW_LOTS_AT = PagedQuestion[ledger.ShowLotsAt, ledger.LotsThen, ledger.LotThen](
    ledger.LedgerActivities.show_lots_at,
    ledger.ShowLotsAt,
    ledger.LotsThen,
    rows=lambda page: page.lots,
    place=lambda lot: (lot.sku, lot.warehouse, lot.lot_number or ""),
)
SHOW_HISTORY = PagedQuestion[ledger.ShowHistory, ledger.History, ledger.Movement](
    ledger.LedgerActivities.show_history,
    ledger.ShowHistory,
    ledger.History,
    rows=lambda page: page.movements,
    place=lambda movement: (movement.created_at, movement.movement_id),
    goes_on="before",
)
SHOW_COURSE = Question(ledger.LedgerActivities.show_course, ledger.ShowCourse, ledger.Course)
EXPORT_MOVEMENTS = Question(ledger.LedgerActivities.export_movements, ledger.ExportMovements, ledger.MovementsPage)
EXPORT_SUPPLY = Question(supply.SupplyActivities.export_supply, supply.ExportSupply, supply.SupplyPage)
SHOW_PLANS = PagedQuestion[replenishment_plan.ShowPlans, replenishment_plan.ItemPlans, replenishment_plan.ItemPlan](
    replenishment_plan.ReplenishmentPlanActivities.show_plans,
    replenishment_plan.ShowPlans,
    replenishment_plan.ItemPlans,
    rows=lambda page: page.plans,
    place=lambda plan: (plan.sku, plan.warehouse),
)
EXPLAIN_PLAN = Question(
    plan_questions.PlanQuestionActivities.explain_plan, plan_questions.ExplainPlan, plan_questions.PlanExplained
)
SHOW_PLAN_ACCURACY = Question(
    plan_questions.PlanQuestionActivities.show_plan_accuracy,
    plan_questions.ShowPlanAccuracy,
    plan_questions.PlanAccuracies,
)
SET_PLANNING = Question(
    replenishment_plan.ReplenishmentPlanActivities.set_planning,
    replenishment_plan.SetPlanningStep,
    replenishment_plan.ItemPlan,
)
SET_BUFFER = Question(buffer.BufferActivities.set_buffer, buffer.SetBufferStep, stock.StockLevel)
RENAME_PRODUCT = Question(product.ProductActivities.rename_product, product.RenameProductStep, product.ProductNames)
SHOW_PRODUCT = Question(product.ProductActivities.show_product, product.ShowProduct, product.ProductNames)
SEARCH_PRODUCTS = Question(product.ProductActivities.search_products, product.SearchProducts, product.ProductsFound)
READ_SCAN = Question(barcode.BarcodeActivities.read_scan, barcode.ReadScan, barcode.ScanAnswer)
EXPORT_BARCODES = Question(barcode.BarcodeActivities.export_barcodes, barcode.ExportBarcodes, barcode.BarcodesPage)
FORGET_BARCODE = Question(barcode.BarcodeActivities.forget_barcode, barcode.ForgetBarcodeStep, barcode.ForgottenBarcode)
SHOW_VARIANCES = PagedQuestion[count_questions.ShowVariances, count_questions.Variances, count_questions.Variance](
    count_questions.CountQuestionActivities.show_variances,
    count_questions.ShowVariances,
    count_questions.Variances,
    rows=lambda page: page.variances,
    place=lambda variance: (variance.count_number, variance.sku, variance.lot_number or ""),
    goes_on="after_line",
)
SHOW_ACCURACY = PagedQuestion[count_questions.ShowAccuracy, count_questions.Accuracies, count_questions.Accuracy](
    count_questions.CountQuestionActivities.show_accuracy,
    count_questions.ShowAccuracy,
    count_questions.Accuracies,
    rows=lambda page: page.accuracies,
    place=lambda accuracy: (accuracy.warehouse, accuracy.month, accuracy.count_class),
)
SHOW_FINDINGS = PagedQuestion[audit_findings.ShowFindings, audit_findings.FindingsShown, audit_findings.FindingShown](
    audit_findings.AuditFindingActivities.show_findings,
    audit_findings.ShowFindings,
    audit_findings.FindingsShown,
    rows=lambda page: page.findings,
    place=lambda finding: finding.finding_id,
    goes_on="before",
)
LIST_DOCUMENTS = PagedQuestion[documents.ListDocuments, documents.DocumentsListed, documents.DocumentListed](
    documents.DocumentActivities.list_documents,
    documents.ListDocuments,
    documents.DocumentsListed,
    rows=lambda page: page.documents,
    place=lambda document: document.place,
    goes_on="before",
)
LIST_TOGETHER = Question(documents.DocumentActivities.list_together, documents.ListTogether, documents.ListedTogether)
SHOW_HOMES = PagedQuestion[homes.ShowHomes, homes.HomesPage, homes.HomeShown](
    homes.HomeActivities.show_homes,
    homes.ShowHomes,
    homes.HomesPage,
    rows=lambda page: page.homes,
    place=lambda home: home.warehouse_id,
)
TRACE_LOT = PagedQuestion[lot_trace.TraceLot, lot_trace.TracePage, lot_trace.TracedMovement](
    lot_trace.LotTraceActivities.trace_lot,
    lot_trace.TraceLot,
    lot_trace.TracePage,
    rows=lambda page: page.movements,
    place=lambda movement: movement.place,
)
SHOW_DOCUMENT = Question(documents.DocumentActivities.show_document, documents.ShowDocument, documents.DocumentShown)
FIND_OPERATION = Question(
    operation.OperationActivities.find_operation, operation.FindOperation, operation.OperationFound
)
READ_EVENTS_AFTER = Question(
    event.EventActivities.read_events, event.ReadEvents, event.EventsPage, policy=READ_EVENTS, queue=events_queue
)
SHOW_WEBHOOK_SECRET = Question(
    event_subscriber.WebhookSecretActivities.show_webhook_secret,
    event_subscriber.ShowWebhookSecret,
    event_subscriber.WebhookSecretSealed,
)
PREVIEW_IMPORT = Question(
    import_preview.ImportPreviewActivities.preview_import, import_preview.PreviewPage, import_preview.PreviewedPage
)
DECIDE_FINDING = Question(
    audit_findings.AuditFindingActivities.decide_finding, audit_findings.DecideFindingStep, audit_findings.FindingShown
)

_ALL: tuple[Question[Any, Any], ...] = (
    *(
        LIST_DOCUMENTS,
        LIST_TOGETHER,
        SHOW_DOCUMENT,
        FIND_OPERATION,
        PREVIEW_IMPORT,
        READ_EVENTS_AFTER,
        SHOW_WEBHOOK_SECRET,
    ),
    *(FIND_ITEMS, FIND_TERMS, SHOW_LEVELS, SHOW_IN_TRANSIT, SHOW_WAITING, PROMISE),
    *(SHOW_ARRIVALS, SHOW_ITEM_HOLDS, SHOW_SET_ASIDE),
    *(SHOW_LOTS, SHOW_EXPIRING_LOTS, SHOW_LOT_HOLDS, SHOW_LOTS_AT, TRACE_LOT),
    *(
        SHOW_HOMES,
        SHOW_PRODUCT,
        SEARCH_PRODUCTS,
        RENAME_PRODUCT,
        SET_BUFFER,
        READ_SCAN,
        EXPORT_BARCODES,
        FORGET_BARCODE,
    ),
    *(SHOW_STOCK_AT, SHOW_HISTORY, SHOW_COURSE, EXPORT_MOVEMENTS, EXPORT_SUPPLY),
    *(EXPLAIN_PLAN, SHOW_PLAN_ACCURACY),
    *(SHOW_PLANS, SET_PLANNING, SHOW_VARIANCES, SHOW_ACCURACY, SHOW_FINDINGS, DECIDE_FINDING),
)

QUESTIONS: Mapping[str, Question[Any, Any]] = {question.name: question for question in _ALL}
"""Every question by its name on the wire."""
