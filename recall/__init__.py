"""Picture-word and picture-sentence matching; embeddings; the index; styles."""

from typing import TYPE_CHECKING

import stylecast  # noqa: F401  (checks that the packages come from one checkout)
from stylecast.lazy import on_demand

if TYPE_CHECKING:
    from recall.cluster import ClusterConfig
    from recall.clusterer import StyleClusterer
    from recall.matcher import Matcher, RegionMatcher
    from recall.search import Searcher

__all__ = ["ClusterConfig", "Matcher", "RegionMatcher", "Searcher", "StyleClusterer"]

__getattr__, __dir__ = on_demand(
    __name__,
    {
        "ClusterConfig": "recall.cluster",
        "Matcher": "recall.matcher",
        "RegionMatcher": "recall.matcher",
        "Searcher": "recall.search",
        "StyleClusterer": "recall.clusterer",
    },
)
