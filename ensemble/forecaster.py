"""Forecasts in a notebook: what `rank` and `ensemble` do with a panel, as an estimator as scikit-learn has them."""

from dataclasses import fields
from pathlib import Path

import pandas as pd
from sklearn.utils.validation import check_is_fitted

from data.panel import Panel
from data.panel_seen import divided
from ensemble.forecast import BacktestSettings, Outcome, forecast_panel, judge, told_weights
from ensemble.record_tables import per_origin, per_style
from rank.stored import load_backtest, save_backtest
from rank.train import RankConfig
from stylecast.config import read_config
from stylecast.errors import UserError
from stylecast.estimator import Configured, as_value_errors
from stylecast.runs import MANIFEST, SAVED, load_config, load_manifest
from stylecast.saved import load_any, save_model

KIND = f"{SAVED}forecaster"
PANEL = "panel.parquet"


class ShareForecaster(Configured, settings=BacktestSettings):
    """Forecasts the shares of styles as `stylecast backtest` does; the parameters are those of its settings.

    Attributes:
        outcome_: everything (`ensemble.forecast.Outcome`): the backtest, weights and intervals.
        record_: how good the forecasts have been: a row a split (validation, test) and model.
        table_: the same as text, against the ladder of simple rules.
        weights_: of each model in the ensemble, and the errors that they rest on.
        origins_: the days that `predict` knows a forecast from.
    """

    def fit(self, X: pd.DataFrame, y: None = None) -> "ShareForecaster":
        """Backtest all forecasters over rolling origins, weigh them on validation, and forecast what is to come.

        Args:
            X: `style, date, count, total` and further numbers, daily, weekly or monthly; or posts, a style and a
                time a row.
            y: not used; it is there by convention.

        Raises:
            ValueError: a parameter is out of range, the panel cannot be read, or its history is too short.
        """
        with as_value_errors():
            settings: BacktestSettings = self.config()
            panel = Panel.of(X, "the frame", settings.style_column, settings.time_column or None)
            panel = divided(panel, settings.partition)
            self._take(forecast_panel(settings, panel, settings.test_origins))
        return self

    def _take(self, outcome: Outcome) -> None:
        self.outcome_ = outcome
        self.record_, self.table_ = outcome.metrics, outcome.table
        self.weights_ = told_weights(outcome)
        split = outcome.backtest.split
        self.origins_ = pd.DatetimeIndex([*split.test, split.latest])

    def predict(self, origin: pd.Timestamp | str | None = None) -> pd.DataFrame:
        """Forecasts of every style, made from an origin: nothing after it was looked at.

        Args:
            origin: the latest by default, whose target is still to come; or one of the test origins.

        Returns:
            The noun `Forecast`: style, origin, target_start, target_end, model (`ensemble`, each member, each rule of
            the ladder), share, its interval (lower, upper and lower_95, upper_95), growth, p_down, p_flat, p_up, p_hot.

        Raises:
            ValueError: no forecast was made from this day.
            sklearn.exceptions.NotFittedError: nothing was fitted.
        """
        check_is_fitted(self)
        asked = self.origins_[-1] if origin is None else pd.Timestamp(origin)
        if asked not in self.origins_:
            told = ", ".join(str(day.date()) for day in self.origins_)
            raise ValueError(f"no forecast was made from {asked.date()}; there are: {told}")
        latest = asked == self.outcome_.backtest.split.latest
        made = self.outcome_.following if latest else self.outcome_.forecast
        return made[made["origin"] == asked].reset_index(drop=True)

    def record_by(self, what: str) -> pd.DataFrame:
        """The record of each `style`, or of each `origin`, by model.

        Raises:
            ValueError: neither.
        """
        check_is_fitted(self)
        told = {"style": per_style, "origin": per_origin}
        if what not in told:
            raise ValueError(f"record_by({what!r}): one of {', '.join(told)}")
        return told[what](self.outcome_.backtest, self.outcome_.walk, self.outcome_.forecast)

    def save_pretrained(self, folder: Path | str) -> None:
        """Write a folder that `from_pretrained` reads; it appears whole or not at all.

        Raises:
            UserError: something else lies there.
            sklearn.exceptions.NotFittedError: there is nothing to save.
        """
        check_is_fitted(self)
        with save_model(Path(folder), KIND, self.config()) as run:
            save_backtest(self.outcome_.backtest, run.folder)
            panel = self.outcome_.backtest.panel
            panel.to_frame().to_parquet(run.folder / PANEL, index=False)
            run.metrics |= self.weights_ | {"granularity": panel.granularity}

    @classmethod
    def from_pretrained(cls, folder: Path | str) -> "ShareForecaster":
        """Read forecasts: what `save_pretrained` or `stylecast rank` wrote; the latter with the styles beside it.

        What `stylecast rank` made of pictures and texts is told as it was made; `fit` knows numbers alone.

        Raises:
            UserError: the folder is missing, damaged or something else, or its styles are not there any more.
        """
        folder = Path(folder)
        manifest = load_any(folder, KIND, "rank")
        if manifest["stage"] == KIND:
            settings = read_config(folder / "config.json", BacktestSettings)
            place, granularity = folder, manifest["metrics"]["granularity"]
        else:
            settings = _settings_of(load_config(folder, RankConfig))
            place, granularity = _styles_of(folder, Path(manifest["inputs"]["styles"]["path"])), "day"
        found = cls(**vars(settings))
        panel = Panel.read(place / PANEL, granularity=granularity)
        found._take(judge(load_backtest(folder, panel), settings.interval))
        return found


def _settings_of(config: RankConfig) -> BacktestSettings:
    """What a run of `rank` was made with, as far as a bare panel knows it."""
    names = {field.name for field in fields(BacktestSettings)}
    mine = {name: value for name, value in vars(config).items() if name in names}
    return BacktestSettings(**mine | {"validation_origins": config.validation_origins or 0})


def _styles_of(rank: Path, told: Path) -> Path:
    for folder in (told, rank.parent / told.name):  # the runs may have moved together
        if (folder / MANIFEST).is_file():
            load_manifest(folder, "styles")
            return folder
    raise UserError(f"{told}: the styles of {rank} are not there any more; put them back, beside the rank run")
