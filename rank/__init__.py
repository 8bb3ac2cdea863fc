"""Forecasters of a style's share: fusion-LSTM, LightGBM, the ladder of simple rules; backtests."""

import stylecast  # noqa: F401  (checks that the packages come from one checkout)
