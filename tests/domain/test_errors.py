"""The errors and their way over the wire and back."""

import json

import pytest
from temporalio.api.failure.v1 import Failure
from temporalio.converter import DataConverter
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from stockkeeper.contracts.converter import DATA_CONVERTER, as_application_error, as_domain_error
from stockkeeper.domain.errors import (
    DomainError,
    EventsForgotten,
    InsufficientStock,
    InvalidRequest,
    InvalidState,
    NotPermitted,
    OperationConflict,
    Shortage,
    StockkeeperError,
    UnknownProduct,
    UnknownSupplier,
    UnknownWarehouse,
    Unreachable,
    WarehouseElsewhere,
    WarehouseMoving,
)

SHORT = [Shortage(7, 1, 5, 2), Shortage(8, 1, 1, 0)]
ERRORS: list[tuple[DomainError, str, object]] = [
    (InvalidRequest("quantity: must be more than 0"), "quantity: must be more than 0", {}),
    (UnknownProduct.of([9, 7, 9]), "no product with id 7, 9", {"product_ids": [7, 9]}),
    (UnknownWarehouse.of([3]), "no warehouse with id 3", {"warehouse_ids": [3]}),
    (UnknownSupplier.of([4]), "no supplier with id 4", {"supplier_ids": [4]}),
    (
        InsufficientStock.of(SHORT),
        "product 7 in warehouse 1: requested 5, available 2; product 8 in warehouse 1: requested 1, available 0",
        [
            {"product_id": 7, "warehouse_id": 1, "requested": 5, "available": 2},
            {"product_id": 8, "warehouse_id": 1, "requested": 1, "available": 0},
        ],
    ),
    (
        InvalidState("reservation 1042 has expired and can't be cancelled", "EXPIRED", "cancel"),
        "reservation 1042 has expired and can't be cancelled",
        {"status": "EXPIRED", "command": "cancel"},
    ),
    (
        WarehouseElsewhere.of(7, "south"),
        "warehouse 7 is kept in the database of task queue south: send this there",
        {"warehouse_id": 7, "task_queue": "south"},
    ),
    (
        WarehouseMoving.of(7),
        (
            "warehouse 7 is about to move to another database: until it has, no order takes stock of it and of another "
            "warehouse, and no transfer begins; try again later, or order from one warehouse"
        ),
        {"warehouse_id": 7},
    ),
    (
        EventsForgotten.after(4, first_number=7, last_number=9),
        (
            "events after number 4 aren't all kept any more, but from 7 on: take the present end as the cursor, read "
            "everything anew, and follow from there"
        ),
        {"first_number": 7, "last_number": 9},
    ),
    (NotPermitted("ann asked for it herself"), "ann asked for it herself", {}),
    (OperationConflict("done already, differently"), "done already, differently", {}),
]


@pytest.mark.parametrize(("error", "message", "details"), ERRORS, ids=lambda each: getattr(each, "code", ""))
def test_an_error_comes_back_as_it_went(error: DomainError, message: str, details: object) -> None:
    assert (error.message, error.details) == (message, details)
    again = type(error).from_details(error.message, json.loads(json.dumps(error.details)))
    assert (type(again), again.message, again.details) == (type(error), message, details)


@pytest.mark.parametrize(("error", "message", "details"), ERRORS, ids=lambda each: getattr(each, "code", ""))
def test_an_error_crosses_temporal_under_its_name(error: DomainError, message: str, details: object) -> None:
    failure = Failure()
    plain = DataConverter.default
    DATA_CONVERTER.failure_converter.to_failure(error, DATA_CONVERTER.payload_converter, failure)
    arrived = plain.failure_converter.from_failure(failure, plain.payload_converter)
    assert isinstance(arrived, ApplicationError)
    assert (arrived.type, arrived.message, arrived.non_retryable) == (error.code, message, True)
    assert arrived.category is ApplicationErrorCategory.BENIGN
    assert list(arrived.details) == [details]
    again = as_domain_error(arrived)
    assert again is not None
    assert (type(again), again.message, again.details) == (type(error), message, details)


def test_every_error_of_the_contract_is_tried_here() -> None:
    assert {error.code for error, *_ in ERRORS} == set(DomainError.codes) - {"_Unknown"}


@pytest.mark.parametrize("details", [None, [], {}, "text", 5, {"product_ids": [1]}])
@pytest.mark.parametrize("kind", [InvalidRequest, UnknownProduct, InvalidState, OperationConflict])
def test_details_of_another_shape_do_no_harm(kind: type[DomainError], details: object) -> None:
    assert kind.from_details("no", details).message == "no"


def test_many_shortages_make_a_short_message() -> None:
    error = InsufficientStock.of([Shortage(number, 1, 1, 0) for number in range(50)])
    assert error.message.endswith("product 2 in warehouse 1: requested 1, available 0 and 47 more")
    assert len(error.details) == 50


def test_no_answer_is_not_a_no() -> None:
    assert issubclass(Unreachable, StockkeeperError)
    assert not issubclass(Unreachable, DomainError)


def test_what_is_not_ours_stays_what_it_is() -> None:
    assert as_domain_error(None) is None
    assert as_domain_error(ValueError("x")) is None
    assert as_domain_error(ApplicationError("x", type="SomebodyElses")) is None


def test_ours_is_found_behind_others() -> None:
    outer = RuntimeError("outer")
    outer.__cause__ = as_application_error(NotPermitted("no"))
    assert isinstance(as_domain_error(outer), NotPermitted)
