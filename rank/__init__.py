"""Forecasters of a style's share: fusion-LSTM, LightGBM, the ladder of simple rules; backtests."""

from typing import TYPE_CHECKING

import stylecast  # noqa: F401  (checks that the packages come from one checkout)
from stylecast.lazy import on_demand

if TYPE_CHECKING:
    from rank.backtest import Backtest
    from rank.boost import BoostConfig
    from rank.fusion_config import FusionConfig

__all__ = ["Backtest", "BoostConfig", "FusionConfig"]

__getattr__, __dir__ = on_demand(
    __name__, {"Backtest": "rank.backtest", "BoostConfig": "rank.boost", "FusionConfig": "rank.fusion_config"}
)
