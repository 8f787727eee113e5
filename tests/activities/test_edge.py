"""The edge of every activity: a payload that doesn't fit is refused, and a workflow's step is tried again."""

import dataclasses
import inspect
from typing import Any

import pytest
from sqlalchemy import Engine
from temporalio.converter import DataConverter
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.edge import at_the_edge
from activities.reservation import ReservationSteps
from activities.stock import StockQuestions
from database.sessions import Database
from stockkeeper.contracts.converter import DATA_CONVERTER, Undecodable
from stockkeeper.contracts.question import QUESTIONS
from tests.support.bad_questions import MALFORMED
from tests.support.books import nothing_is_stored
from worker import Settings, activities_of, build_steps


def _refused(activity: Any, *payload: Any, workflow_id: str | None) -> tuple[str | None, bool, str]:
    environment = ActivityEnvironment()
    environment.info = dataclasses.replace(environment.info, workflow_id=workflow_id)
    with pytest.raises(ApplicationError) as caught:
        environment.run(at_the_edge(activity), *payload)
    return caught.value.type, caught.value.non_retryable, caught.value.message


async def _answer(environment: ActivityEnvironment, activity: Any, payload: list[Any]) -> Any:
    answer = environment.run(activity, *payload)
    return await answer if inspect.isawaitable(answer) else answer


@pytest.mark.parametrize("name", QUESTIONS)
async def test_no_question_takes_what_is_no_question(
    database: Database, settings: Settings, engine: Engine, name: str
) -> None:
    """Each is encoded as a foreign service's client does it, and received as a worker does."""
    [question] = [
        each
        for each in activities_of(*build_steps(database, settings))
        if vars(each)["__temporal_activity_definition"].name == name
    ]
    environment = ActivityEnvironment()
    environment.info = dataclasses.replace(environment.info, workflow_id=None)
    with nothing_is_stored(engine):
        for payload, told in MALFORMED.values():
            received = await DATA_CONVERTER.decode(await DataConverter.default.encode(payload))
            with pytest.raises(ApplicationError) as caught:
                await _answer(environment, question, received)
            assert (caught.value.type, caught.value.non_retryable, caught.value.message) == (
                *("InvalidRequest", True),
                told.format(model=QUESTIONS[name].model.__name__),
            )


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
