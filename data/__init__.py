"""Posts in, validated; pictures, text, panels, windows and splits; the sample world."""

from typing import TYPE_CHECKING

import stylecast  # noqa: F401  (checks that the packages come from one checkout)
from stylecast.lazy import on_demand

if TYPE_CHECKING:
    from data.panel import Panel
    from data.posts import Posts
    from data.windows import Target

__all__ = ["Panel", "Posts", "Target"]

__getattr__, __dir__ = on_demand(__name__, {"Panel": "data.panel", "Posts": "data.posts", "Target": "data.windows"})
