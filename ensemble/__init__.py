"""Weights searched on validation, blending, batch scoring: leaderboard and report."""

import stylecast  # noqa: F401  (checks that the packages come from one checkout)
