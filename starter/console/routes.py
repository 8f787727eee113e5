"""How a page is declared: its path, who may open it, and the function that answers.

Who may do what is decided here and nowhere else: each route names its roles, and the test of roles and routes tries
all of them as each role. What takes place in a warehouse is checked by `Visit.require` once that warehouse is known.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from starlette.responses import Response

from starter.console.visit import Visit
from stockkeeper.contracts.permission import Role

Answer: TypeAlias = Callable[[Visit], Awaitable[Response]]

ANYONE = tuple(Role)
"""Any role looks."""


@dataclass(frozen=True)
class Route:
    """One address.

    Attributes:
        method: ``GET`` or ``POST``.
        path: Its path, with ``{names}``.
        any_of: One of these roles is enough.
        answer: What answers.
    """

    method: str
    path: str
    any_of: tuple[Role, ...]
    answer: Answer

    @property
    def name(self) -> str:
        """Its name in messages and tests."""
        return f"{self.method} {self.path}"


@dataclass
class Routes:
    """The routes of a page's module."""

    all: list[Route] = field(default_factory=list)

    def get(self, path: str, *any_of: Role) -> Callable[[Answer], Answer]:
        """Declare what shows something; without a role for whoever has any."""
        return self._declare("GET", path, any_of or ANYONE)

    def post(self, path: str, *any_of: Role) -> Callable[[Answer], Answer]:
        """Declare what changes something; it names at least one role."""
        if not any_of:
            raise ValueError(f"POST {path} names no role")
        return self._declare("POST", path, any_of)

    def _declare(self, method: str, path: str, any_of: tuple[Role, ...]) -> Callable[[Answer], Answer]:
        def declare(answer: Answer) -> Answer:
            self.all.append(Route(method, path, any_of, answer))
            return answer

        return declare
