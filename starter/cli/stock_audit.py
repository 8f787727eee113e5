"""`stockkeeper audit`: prove that stock, ledger and documents agree, and decide about differences."""

from enum import StrEnum
from typing import Annotated, Literal

import typer
from rich.markup import escape

from starter.cli import options, printing
from starter.cli.context import connect, run
from starter.cli.documents import names_or_ids
from starter.cli.output import changed_status, coloured, out, print_json, table
from starter.cli.times import to_the_second
from stockkeeper.client.stockkeeper import Stockkeeper
from stockkeeper.contracts.audit_findings import FindingShown
from stockkeeper.contracts.messages import counted
from stockkeeper.contracts.stock import FoundItems
from stockkeeper.contracts.stock_audit import AuditStatus, FindingState, FindingStatus, StockAuditState

app = typer.Typer()


def register(root: typer.Typer) -> None:
    """Add ``audit`` to the command line."""
    root.add_typer(app, name="audit")


class Wanted(StrEnum):
    """Which findings are listed: a status, or all."""

    OPEN = "OPEN"
    GONE = "GONE"
    REPAIRED = "REPAIRED"
    ACCEPTED = "ACCEPTED"
    ALL = "all"


Finding = Annotated[int, typer.Argument(metavar="FINDING", min=1, help="Its number, as `audit list` shows it.")]


@app.callback(invoke_without_command=True)
def audit(
    context: typer.Context,
    *,
    warehouse: options.OnlyWarehouse = None,
    as_json: options.AsJson = False,
) -> None:
    """Prove that stock, ledger and documents agree; list differences, and decide about them.

    Without a subcommand it audits now. Exit status 1 if anything differs, or if the audit was stopped before its end.
    Accepted findings aren't listed again.
    """
    if context.invoked_subcommand is not None:
        return

    async def work() -> tuple[StockAuditState, FoundItems | None]:
        stock = await connect()
        state = await stock.run_audit(warehouse_id=warehouse)
        return state, None if as_json else await _names(stock, state)

    state, found = run(work())
    if found is None:
        print_json(state)
    else:
        _print_audit(state, found)
    if state.findings_in_all or state.status is not AuditStatus.DONE:
        raise SystemExit(1)


@app.command("list")
def list_(
    *,
    status: Annotated[Wanted, typer.Option(case_sensitive=False, help="Only this status.")] = Wanted.OPEN,
    limit: options.Latest = 1_000,
    as_json: options.AsJson = False,
) -> None:
    """List findings of audits, and the decisions about them."""
    wanted = None if status is Wanted.ALL else FindingStatus(status)
    _print_findings(printing.ask_for(lambda stock: stock.findings(status=wanted), limit), limit=limit, as_json=as_json)


@app.command("repair")
def repair(
    finding: Finding, *, reason: options.Reason, performed_by: options.PerformedBy, as_json: options.AsJson = False
) -> None:
    """Set on hand to the ledger's last balance, reserved to the units held, or end a hold that has no run.

    A finding about the ledger's past can't be repaired: accept it, and correct stock by a count or an adjustment.
    """
    _decide(finding, "repair", reason, performed_by, as_json=as_json)


@app.command("accept")
def accept(
    finding: Finding, *, reason: options.Reason, performed_by: options.PerformedBy, as_json: options.AsJson = False
) -> None:
    """Accept a finding: audits leave it out until its numbers change."""
    _decide(finding, "accept", reason, performed_by, as_json=as_json)


def _decide(
    finding: int, decision: Literal["repair", "accept"], reason: str, performed_by: str, *, as_json: bool
) -> None:
    async def work() -> FindingShown:
        stock = await connect()
        return await stock.decide(finding, decision, performed_by=performed_by, reason=reason)

    decided = run(work())
    if as_json:
        print_json(decided)
        return
    out.print(f"finding {decided.finding_id}: {changed_status(FindingStatus.OPEN, decided.status)}")
    _print_findings([decided], as_json=False)


async def _names(stock: Stockkeeper, state: StockAuditState) -> FoundItems:
    return await names_or_ids(
        stock,
        (each.product_id for each in state.findings if each.product_id),
        (each.warehouse_id for each in state.findings if each.warehouse_id),
    )


def _print_audit(state: StockAuditState, found: FoundItems) -> None:
    looked_at = ", ".join(
        counted(number, what)
        for number, what in (
            (state.items_checked, "item"),
            (state.documents_checked, "document"),
            (state.holds_checked, "hold"),
            (state.runs_checked, "reservation"),
        )
    )
    if state.findings_in_all:
        result = f"[red]{counted(state.findings_in_all, 'finding')}[/red]"
    elif state.status is AuditStatus.DONE:
        result = "[green]no findings[/green]"
    else:
        result = "[yellow]nothing found so far[/yellow]"
    out.print(f"{looked_at} looked at: {result}")
    if state.findings:
        out.print(
            table(
                ["#finding", "what doesn't agree", "product", "warehouse", "of", "#expected", "#is", ""],
                [
                    [
                        *_cells(
                            each,
                            found.skus.get(each.product_id or 0, f"product {each.product_id}"),
                            found.warehouse_names.get(each.warehouse_id or 0, f"warehouse {each.warehouse_id}"),
                        ),
                        "[bold]new[/bold]" if each.is_new else "",
                    ]
                    for each in state.findings
                ],
            )
        )
    if state.findings_in_all > len(state.findings):
        out.print(f"and {state.findings_in_all - len(state.findings)} more: `stockkeeper audit list` has all of them")
    if state.findings_gone:
        out.print(f"{counted(state.findings_gone, 'earlier finding')} gone")
    printing.print_afterwards(state.notes, state.notices, found)


def _print_findings(found: list[FindingShown], *, limit: int | None = None, as_json: bool) -> None:
    columns = ["#finding", "what doesn't agree", "product", "warehouse", "of", "#expected", "#is"]
    printing.print_rows(
        found,
        [*columns, "status", "first seen (UTC)", "decided"],
        lambda each: [
            *_cells(each, each.sku or "", each.warehouse or ""),
            coloured(each.status),
            to_the_second(each.first_seen_at),
            f"{escape(each.closed_by)}: {escape(each.closed_reason or '')}" if each.closed_by else "",
        ],
        limit=limit,
        which="latest",
        none="no findings",
        as_json=as_json,
    )


def _cells(finding: FindingState, product: str, warehouse: str) -> list[str]:
    """The cells that both tables have of a finding; it may concern a document rather than one item."""
    return [
        str(finding.finding_id),
        finding.kind.lower().replace("_", " "),
        escape(product) if finding.product_id else "",
        escape(warehouse) if finding.warehouse_id else "",
        escape(finding.document),
        str(finding.expected),
        str(finding.actual),
    ]
