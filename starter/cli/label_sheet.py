"""Paper with labels in rows and columns, for ordinary printers."""

from collections.abc import Iterator
from dataclasses import dataclass

from starter.cli.label_layout import Size
from stockkeeper.contracts.errors import InvalidRequest

PAPERS_MM = {"a4": (210.0, 297.0), "letter": (215.9, 279.4)}
_A_HAIR = 1e-6
"""Of a sheet that is full to its edge the sum may be more by rounding."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """Paper with labels.

    Attributes:
        paper: A key of `PAPERS_MM`.
        margin_mm: From the paper's edge to the first label, from the left and from the top; None: in the middle.
        gap_mm: Between two labels, across and down.
    """

    paper: str
    margin_mm: tuple[float, float] | None
    gap_mm: tuple[float, float]

    def places_mm(self, size: Size) -> list[tuple[float, float]]:
        """Where labels of a size begin, row by row, from the left and from the top.

        Raises:
            InvalidRequest: Not one fits.
        """
        width, height = PAPERS_MM[self.paper]
        left, top = self.margin_mm or (None, None)
        across = _begins(width, size.width_mm, self.gap_mm[0], left)
        places = [(x, y) for y in _begins(height, size.height_mm, self.gap_mm[1], top) for x in across]
        if not places:
            label = f"{size.width_mm:g} x {size.height_mm:g} mm"
            raise InvalidRequest(f"--page {self.paper}: no label of {label} fits on it with this margin")
        return places

    def pages(self, size: Size, copies: int) -> Iterator[list[tuple[float, float]]]:
        """The places of so many labels, page by page; raises as `places_mm`."""
        places = self.places_mm(size)
        for done in range(0, copies, len(places)):
            yield places[: copies - done]


def _begins(paper: float, label: float, gap: float, margin: float | None) -> list[float]:
    """Where labels begin along one side; as many as fit."""
    fit = int((paper - (margin or 0) + gap) / (label + gap) + _A_HAIR)
    first = (paper - (fit * (label + gap) - gap)) / 2 if margin is None else margin
    return [first + place * (label + gap) for place in range(fit)]
