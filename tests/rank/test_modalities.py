from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from data.panel import Panel
from data.posts import Posts
from data.windows import Split, Target, split_origins
from rank.bags import Bags
from rank.boost import BoostMember
from rank.fusion import SetEncoder
from rank.fusion_config import RECIPES
from rank.fusion_forecast import FusionForecaster
from rank.member import Question
from rank.modalities import Modality, Sources, bags_of, choose_modalities, panel_read, read_bags, text_vectors
from rank.stored import load_backtest
from rank.train import RankConfig
from rank.train import main as rank
from stylecast.errors import UserError
from stylecast.runs import load_manifest
from tests.rank.runs import make_posts, make_runs
from tests.rank.world import make_panel

TINY = RECIPES["tiny"]()
WHOLE = Sources(recall=Path("recall"), garment=Path("garment"))


@pytest.mark.parametrize(
    ("named", "sources", "read"),
    [
        ((), WHOLE, ("picture", "garment", "text", "numbers")),
        ((), Sources(recall=Path("recall")), ("picture", "text", "numbers")),
        ((), Sources(), ("text", "numbers")),
        (("numbers", "picture"), WHOLE, ("picture", "numbers")),
        (("garment",), WHOLE, ("garment",)),
    ],
)
def test_all_that_are_there_unless_named(
    named: tuple[Modality, ...], sources: Sources, read: tuple[Modality, ...]
) -> None:
    assert choose_modalities(named, sources, make_panel(days=100)) == read


def test_what_is_not_there_cannot_be_named() -> None:
    panel = make_panel(days=100)
    bare = replace(panel, numeric={})
    assert choose_modalities((), Sources(), bare) == ("text",)
    for named, sources, given, told in (
        (("picture",), Sources(), panel, "picture: needs --recall"),
        (("garment",), Sources(recall=Path("recall")), panel, "garment: needs --garment"),
        (("numbers",), Sources(), bare, "neither likes"),
        (("text", "text"), Sources(), panel, "stands twice"),
    ):
        with pytest.raises(UserError, match=told):
            choose_modalities(named, sources, given)  # type: ignore[arg-type]


def test_styles_of_pictures_alone_have_no_texts_to_read(tmp_path: Path) -> None:
    posts = Posts(pd.DataFrame({"post_id": ["a"], "words": ["红 裙"]}), pd.DataFrame(), np.zeros((0, 2, 2, 3)))
    with pytest.raises(UserError, match="--modalities numbers"):
        text_vectors(Sources(styles=tmp_path), posts)


def test_garments_need_a_run_that_saw_garments(tmp_path: Path) -> None:
    runs = make_runs(tmp_path, make_posts(count=300, days=60))
    panel = Panel.read(runs["styles"] / "panel.parquet", granularity="day")
    sources = Sources(styles=runs["styles"], posts=runs["posts"], recall=runs["recall"], garment=runs["garment"])
    bags = read_bags(sources, panel, ("garment", "numbers"))
    assert bags is not None
    assert list(bags.sides) == ["garment"]
    with pytest.raises(UserError, match=r"whole pictures.*--view garment"):
        read_bags(replace(sources, garment=runs["recall"]), panel)
    assert read_bags(sources, panel, ("numbers",)) is None


# Bags


def world_of(folder: Path, ids: list[str]) -> tuple[Sources, Posts, Panel]:
    """Two posts, the first with two pictures; assignments by picture or by post."""
    post_of = {"a/0": "a", "a/1": "a", "b/0": "b", "a": "a", "b": "b"}
    day = pd.Timestamp("2024-01-01")
    frame = pd.DataFrame(
        {"id": ids, "post_id": [post_of[i] for i in ids], "time": day, "style": "s", "emerging": False}
    )
    frame.to_parquet(folder / "assignments.parquet")
    pictures = pd.DataFrame({"picture_id": ["a/0", "a/1", "b/0"], "post_id": ["a", "a", "b"]})
    posts = Posts(pd.DataFrame({"post_id": ["a", "b"], "likes": [3.0, 8.0]}), pictures, np.zeros((3, 2, 2, 3)))
    panel = Panel.from_frame(pd.DataFrame({"style": "s", "date": [day], "count": 2.0}), granularity="day")
    return Sources(styles=folder), posts, panel


PICTURES = (["a/0", "a/1", "b/0"], np.eye(3, dtype=np.float32))
TEXTS = (["a", "b"], np.eye(2, dtype=np.float32))


@pytest.mark.parametrize("ids", [["a/0", "a/1", "b/0"], ["a", "b"]])
def test_pictures_are_found_for_styles_of_pictures_and_of_texts(ids: list[str], tmp_path: Path) -> None:
    bags = bags_of(*world_of(tmp_path, ids), {"picture": PICTURES, "garment": PICTURES, "text": TEXTS})
    assert bags.picture_N.tolist() == bags.garment_N.tolist() == [0, 1, 2]
    assert bags.text_N.tolist() == [0, -1, 1]
    assert bags.engagement_N == pytest.approx(np.log1p([3, 3, 8]))
    assert list(bags.sides) == ["picture", "garment", "text"]
    found_RD, there_R = bags.read("garment", np.array([2, 0]))
    assert found_RD.tolist() == [[0, 0, 1], [1, 0, 0]]
    assert there_R.all()


