"""Papers as PDF, read back as a printer's driver would."""

import pypdfium2

from starter.console.paper import Column, Paper

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
