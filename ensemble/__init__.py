"""Weights searched on validation, blending, batch scoring: leaderboard and report."""

from typing import TYPE_CHECKING

import stylecast  # noqa: F401  (checks that the packages come from one checkout)
from stylecast.lazy import on_demand

if TYPE_CHECKING:
    from ensemble.forecaster import ShareForecaster

__all__ = ["ShareForecaster"]

__getattr__, __dir__ = on_demand(__name__, {"ShareForecaster": "ensemble.forecaster"})
