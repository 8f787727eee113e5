"""The contract for other languages, as JSON Schema: `python -m stockkeeper.contracts.schema` prints it.

`schema.json` beside this file is its last output. A test compares the two, so that a change which breaks a caller shows
up in a review as a changed file; another test holds that nothing of an earlier version is missing.
"""

import json
import sys
from types import GenericAlias
from typing import Any, Literal, get_args, get_origin, get_type_hints, is_typeddict

from pydantic import BaseModel, Field, create_model
from pydantic.json_schema import models_json_schema

from stockkeeper.contracts import event, event_subscriber, inventory_service, move, order_in_parts, question
from stockkeeper.contracts.errors import DomainError, UnknownProduct, UnknownSupplier, UnknownWarehouse
from stockkeeper.contracts.policies import TASK_QUEUE
from stockkeeper.contracts.process import ProcessSpec
from stockkeeper.contracts.processes import PROCESSES
from stockkeeper.contracts.search_attributes import TYPES

VERSION = "0.1.0"
"""Of the contract, as releases of Stockkeeper are numbered: it grows with every release that adds to the wire."""

UPDATE_IDS = (
    "Leave the ids of updates to the client library, above all those of updates_without_payload: Temporal keeps an "
    "answer under its id and repeats it, whatever has happened since. Commands have numbers in their payload instead, "
    "such as receipt_id; find_operation tells whether one was carried out. See docs/answers.md."
)
"""What a client has to know about naming its updates."""

Mode = Literal["validation", "serialization"]

_OTHERS = (move.PROCESS, event_subscriber.PROCESS)
"""Processes without documents, demo or audit: they concern no single stock."""
_ALL = (*PROCESSES, order_in_parts.PROCESS, *_OTHERS)


def generate() -> dict[str, Any]:
    """The whole contract: processes, questions, errors, and the schemas that they refer to."""
    memos = {process.kind: _model(process.memo) for process in PROCESSES if process.memo is not None}
    errors = {code: _details(error) for code, error in sorted(DomainError.codes.items()) if not code.startswith("_")}
    # The type within a list, or the type itself.
    detail_of = {code: next(iter(get_args(shape)), shape) for code, shape in errors.items()}
    further = [*memos.values(), *(model for model in detail_of.values() if model is not None)]
    modes = _modes() | dict.fromkeys(further, "serialization")
    ordered = sorted(modes.items(), key=lambda pair: pair[0].__name__)
    references, definitions = models_json_schema(ordered, ref_template="#/$defs/{model}")
    reference_of = {model: reference for (model, _), reference in references.items()}

    def described(process: ProcessSpec) -> dict[str, Any]:
        memo = memos.get(process.kind)
        return {
            "workflow_id": process.workflow_id,
            "start": reference_of[process.start],
            **({"resume": reference_of[process.resume]} if process.resume else {}),
            "commands": {command.name: reference_of[command.message] for command in process.commands},
            "updates_without_payload": [each for each in (process.answer, process.answer_at_once) if each],
            "queries": ["state"],
            "state": reference_of[process.state],
            **({"memo": reference_of[memo]} if memo else {}),
        }

    def details(code: str) -> dict[str, Any]:
        if errors[code] is None:
            return {"type": "object"}
        reference = reference_of[detail_of[code]]
        return {"type": "array", "items": reference} if get_origin(errors[code]) is list else reference

    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Stockkeeper: the wire contract",
        "version": VERSION,
        "task_queue": TASK_QUEUE,
        "search_attributes": sorted(TYPES),
        "errors": list(errors),
        "error_details": {code: details(code) for code in errors},
        "workflows": {process.workflow_type: described(process) for process in _ALL},
        "update_ids": UPDATE_IDS,
        "questions": {
            name: {"question": reference_of[each.model], "answer": reference_of[each.answer]}
            for name, each in question.QUESTIONS.items()
        },
        "question_workflow": {
            "workflow_type": question.WORKFLOW_TYPE,
            "workflow_id": question.workflow_id("{name}"),
            "start": reference_of[question.QuestionRequest],
        },
        "events": {
            "envelope": reference_of[event.Event],
            "data": {event.type_of(kind): reference_of[model] for kind, model in event.DATA.items()},
        },
        "nexus_services": {
            inventory_service.SERVICE: {
                name: {"input": reference_of[asked], "output": reference_of[answer]}
                for name, (asked, answer) in inventory_service.operations().items()
            }
        },
        **definitions,
    }


def _modes() -> dict[type[BaseModel], Mode]:
    """Every model on the wire: as it is sent, or as it is received where a caller sends it."""
    modes: dict[type[BaseModel], Mode] = {process.state: "serialization" for process in (*PROCESSES, *_OTHERS)}
    modes.update((each.answer, "serialization") for each in question.QUESTIONS.values())
    modes[question.QuestionRequest] = "validation"
    modes.update((each.model, "validation") for each in question.QUESTIONS.values())
    for process in _ALL:
        modes[process.start] = "validation"
        if process.resume:
            modes[process.resume] = "validation"
        modes.update((command.message, "validation") for command in process.commands)
    for asked, answer in inventory_service.operations().values():
        modes[asked], modes[answer] = "validation", "serialization"
    modes.update(dict.fromkeys((event.Event, *event.DATA.values()), "serialization"))
    return modes


def _details(error: type[DomainError]) -> Any:
    """The type of an error's details, as its property declares it: a model, a list of models, or nothing fixed."""
    if issubclass(error, UnknownProduct | UnknownWarehouse | UnknownSupplier):
        return _record(f"{error.__name__}Details", error.__doc__, {f"{error.kind}_ids": (list[int], ...)})
    declared = vars(error).get("details")
    return _typed(get_type_hints(declared.fget)["return"]) if declared else None


def _typed(shape: Any) -> Any:
    """The same type with models in place of typed dictionaries, of which pydantic can't read those of Python 3.11."""
    if is_typeddict(shape):
        return _model(shape)
    return GenericAlias(list, (_typed(get_args(shape)[0]),)) if get_origin(shape) is list else shape


def _without_default(schema: dict[str, Any]) -> None:
    schema.pop("default", None)


def _model(shape: type[Any]) -> type[BaseModel]:
    left_out = Field(default=None, json_schema_extra=_without_default)
    fields: dict[str, Any] = {
        name: (_typed(hint), ... if name in shape.__required_keys__ else left_out)
        for name, hint in get_type_hints(shape).items()
    }
    return _record(shape.__name__, shape.__doc__, fields)


def _record(name: str, description: str | None, fields: dict[str, Any]) -> type[BaseModel]:
    return create_model(name, __doc__=description, **fields)


if __name__ == "__main__":
    json.dump(generate(), sys.stdout, indent=2, sort_keys=True)
    sys.stdout.write("\n")
