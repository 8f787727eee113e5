"""The edge of every activity: a payload that doesn't fit is refused, and a workflow's step is tried again."""

import dataclasses
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.edge import at_the_edge
from activities.reservation import ReservationSteps
from activities.stock import StockQuestions
from database.sessions import Database
from stockkeeper.contracts.converter import Undecodable


def _refused(activity: Any, *payload: Any, workflow_id: str | None) -> tuple[str | None, bool, str]:
    environment = ActivityEnvironment()
    environment.info = dataclasses.replace(environment.info, workflow_id=workflow_id)
    with pytest.raises(ApplicationError) as caught:
        environment.run(at_the_edge(activity), *payload)
    return caught.value.type, caught.value.non_retryable, caught.value.message


@pytest.mark.parametrize("workflow_id", [None, "anybodys-workflow"])
def test_a_question_that_does_not_fit_is_refused(database: Database, workflow_id: str | None) -> None:
    ask = StockQuestions(database).show_levels
    assert _refused(ask, {"product": 7}, workflow_id=workflow_id) == (
        *("InvalidRequest", True),
        "product: Input should be a valid string",
    )
    assert _refused(ask, Undecodable("it isn't JSON"), workflow_id=workflow_id) == (
        *("InvalidRequest", True),
        "ShowLevels has to be a JSON object: it isn't JSON",
    )


def test_a_step_that_does_not_fit_is_refused_unless_a_workflow_owes_it(database: Database) -> None:
    step = ReservationSteps(database).extend_reservation
    told = "ExtendReservationStep has to be a JSON object; null was sent"
    assert _refused(step, None, workflow_id=None) == ("InvalidRequest", True, told)
    assert _refused(step, None, workflow_id="reservation-7") == (
        *("UnknownStep", False),
        f"not a step of this version: {told}",
    )
