"""The words of refusals: every document, status and command, and every step that comes back with other contents."""

import itertools

import pytest

from stockkeeper.contracts.messages import Step
from stockkeeper.contracts.process import ProcessSpec
from stockkeeper.contracts.processes import PROCESSES
from stockkeeper.domain.conflicts import STARTS, already_exists, done_differently, of_operation
from stockkeeper.domain.errors import InvalidState
from stockkeeper.domain.stock_audit import FINDING
from stockkeeper.domain.transitions import titled
from tests.support.refusals import REFUSALS

COMMANDED = [process for process in PROCESSES if process.table is not None]
TABLES = {process.table.document: process.table for process in COMMANDED if process.table} | {"finding": FINDING}
SAID = [(document, *pair, sentence) for document, said in REFUSALS.items() for pair, sentence in said.items()]


@pytest.mark.parametrize(("document", "status", "command", "sentence"), SAID)
def test_a_refusal_is_a_sentence(document: str, status: str, command: str, sentence: str) -> None:
    refused = TABLES[document].refusal(status, command, of="X-7")
    assert refused.message == f"{document} X-7 {sentence}"
    assert refused.details == {"status": status, "command": command}
    part = TABLES[document].refusal(status, command, of="X-7", part="product 10")
    assert part.message == f"product 10 of {document} X-7 {sentence}"


def test_every_status_and_command_has_its_sentence() -> None:
    pairs = {
        document: {
            (str(status), str(command))
            for status, command in itertools.product(table.words.statuses, table.words.commands)
            if not table.allows(status, command)
        }
        for document, table in TABLES.items()
    }
    assert pairs == {document: set(said) for document, said in REFUSALS.items()}


@pytest.mark.parametrize("process", COMMANDED, ids=lambda process: process.kind)
def test_every_command_of_a_process_has_its_words(process: ProcessSpec) -> None:
    assert process.table is not None
    assert {command.name for command in process.commands} <= set(map(str, process.table.words.commands))
    assert process.refusal("", process.commands[-1].name, "X-7").message.startswith(f"{process.table.document} X-7 can")


def test_a_status_that_allows_the_command_is_not_the_hindrance() -> None:
    """The client asks the state of a run that doesn't answer; one that was terminated is still IN_TRANSIT there."""
    assert TABLES["transfer"].refusal("IN_TRANSIT", "receive", of="T-7").message == (
        "transfer T-7 has been dispatched, but its workflow has been stopped; start it again with the same contents"
    )


NAMES = {
    "purchase order": {"PO-7": "PO-7", "po-7": "po-7", "4711": "purchase order 4711"},
    "transfer": {"T-7": "transfer T-7", "PO-7": "transfer PO-7", "": "transfer"},
}


@pytest.mark.parametrize(
    ("document", "number", "name"),
    [(document, *named) for document, names in NAMES.items() for named in names.items()],
)
def test_a_document_is_named(document: str, number: str, name: str) -> None:
    assert titled(document, number) == name
    assert already_exists(document, number).message == f"{name} already exists with other contents"


def test_the_words_of_the_issue() -> None:
    with pytest.raises(InvalidState, match=r"^transfer T-7 has been received and can't be cancelled$"):
        raise TABLES["transfer"].refusal("RECEIVED", "cancel", of="T-7")
    with pytest.raises(InvalidState, match=r"^PO-7 isn't approved yet$"):
        raise TABLES["purchase order"].refusal("DRAFT", "receive", of="PO-7")


def _steps(activities: type) -> list[str]:
    """The activities of an interface that are operations."""
    return [
        name
        for name, member in vars(activities).items()
        if (asked := getattr(member, "__annotations__", {}).get("step")) and issubclass(asked, Step)
    ]


@pytest.mark.parametrize("process", PROCESSES, ids=lambda process: process.kind)
def test_every_step_of_every_process_has_its_words(process: ProcessSpec) -> None:
    if process.table is not None and process.table.document != "file":
        last_deadlines = {"lapse", "expire"} & set(map(str, process.table.words.commands))
        for step in {command.name for command in process.commands} | last_deadlines:
            assert (
                f" of {process.table.document} X-7 was "
                in done_differently(step, "a", process.table.document, "X-7").message
            )
    else:
        for kind in _steps(process.activities):
            assert "run/a/3" not in of_operation("run/a/3", kind).message, kind


@pytest.mark.parametrize("step", sorted(STARTS))
def test_a_start_that_comes_back_with_other_contents_names_the_document(step: str) -> None:
    assert of_operation(f"transfer-T-7/{step}", "any").message == "transfer T-7 already exists with other contents"


@pytest.mark.parametrize(
    ("operation_id", "kind", "message"),
    [
        (
            "purchase-order-PO-7/receive/LS-4711",
            "receive_purchase_order",
            "delivery LS-4711 of PO-7 was booked with other quantities; another delivery needs another number",
        ),
        (
            "transfer-T%2F7/receive/a%2Fb%25",
            "receive_transfer",
            "delivery a/b% of transfer T/7 was booked with other quantities; another delivery needs another number",
        ),
        (
            "return-R-7/inspect/box-1",
            "inspect_return",
            "inspection box-1 of return R-7 was booked with other quantities; another inspection needs another number",
        ),
        (
            "reservation-7/fulfill/box-1",
            "fulfill_reservation",
            "shipment box-1 of reservation 7 was booked with other quantities; another shipment needs another number",
        ),
        (
            "reservation-1042/expire",
            "release_reservation",
            "the deadline of reservation 1042 was recorded with other contents",
        ),
        (
            "adjustment-A-7/approve/u-1",
            "post_adjustment",
            "approval u-1 of adjustment A-7 was recorded with other contents; another approval needs another id",
        ),
        ("purchase-order-PO-7/draft", "draft_purchase_order", "PO-7 already exists with other contents"),
        ("reservation-1042/reserve", "reserve_stock", "reservation 1042 already exists with other contents"),
        ("transfer-T-7/hold", "hold_transfer", "transfer T-7 already exists with other contents"),
        ("return-R-7/register", "register_return", "return R-7 already exists with other contents"),
        ("adjustment-A-7/submit", "submit_adjustment", "adjustment A-7 already exists with other contents"),
        ("cycle-count-C-7/open", "open_count", "count C-7 already exists with other contents"),
        (
            "import-stock-ab12/page/3",
            "stage_page",
            "page 3 of this file was sent with other rows before; send the whole file again",
        ),
        (
            "reorder-hourly-1/run/draft/1/2/3/0",
            "draft_reorder",
            "this run has drafted other contents for this supplier and warehouse before",
        ),
        ("somebody/elses", "count_stars", "count stars was carried out with other contents before (somebody/elses)"),
        ("return-R-7/burn", "burn_return", "burn return was carried out with other contents before (return-R-7/burn)"),
    ],
)
def test_a_repeat_with_other_contents_is_named(operation_id: str, kind: str, message: str) -> None:
    assert of_operation(operation_id, kind).message == message
