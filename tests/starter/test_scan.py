"""What `stockkeeper scan` says to the person who scans: what it is, or what to do."""

from datetime import date

import pytest

from starter.cli.scan import sentences
from stockkeeper.contracts.barcode import ScanAnswer, ScanElement, ScanReading


def element(ai: str, value: str, title: str = "", day: date | None = None, problem: str | None = None) -> ScanElement:
    return ScanElement(ai=ai, value=value, title=title, day=day, problem=problem)


def reading(*elements: ScanElement, **fields: object) -> ScanReading:
    nothing = dict.fromkeys(["gtin", "product_id", "sku", "lot_number", "expires_on", "serial", "quantity", "unit"])
    return ScanReading.model_validate(nothing | fields | {"elements": list(elements)})


TEA = {"gtin": "04006381333931", "product_id": 7, "sku": "TEA-100", "quantity": 1, "unit": "each"}
EXPIRY = date(2026, 12, 31)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            ScanAnswer(certain=True, readings=[reading(**TEA, lot_number="AB-7", expires_on=EXPIRY, serial="Z9")]),
            [
                (
                    "1 x [bold]TEA-100[/bold], lot [bold]AB-7[/bold], expires on [bold]2026-12-31[/bold], "
                    "serial number [bold]Z9[/bold]"
                )
            ],
        ),
        (
            ScanAnswer(
                certain=True,
                readings=[
                    reading(
                        element("15", "261231", "best before", EXPIRY),
                        element("3103", "001250", "net measure in g"),
                        **TEA | {"quantity": 4800, "unit": "case"},
                    )
                ],
            ),
            ["4,800 x [bold]TEA-100[/bold] (case), best before 2026-12-31, net measure in g 001250"],
        ),
        (
            ScanAnswer(
                certain=False,
                readings=[reading(**TEA, lot_number="X17261231"), reading(**TEA, lot_number="X", expires_on=EXPIRY)],
            ),
            [
                "[yellow]it may mean 2 things[/yellow]; look at the label:",
                "1. 1 x [bold]TEA-100[/bold], lot [bold]X17261231[/bold]",
                "2. 1 x [bold]TEA-100[/bold], lot [bold]X[/bold], expires on [bold]2026-12-31[/bold]",
                "Scan another barcode of the label, or type what it says in brackets: (01)… (17)… (10)…",
            ],
        ),
        (
            ScanAnswer(
                certain=False,
                readings=[reading(element("01", "04006381333930", "GTIN", problem="the last digit would be 1"))],
            ),
            [
                "[yellow]not certain[/yellow]: the last digit would be 1",
                "nothing that says which goods",
                "Scan it again, or type the label.",
            ],
        ),
        (
            ScanAnswer(certain=True, readings=[reading(gtin="04006381333931")]),
            [
                "[yellow]unknown[/yellow]: no product has the GTIN 04006381333931",
                "GTIN 04006381333931",
                "Put the goods aside, and have the barcode imported (`stockkeeper import barcodes`).",
            ],
        ),
        (
            ScanAnswer(certain=False, readings=[]),
            [
                "[red]not understood[/red]: this is no GTIN, no GS1 barcode, and no code of a product; scan it again",
            ],
        ),
        (
            ScanAnswer(certain=False, readings=[reading(gtin="04006381333931", lot_number=str(n)) for n in range(12)]),
            [
                "[yellow]it may mean 12 things[/yellow]; look at the label:",
                *(f"{n + 1}. GTIN 04006381333931, lot [bold]{n}[/bold]" for n in range(9)),
                "and 3 more",
                "Scan another barcode of the label, or type what it says in brackets: (01)… (17)… (10)…",
            ],
        ),
    ],
)
def test_a_scan_in_words(answer: ScanAnswer, said: list[str]) -> None:
    assert sentences(answer) == said
