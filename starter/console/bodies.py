"""What scripts send: JSON, checked before anything is done with it."""

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from starter.console.visit import Visit
from stockkeeper.contracts.errors import InvalidRequest

B = TypeVar("B", bound=BaseModel)


async def body_of(visit: Visit, model: type[B]) -> B:
    """The body of a request.

    Raises:
        InvalidRequest: It isn't what this address takes; the message names the field.
    """
    try:
        return model.model_validate_json(await visit.request.body())
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(each) for each in first["loc"])
        raise InvalidRequest(f"{place}: {first['msg']}" if place else first["msg"]) from None
