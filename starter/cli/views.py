"""`stockkeeper views`: searches of the Temporal UI, with links."""

from datetime import UTC, datetime
from typing import Any

from rich.markup import escape

from starter.cli import options
from starter.cli.context import namespace, run, ui_url
from starter.cli.links import linked
from starter.cli.output import err, out, print_json
from starter.views import VIEWS, View


def views(*, as_json: options.AsJson = False) -> None:
    """List views of the Temporal UI: what waits for whom, what is overdue, what was refused, and what has failed."""

    async def work() -> list[dict[str, Any]]:
        ui, of, now = ui_url(), namespace(), datetime.now(UTC)
        return [_as_json(view, ui, of, now) for view in VIEWS]

    found = run(work())
    if as_json:
        print_json(found)
        return
    for each in found:
        heading = linked(each["name"], each["url"])
        out.print(
            f"[bold]{heading}[/bold]: {escape(each['shows'])}\n  {escape(each['url'] or each['query'])}", soft_wrap=True
        )
    if ui_url() is None:
        err.print("these are searches: STOCKKEEPER_UI_URL, the address of the Temporal UI, makes links of them")


def _as_json(view: View, ui: str | None, of: str, now: datetime) -> dict[str, Any]:
    return {
        "name": view.name,
        "shows": view.shows,
        "query": view.query(now),
        "url": view.url(ui, of, now),
        "save_url": view.url(ui, of, now, save=True),
    }
