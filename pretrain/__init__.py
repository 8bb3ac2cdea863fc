"""Picture encoders, trained on tags (multi-label) and captions."""

import stylecast  # noqa: F401  (checks that the packages come from one checkout)
