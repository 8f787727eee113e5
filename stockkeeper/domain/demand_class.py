"""Words of planning: how an item's demand comes, by which method its point was found, and what a level is a part of."""

from enum import StrEnum

INTERVAL_CUT = 1.32
"""Days from one day with demand to the next, on average, from which demand is intermittent or lumpy."""
SIZE_CUT = 0.49
"""Squared coefficient of variation of the days with demand, from which demand is erratic or lumpy."""


class DemandClass(StrEnum):
    """How demand comes, by Syntetos, Boylan and Croston.

    "On the categorization of demand patterns", Journal of the Operational Research Society 56 (2005). The cuts are
    theirs.
    """

    SMOOTH = "smooth"
    """Nearly every day, about the same number of units."""
    ERRATIC = "erratic"
    """Nearly every day, very different numbers of units."""
    INTERMITTENT = "intermittent"
    """On few days, about the same number of units."""
    LUMPY = "lumpy"
    """On few days, very different numbers of units."""


class PlanMethod(StrEnum):
    """How the point was found."""

    SEED = "seed"
    """d · L + Z · s · √L, the seed's formula."""
    NORMAL = "normal"
    """Demand until the goods are there, the undershoot with it, is normal."""
    GAMMA = "gamma"
    """It is skewed to the right: a gamma distribution with its mean, deviation and skewness (Pearson's type III)."""


class ServiceMeasure(StrEnum):
    """What the level that is asked for is a part of."""

    CYCLE = "cycle"
    """Cycles, from one delivery to the next, in which no customer is refused (Silver, Pyke and Thomas's P1)."""
    FILL = "fill"
    """Units wanted that are sold (their P2)."""
