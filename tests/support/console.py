"""People at the console: signed in, each with roles of their own, by plain requests or in a real browser."""

import html
import os
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import axe_playwright_python
import httpx
from playwright.async_api import Browser, Page, expect

from starter.console.app import Console
from starter.console.sign_in import LocalSignIn
from stockkeeper.domain.permission import Identity, Role

CHROMIUM = shutil.which("chromium")
"""Debian's browser; None: this machine has none."""
NO_CHROMIUM = "no Chromium on this machine: `apt-get install chromium` brings one"
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 900}
"""Screens that every page has to fit."""
EVERY_ROLE = tuple(Role)

expect.set_options(timeout=20_000)
"""A machine that does other things as well is slow; what is right comes at once elsewhere."""
_AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
_NUMBER_CELL = re.compile(r'<td class="num[^"]*"[^>]*>(.*?)</td>', re.DOTALL)
_NEWER = re.compile(r'href="([^"]+)">Newer ones')
_CSRF = re.compile(r'<meta name="csrf" content="([^"]+)">')


@dataclass(frozen=True)
class Person:
    """Somebody who is signed in, without a browser.

    Attributes:
        name: Whom what is done is recorded for.
        http: Requests with the session's cookie.
    """

    name: str
    http: httpx.AsyncClient

    async def get(self, path: str, *, status: int = 200, **headers: str) -> str:
        """A page's source; it is answered with this status."""
        answered = await self.http.get(path, headers=headers)
        assert answered.status_code == status, answered.text
        return answered.text

    async def inbox(self, query: str = "") -> str:
        """The sources of all pages of an inbox: other tests have left things in it."""
        pages, path = [], f"/inbox?{query}" if query else "/inbox"
        while path:
            pages.append(await self.get(path))
            more = _NEWER.search(pages[-1])
            path = html.unescape(more[1]) if more else ""
        return "".join(pages)

    async def post(self, path: str, fields: dict[str, Any] | None = None, *, status: int = 303) -> httpx.Response:
        """Send a form of a page, with the session's word; it is answered with this status."""
        answered = await self.http.post(path, data={"csrf": await self.csrf(), **(fields or {})})
        assert answered.status_code == status, answered.text
        return answered

    async def send(self, path: str, body: Any, *, status: int = 200) -> Any:
        """Send what a script sends, and what it is answered."""
        headers = {"X-CSRF-Token": await self.csrf(), "Accept": "application/json"}
        answered = await self.http.post(path, json=body, headers=headers)
        assert answered.status_code == status, answered.text
        return answered.json()

    async def csrf(self) -> str:
        """The session's word, as every page has it."""
        found = _CSRF.search((await self.http.get("/inbox?kind=none")).text)
        assert found is not None
        return found[1]


@dataclass(frozen=True)
class AtTheConsole:
    """A console that listens, and the people at it.

    Attributes:
        console: The console.
        url: Its address.
        sign_in: Its links.
        browser: A browser; None: this machine has none.
        clients: The clients of those without a browser.
    """

    console: Console
    url: str
    sign_in: LocalSignIn
    browser: Browser | None
    clients: list[httpx.AsyncClient] = field(default_factory=list)

    async def close(self) -> None:
        """Let everybody go."""
        for client in self.clients:
            await client.aclose()

    async def person(
        self,
        name: str = "ada",
        roles: Iterable[Role] = EVERY_ROLE,
        warehouses: Iterable[int] | None = None,
        *,
        limit: Decimal | None = None,
    ) -> Person:
        """Somebody with these roles, who may do it in these warehouses and approves up to this limit; None: in all."""
        http = httpx.AsyncClient(base_url=self.url, timeout=60)
        self.clients.append(http)
        link = self.sign_in.invite(replace(_identity(name, roles, warehouses), limit=limit))
        assert (await http.get(link)).status_code == 303
        return Person(name, http)

    async def page(
        self,
        name: str = "ada",
        roles: Iterable[Role] = EVERY_ROLE,
        warehouses: Iterable[int] | None = None,
        *,
        screen: dict[str, int] = DESKTOP,
        language: str = "en-GB",
    ) -> Page:
        """A browser of that person, signed in, on the inbox. Close its ``context`` afterwards."""
        assert self.browser is not None
        context = await self.browser.new_context(
            viewport={"width": screen["width"], "height": screen["height"]}, locale=language, base_url=self.url
        )
        page = await context.new_page()
        await page.goto(self.sign_in.invite(_identity(name, roles, warehouses)))
        return page


def _identity(name: str, roles: Iterable[Role], warehouses: Iterable[int] | None) -> Identity:
    return Identity(name, frozenset(roles), None if warehouses is None else frozenset(warehouses))


def cells(source: str) -> list[str]:
    """The numbers in a page's tables, as they are written there."""
    return [re.sub(r"<[^>]+>", " ", each).strip() for each in _NUMBER_CELL.findall(source)]


async def axe_finds(page: Page) -> list[str]:
    """What axe-core has against a page: the rule, and the first place; empty: nothing."""
    await page.evaluate(_AXE)
    found = await page.evaluate("axe.run()")
    return [f"{each['id']}: {each['nodes'][0]['html']}" for each in found["violations"]]


async def picture(page: Page, name: str) -> None:
    """Keep a picture of a page in the directory that the variable `PICTURES` names, to be looked at; else nothing."""
    directory = os.environ.get("PICTURES")
    if directory:
        await page.screenshot(path=f"{directory}/{name}.png", full_page=True)
