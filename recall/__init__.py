"""Picture-word and picture-sentence matching; embeddings; the index; styles."""

import stylecast  # noqa: F401  (checks that the packages come from one checkout)
