"""One request of a person who is signed in: what it asks, who asks, and how it is answered."""

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from starter.console.addresses import part_of_path, path_as_sent
from starter.console.rendering import Pages
from starter.console.sessions import Session
from starter.console.settings import ConsoleSettings
from starter.console.texts import Texts
from stockkeeper.client.stockkeeper import Stockkeeper
from stockkeeper.contracts.permission import Identity, Needs, places, require_role
from stockkeeper.contracts.process import ProcessSpec

session_of_visit: ContextVar[Session] = ContextVar("session_of_visit")
"""The session of the person whose request is answered. Each request is a task of its own, with a value of its own,
also while its answer is being streamed."""


def token_of_visit() -> str:
    """The present token of that person, where tokens are handed on to the workers; empty: there is none."""
    session = session_of_visit.get(None)
    return (session.visitor.token or "") if session else ""


class Visit:
    """A request, and all that a page needs to answer it.

    Attributes:
        request: The request.
        session: The session of the person.
        stock: The client.
        texts: Words in the person's language.
        settings: The console's settings.
    """

    def __init__(
        self,
        request: Request,
        session: Session,
        stock: Stockkeeper,
        texts: Texts,
        pages: Pages,
        settings: ConsoleSettings,
    ) -> None:
        self.request = request
        self.session = session
        self.stock = stock
        self.texts = texts
        self.settings = settings
        self._pages = pages
        self._form: FormData | None = None

    @property
    def identity(self) -> Identity:
        """Who it is."""
        return self.session.visitor.identity

    @property
    def person(self) -> str:
        """The name that is recorded as ``performed_by`` or ``approver``. Nothing that a browser sends changes it."""
        return self.identity.person

    @property
    def is_partial(self) -> bool:
        """Whether a script asks for a part of the page only."""
        return (
            self.request.headers.get("hx-request") == "true"
            and "hx-history-restore-request" not in self.request.headers
        )

    @property
    def path_as_sent(self) -> str:
        """Its path, quoted, to lead back to it."""
        return path_as_sent(self.request)

    def path(self, name: str) -> str:
        """A part of the path."""
        return part_of_path(self.request.path_params[name])

    def query(self, name: str) -> str | None:
        """A field of the address; None: it is left out or empty."""
        return self.request.query_params.get(name, "").strip() or None

    async def form(self) -> FormData:
        """The fields of the form that was sent."""
        if self._form is None:
            self._form = await self.request.form(max_files=1, max_fields=2_000)
        return self._form

    async def field(self, name: str) -> str | None:
        """A field of the form; None: it is left out or empty."""
        value = (await self.form()).get(name)
        return (value.strip() or None) if isinstance(value, str) else None

    def require(self, process: ProcessSpec, what: str, source: Any) -> None:
        """Refuse a start or command for which the person has no role where it takes place.

        Args:
            process: The process.
            what: The command, or `START`.
            source: The state or the start's fields, which name the warehouses.

        Raises:
            NotPermitted: The person may not do that there.
        """
        needs = process.needs[what]
        require_role(self.identity, needs, what, places(source, needs.at))

    def may(self, needs: Needs, source: Any) -> bool:
        """Whether the person has a role for something where it takes place: a button is shown only then."""
        if self.identity.roles.isdisjoint(needs.any_of):
            return False
        mine = self.identity.warehouses
        return mine is None or not needs.at or all(place in mine for place in places(source, needs.at))

    def show(
        self, template: str, status: int = 200, headers: Mapping[str, str] | None = None, **values: Any
    ) -> Response:
        """A page, or a part of one."""
        return HTMLResponse(self._pages.render(template, self, **values), status_code=status, headers=headers)

    def go_to(self, path: str, message: str | None = None) -> Response:
        """Lead on to another page after a change, with a message on it."""
        self.session.message = message
        if self.is_partial:
            return Response(status_code=204, headers={"HX-Redirect": path})
        return RedirectResponse(path, status_code=303)

    def take_message(self) -> str | None:
        """What is to be said on this page, once."""
        message, self.session.message = self.session.message, None
        return message
