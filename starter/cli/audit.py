"""`stockkeeper audit`: prove that the books agree, see what doesn't, and decide about it."""

from enum import StrEnum
from typing import Annotated, Literal

import typer
from rich.markup import escape

from starter.cli.context import AsJson, PerformedBy, connect, run
from starter.cli.documents import ask_for, print_afterwards, warehouse_named
from starter.cli.output import changed_status, coloured, err, out, print_json, table
from starter.cli.times import to_the_second
from stockkeeper.client.stock import names
from stockkeeper.client.stock_audit import decide, findings, run_audit
from stockkeeper.client.stockkeeper import Stockkeeper
from stockkeeper.contracts.audit_findings import FindingShown
from stockkeeper.contracts.messages import counted
from stockkeeper.contracts.stock import FoundItems
from stockkeeper.contracts.stock_audit import AuditStatus, FindingState, FindingStatus, StockAuditState

app = typer.Typer()


class Wanted(StrEnum):
    """Which findings are listed: a status, or all."""

    OPEN = "OPEN"
    GONE = "GONE"
    REPAIRED = "REPAIRED"
    ACCEPTED = "ACCEPTED"
    ALL = "all"


Finding = Annotated[int, typer.Argument(metavar="FINDING", min=1, help="Its number, as `audit list` shows it.")]
Reason = Annotated[str, typer.Option(help="Why.")]


@app.callback(invoke_without_command=True)
def audit(
    context: typer.Context,
    *,
    warehouse: Annotated[str | None, typer.Option(help="Only this warehouse.")] = None,
    as_json: AsJson = False,
) -> None:
    """Prove that the books agree; see what doesn't, and decide about it.

    Without a command of its own it audits now. Exit status 1 if anything doesn't agree, as a checker has it, or if the
    audit was stopped before its end. What was accepted isn't told again.
    """
    if context.invoked_subcommand is not None:
        return

    async def work() -> tuple[StockAuditState, FoundItems | None]:
        stock = await connect()
        state = await run_audit(
            stock.client, warehouse_id=await warehouse_named(stock, warehouse), task_queue=stock.task_queue
        )
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
    status: Annotated[Wanted, typer.Option(case_sensitive=False, help="Only these.")] = Wanted.OPEN,
    limit: Annotated[int, typer.Option(min=1, help="How many, latest first.")] = 1_000,
    as_json: AsJson = False,
) -> None:
    """What audits have found, and what became of it."""
    wanted = None if status is Wanted.ALL else FindingStatus(status)
    found = ask_for(lambda stock: findings(stock.client, status=wanted, task_queue=stock.task_queue), limit)
    if as_json:
        print_json([each.model_dump(mode="json") for each in found])
        return
    _print_findings(found)
    if len(found) == limit:
        err.print(f"the latest {limit}; --limit shows more")


@app.command("repair")
def repair(finding: Finding, *, reason: Reason, performed_by: PerformedBy, as_json: AsJson = False) -> None:
    """Bring on hand to the ledger's last balance, reserved to what is held, or end a hold that has no run.

    What is about the ledger's past can't be repaired: accept it, and correct the stock by a count or an adjustment.
    """
    _decide(finding, "repair", reason, performed_by, as_json=as_json)


@app.command("accept")
def accept(finding: Finding, *, reason: Reason, performed_by: PerformedBy, as_json: AsJson = False) -> None:
    """Leave it as it is: audits are quiet about it until its numbers change."""
    _decide(finding, "accept", reason, performed_by, as_json=as_json)


def _decide(
    finding: int, decision: Literal["repair", "accept"], reason: str, performed_by: str, *, as_json: bool
) -> None:
    async def work() -> FindingShown:
        stock = await connect()
        return await decide(
            stock.client, finding, decision, performed_by=performed_by, reason=reason, task_queue=stock.task_queue
        )

    decided = run(work())
    if as_json:
        print_json(decided)
        return
    out.print(f"finding {decided.finding_id}: {changed_status(FindingStatus.OPEN, decided.status)}")
    _print_findings([decided])


async def _names(stock: Stockkeeper, state: StockAuditState) -> FoundItems:
    return await names(
        stock.client,
        (each.product_id for each in state.findings if each.product_id),
        (each.warehouse_id for each in state.findings if each.warehouse_id),
        task_queue=stock.task_queue,
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
        told = f"[red]{counted(state.findings_in_all, 'finding')}[/red]"
    elif state.status is AuditStatus.DONE:
        told = "[green]no findings[/green]"
    else:
        told = "[yellow]nothing found so far[/yellow]"
    out.print(f"{looked_at} looked at: {told}")
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
    print_afterwards(state.notes, state.notices)


def _print_findings(found: list[FindingShown]) -> None:
    columns = ["#finding", "what doesn't agree", "product", "warehouse", "of", "#expected", "#is"]
    out.print(
        table(
            [*columns, "status", "first seen (UTC)", "decided"],
            [
                [
                    *_cells(each, each.sku or "", each.warehouse or ""),
                    coloured(each.status),
                    to_the_second(each.first_seen_at),
                    f"{escape(each.closed_by)}: {escape(each.closed_reason or '')}" if each.closed_by else "",
                ]
                for each in found
            ],
        )
    )


def _cells(finding: FindingState, product: str, warehouse: str) -> list[str]:
    """What both tables say of a finding; it may be about a document rather than about one item."""
    return [
        str(finding.finding_id),
        finding.kind.lower().replace("_", " "),
        escape(product) if finding.product_id else "",
        escape(warehouse) if finding.warehouse_id else "",
        escape(finding.document),
        str(finding.expected),
        str(finding.actual),
    ]
