"""Papers as PDF, read back as a printer's driver would."""

import pypdfium2
import pytest

from starter.console import paper as paper_module
from starter.console.paper import Column, Paper
from stockkeeper.contracts.errors import StockkeeperError
from stockkeeper.domain.permission import Role
from tests.support.console import AtTheConsole
from tests.support.purchase_order import Purchasing
from tests.support.shop import Shop

COLUMNS = [Column("SKU", 3), Column("Lot", 2), Column("Units", 1, is_number=True), Column("Counted", 2)]


def _pages(pdf: bytes) -> list[str]:
    document = pypdfium2.PdfDocument(pdf)
    pages = [page.get_textpage().get_text_range() for page in document]
    document.close()
    return pages


def test_a_paper_has_its_facts_and_every_row() -> None:
    paper = Paper(
        "Zählliste C-1", [("Lager", "Köln-Süd"), ("Für", "Łucja Żak")], COLUMNS, [["TEA-100", "L-77", "1.234", ""]]
    )
    (text,) = _pages(paper.as_pdf())
    assert [line.strip() for line in text.splitlines() if line.strip()] == [
        "Zählliste C-1",
        "Lager Köln-Süd",
        "Für Łucja Żak",
        "SKU Lot Units Counted",
        "TEA-100 L-77 1.234",
        "1 / 1",
    ]


def test_a_long_table_goes_on_with_its_heading_on_every_page() -> None:
    rows = [[f"SKU-{number}", "", str(number), ""] for number in range(100)]
    pages = _pages(Paper("Pick list", [], COLUMNS, rows, "Page {page} of {pages}").as_pdf())
    assert len(pages) == 4
    assert all("SKU Lot Units Counted" in page for page in pages)
    assert "Page 4 of 4" in pages[3]
    assert [f"SKU-{number} " in "\n".join(pages).replace("\r", "") for number in range(100)] == [True] * 100


def test_what_makes_papers_may_end_at_any_time() -> None:
    paper = Paper("A", [], COLUMNS, [["TEA-100", "", "1", ""]])
    assert len(_pages(paper.as_pdf())) == 1
    process = paper_module._MAKER._process
    assert process is not None
    assert len(_pages(paper.as_pdf())) == 1
    assert paper_module._MAKER._process is process
    process.kill()
    assert len(_pages(paper.as_pdf())) == 1


def test_a_paper_that_cannot_be_made_says_why_and_the_next_one_is_made() -> None:
    with pytest.raises(StockkeeperError, match="the PDF can't be made: "):
        Paper("A", [], [], [["TEA-100"]]).as_pdf()
    assert len(_pages(Paper("A", [], COLUMNS, [["TEA-100", "", "1", ""]]).as_pdf())) == 1


async def test_a_purchase_order_is_printed_with_its_lines_and_total(
    console: AtTheConsole, purchasing: Purchasing, shop: Shop, number: str
) -> None:
    item = shop.item(0)
    await purchasing.draft(number, shop.supplier("orders@supplier.example"), [(item, 2_400)])
    ada = await console.person("ada", [Role.LOOK])
    answered = await ada.http.get(f"/inbox/po/{number}/print.pdf")
    assert (answered.status_code, answered.headers["content-type"]) == (200, "application/pdf")
    (text,) = _pages(answered.content)
    assert text.count("2,400 1.00 2,400.00") == 1
    assert "Total 2,400.00" in text.replace("\r\n", " ")
    assert "supplier.example" not in text
