"""Picture encoders, trained on tags (multi-label) and captions."""

from typing import TYPE_CHECKING

import stylecast  # noqa: F401  (checks that the packages come from one checkout)
from stylecast.lazy import on_demand

if TYPE_CHECKING:
    from pretrain.encoder import EncoderConfig, PixelEncoder
    from pretrain.regions import RegionConfig, RegionEncoder
    from pretrain.vocabulary import Vocabulary

__all__ = ["EncoderConfig", "PixelEncoder", "RegionConfig", "RegionEncoder", "Vocabulary"]

__getattr__, __dir__ = on_demand(
    __name__,
    {
        "EncoderConfig": "pretrain.encoder",
        "PixelEncoder": "pretrain.encoder",
        "RegionConfig": "pretrain.regions",
        "RegionEncoder": "pretrain.regions",
        "Vocabulary": "pretrain.vocabulary",
    },
)
