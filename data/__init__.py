"""Posts in, validated; pictures, text, panels, windows and splits; the sample world."""

import stylecast  # noqa: F401  (checks that the packages come from one checkout)
