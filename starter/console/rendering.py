"""Templates: Jinja with every value escaped, and the words, numbers and times of the visitor."""

import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from starter.console.addresses import segment
from starter.console.texts import LANGUAGES
from stockkeeper.contracts.permission import Role

if TYPE_CHECKING:
    from starter.console.visit import Visit

HERE = Path(__file__).parent
STATIC = HERE / "static"

MENU: tuple[tuple[str, str, tuple[Role, ...]], ...] = (
    ("/inbox", "Inbox", tuple(Role)),
    ("/receive", "Receive", (Role.RECEIVE,)),
    ("/dispatch", "Dispatch", (Role.RECEIVE,)),
    ("/pick", "Pick", (Role.SELL,)),
    ("/count", "Count", (Role.COUNT,)),
    ("/inspect", "Inspections", (Role.RECEIVE, Role.COUNT, Role.APPROVE)),
    ("/stock", "Stock", tuple(Role)),
    ("/replenishment", "Replenishment", tuple(Role)),
    ("/transit", "In transit", tuple(Role)),
    ("/lots", "Lots", tuple(Role)),
)
"""The pages in the menu: path, name, and who sees them there."""


@cache
def static_url(name: str) -> str:
    """The address of a file of ours; it changes with its content, so browsers may keep it for ever."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={digest}"


class Pages:
    """The templates, read once."""

    def __init__(self) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        # Jinja's own leaves slashes, which numbers of documents may have.
        self._environment.filters["urlencode"] = segment
        self._environment.globals.update(static=static_url, languages=LANGUAGES)

    def render(self, template: str, visit: "Visit", **values: Any) -> str:
        """A page for a visit.

        In every template: ``_`` and ``n_`` say texts, ``number``, ``money``, ``day`` and ``instant`` write values,
        ``visit`` is the visit, and ``menu`` the pages that the person sees.
        """
        texts = visit.texts
        roles = visit.identity.roles
        return self._environment.get_template(template).render(
            _=texts.say,
            n_=texts.counted,
            number=texts.number,
            money=texts.money,
            day=texts.day,
            instant=texts.instant,
            visit=visit,
            language=texts.language,
            menu=[(path, texts.say(name)) for path, name, seen_by in MENU if not roles.isdisjoint(seen_by)],
            **values,
        )

    def render_plainly(self, template: str, **values: Any) -> str:
        """A page for somebody who isn't signed in; the values have ``_`` and ``language``."""
        return self._environment.get_template(template).render(**values)