def test_texts_alone_count_once_a_post(tmp_path: Path) -> None:
    bags = bags_of(*world_of(tmp_path, ["a/0", "a/1", "b/0"]), {"text": TEXTS})
    assert bags.text_N.tolist() == [0, 1]


def test_sets_tell_no_engagement_where_numbers_are_left_out(tmp_path: Path) -> None:
    bags = bags_of(*world_of(tmp_path, ["a", "b"]), {"text": TEXTS}, engagement=False)
    assert np.isnan(bags.engagement_N).all()


def test_vectors_of_other_pictures_are_refused(tmp_path: Path) -> None:
    other = (["x/0"], np.ones((1, 3), dtype=np.float32))
    with pytest.raises(UserError, match=r"garment vector.*no id in common"):
        bags_of(*world_of(tmp_path, ["a/0", "b/0"]), {"picture": PICTURES, "garment": other})


def test_a_cut_keeps_garments(tmp_path: Path) -> None:
    bags: Bags = bags_of(*world_of(tmp_path, ["a/0", "b/0"]), {"garment": PICTURES})
    assert bags.cut(1).garment_N.tolist() == [0, 2]
    assert bags.cut(1).garments is bags.garments


# Three sides


def test_garments_are_looked_at_by_pictures_and_texts() -> None:
    """With the garments' own pooled output cut off, they still reach the set through the others' attention."""
    torch.manual_seed(0)
    encoder = SetEncoder({"picture": 6, "garment": 5, "text": 4}, TINY).eval()
    there = {f"{side}_there": torch.ones(3, dtype=torch.bool) for side in ("picture", "garment", "text")}
    batch = {"picture": torch.randn(3, 6), "garment": torch.randn(3, 5), "text": torch.randn(3, 4), **there,
             "engagement": torch.zeros(3), "place": torch.tensor([[1, 2], [3, 0]])}  # fmt: skip
    block = TINY.width + 1
    with torch.no_grad():
        encoder.join.weight[:, block : 2 * block] = 0.0
    before = encoder(batch)
    other = {**batch, "garment": batch["garment"].clone()}
    other["garment"][0] *= -1
    after = encoder(other)
    assert (before[0] - after[0]).abs().max() > 1e-4
    assert torch.equal(before[1], after[1])
    hidden = {**other, "garment_there": torch.tensor([False, True, True])}
    torch.testing.assert_close(encoder(hidden), encoder({**hidden, "garment": batch["garment"]}), rtol=0, atol=0)


# All members


def test_without_numbers_no_member_reads_them() -> None:
    panel = make_panel(days=220, styles=4)
    target = Target.parse("days:10-15")
    split: Split = split_origins(panel, target, 2, 2)
    loud = replace(panel, numeric={name: values_ST * 9 for name, values_ST in panel.numeric.items()})
    loud.numeric["likes"][0, 120:] += 500.0

    def growth(given: Panel, modalities: tuple[Modality, ...]) -> np.ndarray:
        return BoostMember().answer(Question(panel_read(given, modalities), target, split)).growth_OS

    assert np.array_equal(growth(panel, ("text",)), growth(loud, ("text",)))
    assert not np.array_equal(growth(panel, ("text", "numbers")), growth(loud, ("text", "numbers")))


def test_the_stage_reads_what_is_named_and_keeps_every_head(tmp_path: Path) -> None:
    runs = make_runs(tmp_path, make_posts(count=900, days=150))
    config = RankConfig(
        styles=runs["styles"], posts=runs["posts"], recall=runs["recall"], garment=runs["garment"],
        target="days:10-15", test_origins=2, validation_origins=1, members=("fusion-lstm",),
        modalities=("garment", "text"), fusion=replace(TINY, hot_part=0.5), out=tmp_path / "rank",
    )  # fmt: skip
    rank(config)
    assert load_manifest(config.out, "rank")["metrics"]["modalities"] == ["garment", "text"]
    forecaster = FusionForecaster.load(config.out / "fusion-lstm" / "latest")
    assert (forecaster.numbers, list(forecaster.sides)) == ((), ["garment", "text"])
    panel = Panel.read(runs["styles"] / "panel.parquet", granularity="day")
    backtest = load_backtest(config.out, panel)
    assert backtest.hot_part == 0.5
    number = backtest.models.index("fusion-lstm")
    assert ((backtest.hot_MOS[number] > 0) & (backtest.hot_MOS[number] < 1)).all()
    np.testing.assert_allclose(backtest.classes_MOSC[number].sum(axis=-1), 1.0, atol=1e-6)
    with pytest.raises(UserError, match="picture: needs --recall"):
        rank(replace(config, recall=None, modalities=("picture",), out=tmp_path / "other"))
