"""`stockkeeper inbox`: all that waits for a person, whatever kind of document it is."""

from rich.markup import escape

from starter.cli import options, printing
from starter.cli.context import connect, run
from starter.cli.output import err, out, print_json, table
from starter.cli.times import shown
from stockkeeper.client.inbox import InboxItem

_PRINTED = ("kind", "number", "waits_for", "about", "where", "requested_by", "since", "due_at")


def inbox(*, limit: options.InboxLimit = None, as_json: options.AsJson = False) -> None:
    """List all that waits for a person, the oldest first: approvals, variances, returns, overdue goods, findings."""

    async def work() -> list[InboxItem]:
        return await (await connect()).inbox()

    found = run(work())
    items = found[:limit]
    if as_json:
        print_json([{name: printing.plain(getattr(each, name)) for name in _PRINTED} for each in items])
    elif not items:
        out.print("nothing waits for a person")
    else:
        columns = ["document", "waits for", "about", "where", "asked by", "since", "due"]
        out.print(table(columns, [_cells(each) for each in items]))
        if len(items) < len(found):
            err.print(f"the oldest {len(items)} of {len(found)}; --limit shows more")


def _cells(item: InboxItem) -> list[str]:
    return [
        f"{item.kind} {escape(item.number)}",
        escape(item.waits_for),
        escape(item.about),
        printing.joined(item.where),
        printing.text(item.requested_by),
        shown(item.since),
        shown(item.due_at) if item.due_at else "",
    ]
