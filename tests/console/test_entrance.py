"""The pages at the door, in a browser: what one sees who isn't signed in, and the way by an identity provider."""

import re

import pytest
from playwright.async_api import Browser, Page

from starter.console.app import Console
from starter.console.serve import listening
from starter.console.settings import ConsoleSettings
from starter.console.sign_in_provider import ProviderSignIn
from stockkeeper.contracts.claims import ClaimNames
from tests.support.console import DESKTOP, PHONE, AtTheConsole, axe_finds, picture
from tests.support.oidc_provider import OidcProvider

pytestmark = pytest.mark.usefixtures("needs_browser")


async def _is_right(page: Page, name: str, screen: dict[str, int]) -> None:
    await picture(page, name)
    assert await axe_finds(page) == []
    assert await page.evaluate("document.documentElement.scrollWidth") <= screen["width"]


@pytest.mark.parametrize(("screen", "language"), [(PHONE, "de-DE"), (DESKTOP, "en-GB")], ids=["phone", "desktop"])
async def test_somebody_who_is_not_signed_in_is_told_what_to_do(
    console: AtTheConsole, browser: Browser, screen: dict[str, int], language: str
) -> None:
    is_german = language == "de-DE"
    context = await browser.new_context(
        viewport={"width": screen["width"], "height": screen["height"]}, locale=language, base_url=console.url
    )
    page = await context.new_page()
    await page.goto("/inbox")
    assert page.url == f"{console.url}/sign-in?back=%2Finbox"
    told = "Öffnen Sie den Link" if is_german else "Open the link with your name"
    assert told in await page.inner_text("main")
    await _is_right(page, f"sign_in_{language}", screen)
    await page.goto("/sign-in?key=old")
    assert ("gilt nicht mehr" if is_german else "isn't good any more") in await page.inner_text("main")
    await page.goto("/no-such-page")
    assert ("Diese Seite gibt es nicht" if is_german else "There is no such page") in await page.inner_text("main")
    await _is_right(page, f"no_such_page_{language}", screen)
    await context.close()


async def test_one_signs_in_at_the_provider_and_out_again_by_the_keyboard(
    console: AtTheConsole, browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> None:
    provider = OidcProvider(tmp_path_factory.mktemp("provider") / "keys.json")
    async with provider.listening():
        sign_in = ProviderSignIn(provider.registration("http://127.0.0.1:0"), ClaimNames())
        here = Console(console.console.stock, ConsoleSettings("http://127.0.0.1:0"), sign_in)
        async with listening(here.app(), "127.0.0.1", 0) as port:
            here.settings = ConsoleSettings(f"http://127.0.0.1:{port}")
            sign_in._provider._registration = provider.registration(here.settings.url)
            context = await browser.new_context(base_url=here.settings.url, viewport={"width": 390, "height": 844})
            page = await context.new_page()
            # To the provider, back, and on to the page that was wanted.
            await page.goto("/inbox?kind=po")
            assert page.url == f"{here.settings.url}/inbox?kind=po"
            assert await page.inner_text(".who") == "ada"
            await page.set_viewport_size({"width": 1280, "height": 900})
            await page.get_by_role("button", name="Sign out").focus()
            await page.keyboard.press("Enter")
            await page.wait_for_url("**/sign-in")
            await _is_right(page, "sign_in_provider", DESKTOP)
            await page.get_by_role("link", name="Sign in").focus()
            await page.keyboard.press("Enter")
            await page.wait_for_url(re.compile("/inbox$"))
            assert await page.inner_text(".who") == "ada"
            await context.close()
