"""The contract for other languages, as JSON Schema: `python -m stockkeeper.contracts.schema` prints it.

`schema.json` beside this file is its last output. A test compares the two, so that a change which breaks a caller shows
up in a review as a changed file.
"""

import json
import sys
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from stockkeeper.contracts.errors import DomainError
from stockkeeper.contracts.policies import TASK_QUEUE
from stockkeeper.contracts.processes import PROCESSES
from stockkeeper.contracts.search_attributes import TYPES

Mode = Literal["validation", "serialization"]


def generate() -> dict[str, Any]:
    """The whole contract: one entry for each workflow type, and the schemas that they refer to."""
    modes: dict[type[BaseModel], Mode] = {process.state: "serialization" for process in PROCESSES}
    for process in PROCESSES:
        modes[process.start] = "validation"
        modes.update((command.message, "validation") for command in process.commands)
    ordered = sorted(modes.items(), key=lambda pair: pair[0].__name__)
    references, definitions = models_json_schema(ordered, ref_template="#/$defs/{model}")
    reference_of = {model: reference for (model, _), reference in references.items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Stockkeeper: the wire contract",
        "task_queue": TASK_QUEUE,
        "search_attributes": sorted(TYPES),
        "errors": sorted(name for name in DomainError.codes if not name.startswith("_")),
        "workflows": {
            process.workflow_type: {
                "workflow_id": process.workflow_id,
                "start": reference_of[process.start],
                "commands": {command.name: reference_of[command.message] for command in process.commands},
                "updates_without_payload": [process.answer] if process.answer else [],
                "state": reference_of[process.state],
            }
            for process in PROCESSES
        },
        **definitions,
    }


if __name__ == "__main__":
    json.dump(generate(), sys.stdout, indent=2, sort_keys=True)
    sys.stdout.write("\n")
