"""The rule for the instant at which goods moved, for clients that check it before they send it."""

from stockkeeper.domain.effective_time import why_not_past

__all__ = ["why_not_past"]
