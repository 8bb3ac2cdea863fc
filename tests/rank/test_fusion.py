"""The fusion-LSTM as a forecaster: trained, stored, resumed, and told nothing of the future."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from data.panel import Panel
from data.shares import reference_shares, target_shares, to_share
from rank.bags import Bags
from rank.fusion_config import RECIPES, FusionConfig
from rank.fusion_forecast import FusionForecaster
from rank.fusion_inputs import Reader
from rank.fusion_train import Examples, fit_fusion
from rank.lead import lead_of
from rank.look import Look
from stylecast.errors import UserError
from stylecast.world import World
from tests.rank.leading import TARGET, TINY, make_bags, make_panel, origins_of

ALONE = World(0, 1, 0, torch.device("cpu"))
NONE = pd.DatetimeIndex([])


def fit(panel: Panel, bags: Bags | None, folder: Path, config: FusionConfig = TINY) -> FusionForecaster:
    train, valid = origins_of(panel, 30, 130, 6), origins_of(panel, 150, 180, 10)
    return fit_fusion(panel, bags, TARGET, config, train, valid, ALONE, folder)


@pytest.mark.parametrize("sides", [("picture",), ("text",), ("picture", "text"), ()])
def test_any_modality_may_be_absent(sides: tuple[str, ...], tmp_path: Path) -> None:
    panel = make_panel()
    bags = make_bags(panel, sides=sides) if sides else None
    forecaster = fit(panel, bags, tmp_path)
    frame = forecaster.predict(panel, bags, panel.days[[200]])
    assert frame["style"].tolist() == list(panel.styles)
    assert np.isfinite(frame["growth"]).all()
    assert frame[["p_down", "p_flat", "p_up"]].sum(axis=1).to_numpy() == pytest.approx(1.0)
    assert frame["p_hot"].between(0, 1).all()
    if sides:
        with pytest.raises(UserError, match="train again"):
            forecaster.predict(panel, None, panel.days[[200]])


def test_the_future_changes_no_forecast(tmp_path: Path) -> None:
    panel, origin = make_panel(), 185
    bags = make_bags(panel)
    after = np.arange(len(panel.days)) > origin
    count_ST = np.where(after, panel.count_ST[::-1] + 5, panel.count_ST)
    numeric = {name: np.where(after, -values_ST, values_ST) for name, values_ST in panel.numeric.items()}
    other = replace(panel, count_ST=count_ST, total_T=count_ST.sum(axis=0), numeric=numeric)
    late_N = ~bags.until(origin)
    pictures = np.where(late_N[np.argsort(bags.picture_N)][:, None], 7.0, bags.pictures).astype(np.float32)
    other_bags = replace(bags, pictures=pictures, engagement_N=np.where(late_N, 9.0, bags.engagement_N))
    forecaster = fit(panel, bags, tmp_path)
    forecaster.shrink = 1.0
    asked = panel.days[[160, origin]]
    pd.testing.assert_frame_equal(
        forecaster.predict(panel, bags, asked), forecaster.predict(other, other_bags, asked), check_exact=True
    )
    # Beyond the origin the two differ: the test can fail.
    later = panel.days[[210]]
    difference = (
        forecaster.predict(panel, bags, later)["growth"] - forecaster.predict(other, other_bags, later)["growth"]
    )
    assert difference.abs().max() > 1e-3


def test_what_else_is_asked_changes_nothing(tmp_path: Path) -> None:
    panel = make_panel()
    bags = make_bags(panel)
    forecaster = fit(panel, bags, tmp_path)
    alone = forecaster.predict(panel, bags, panel.days[[190]])
    among = forecaster.predict(panel, bags, panel.days[[200, 190, 170]])
    among = among[among["origin"] == panel.days[190]].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, among, check_exact=True)


def test_a_style_without_posts_gets_a_forecast(tmp_path: Path) -> None:
    panel = make_panel()
    panel.count_ST[4] = 0.0
    panel = replace(panel, total_T=panel.count_ST.sum(axis=0))
    bags = make_bags(panel)
    frame = fit(panel, bags, tmp_path).predict(panel, bags, panel.days[[200]])
    assert frame.set_index("style").loc["s4"].drop("origin").astype(float).notna().all()


def test_same_seed_same_numbers_and_the_folder_gives_them_back(tmp_path: Path) -> None:
    panel = make_panel()
    bags, asked = make_bags(panel), panel.days[[200]]
    config = replace(TINY, members=2)
    one, two = (fit(panel, bags, tmp_path / name, config) for name in ("a", "b"))
    frame = one.predict(panel, bags, asked)
    pd.testing.assert_frame_equal(frame, two.predict(panel, bags, asked), check_exact=True)
    one.save(tmp_path)
    loaded = FusionForecaster.load(tmp_path)
    assert (loaded.config, loaded.target, loaded.scaler) == (config, TARGET, one.scaler)
    pd.testing.assert_frame_equal(frame, loaded.predict(panel, bags, asked), check_exact=True)
    (tmp_path / "fusion.safetensors").write_bytes(b"damaged")
    with pytest.raises(UserError, match="--force"):
        FusionForecaster.load(tmp_path)


def test_a_killed_training_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    panel = make_panel()
    config = replace(TINY, loop=replace(TINY.loop, checkpoint_seconds=0.0))
    whole = fit(panel, None, tmp_path / "whole", config)
    calls, batch = [0], Examples.batch

    def killed(self: Examples, index: np.ndarray, generator: torch.Generator) -> dict[str, Tensor]:
        calls[0] += 1
        if calls[0] == 5:
            raise KeyboardInterrupt
        return batch(self, index, generator)

    with monkeypatch.context() as patch:
        patch.setattr(Examples, "batch", killed)
        with pytest.raises(KeyboardInterrupt):
            fit(panel, None, tmp_path / "killed", config)
    resumed = fit(panel, None, tmp_path / "killed", config)
    for name, value in whole.nets[0].state_dict().items():
        assert torch.equal(value, resumed.nets[0].state_dict()[name]), name


def test_labels_that_are_not_known_are_refused(tmp_path: Path) -> None:
    panel = make_panel()
    early, late = origins_of(panel, 30, 100, 10), panel.days[[210]]
    with pytest.raises(ValueError, match="not complete"):
        fit_fusion(panel, None, TARGET, TINY, early, late, ALONE, tmp_path)
    with pytest.raises(ValueError, match="not known by the validation"):
        fit_fusion(panel, None, TARGET, TINY, panel.days[[50, 90]], panel.days[[104]], ALONE, tmp_path)
    with pytest.raises(UserError, match="no training origin"):
        fit_fusion(panel, None, TARGET, TINY, NONE, panel.days[[100]], ALONE, tmp_path)
    with pytest.raises(UserError, match="too short"):
        fit_fusion(panel, None, TARGET, TINY, panel.days[[50, 51]], NONE, ALONE, tmp_path)


def test_without_validation_the_last_tenth_is_held_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    panel = make_panel()
    asked: list[pd.DatetimeIndex] = []
    windows = Reader.windows

    def told(self: Reader, origins: pd.DatetimeIndex, training: bool = False) -> object:
        asked.append(origins)
        return windows(self, origins, training)

    monkeypatch.setattr(Reader, "windows", told)
    fit_fusion(panel, None, TARGET, TINY, origins_of(panel, 30, 130, 5), NONE, ALONE, tmp_path)
    # 20 origins: 2 are held out (days 120, 125); from day 105 on the target ends at day 120 or before.
    assert [panel.days.get_indexer(x).tolist() for x in asked] == [list(range(30, 106, 5)), [120, 125]]


@pytest.mark.parametrize("name", list(RECIPES))
def test_recipes_fit_every_granularity(name: str) -> None:
    config = RECIPES[name]()
    assert config.width % config.heads == 0
    assert config.for_granularity("day") is config
    assert config.for_granularity("week").step_days == 7
    month = config.for_granularity("month")
    assert (month.step_days, month.history_days >= 720) == (30, True)
    assert month.for_granularity("month") is month


def skill(panel: Panel, bags: Bags | None, forecaster: FusionForecaster, origins: pd.DatetimeIndex) -> float:
    """1 - MAE of share / that of the last share."""
    growth_OS = forecaster.predict(panel, bags, origins)["growth"].to_numpy().reshape(len(origins), -1)
    reference_OS, half_O = reference_shares(panel, TARGET, origins)
    truth_OS = target_shares(panel, TARGET, origins)
    error = np.abs(to_share(growth_OS, reference_OS, half_O[:, None]) - truth_OS).mean()
    return float(1 - error / np.abs(reference_OS - truth_OS).mean())


def test_it_learns_that_engagement_leads(tmp_path: Path) -> None:
    panel = make_panel(days=330, styles=8)
    loop = replace(TINY.loop, epochs=15, max_steps=0, batch_size=64, lr=5e-3, patience=5)
    config = replace(TINY, start="last", width=16, dropout=0.1, spans=(1, 3, 7), loop=loop)
    train, valid = origins_of(panel, 30, 220, 3), origins_of(panel, 236, 265, 6)  # 512 windows
    forecaster = fit_fusion(panel, None, TARGET, config, train, valid, ALONE, tmp_path)
    assert skill(panel, None, forecaster, origins_of(panel, 282, 314, 4)) > 0.3


def test_it_learns_what_pictures_show(tmp_path: Path) -> None:
    """Likes say nothing here; the pictures of a style turn before its share does."""
    panel = make_panel(days=330, styles=8)
    bags = make_bags(panel, sides=("picture",))
    told_ST = panel.numeric["likes_log"] / np.maximum(panel.count_ST, 1) - 4
    cell_N = np.repeat(np.arange(told_ST.size), np.diff(bags.offset_C))
    assert bags.pictures is not None
    pictures = bags.pictures * 0.3
    pictures[bags.picture_N, 0] += told_ST.ravel()[cell_N].astype(np.float32)
    pictures /= np.linalg.norm(pictures, axis=1, keepdims=True)
    bags, panel = replace(bags, pictures=pictures), replace(panel, numeric={})
    loop = replace(TINY.loop, epochs=15, max_steps=0, batch_size=64, lr=5e-3, patience=5)
    config = replace(TINY, start="last", width=16, dropout=0.1, spans=(1, 3, 7), loop=loop)
    train, valid, test = origins_of(panel, 30, 220, 3), origins_of(panel, 236, 265, 6), origins_of(panel, 282, 314, 4)
    blind = fit_fusion(panel, None, TARGET, config, train, valid, ALONE, tmp_path / "blind")
    seeing = fit_fusion(panel, bags, TARGET, config, train, valid, ALONE, tmp_path / "seeing")
    assert skill(panel, bags, seeing, test) > skill(panel, None, blind, test) + 0.1


# The record of engagement


def test_the_record_of_engagement_matches_the_slow_way() -> None:
    panel = make_panel(days=300)
    reader = Reader(panel, None, TARGET, TINY)
    look = Look(reader.sums, TARGET, panel.days[250], TARGET.period(panel.days[250]))
    lead = lead_of(look, ("likes_log",))
    count_ST, likes_ST = panel.count_ST, panel.numeric["likes_log"]
    levels, came = [], []
    for day in range(250, 26, -7):
        if day + 15 > 250:
            continue
        span = slice(day - 27, day + 1)
        mean = likes_ST[:, span].sum() / count_ST[:, span].sum()
        counts_S = count_ST[:, span].sum(axis=1)
        levels.append((likes_ST[:, span].sum(axis=1) - counts_S * mean) / (counts_S + 3))
        target = slice(day + 10, day + 16)
        came.append(np.log((count_ST[:, target].sum(axis=1) + 0.5) / panel.total_T[target].sum()))
    assert lead.weeks_S.tolist() == [len(levels)] * 5
    for style in range(5):
        expected = np.corrcoef(np.array(levels)[:, style], np.array(came)[:, style])[0, 1]
        assert lead.correlation_S[style] == pytest.approx(expected, abs=1e-6)
    assert np.abs(lead_of(look, ()).toward(np.zeros(5))).max() == 0.0
