"""Generated texts: for silent posts only, marked, and beside the posts."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from data.posts import Posts
from pretrain.caption import CaptionConfig, filled_words, main
from pretrain.train import PretrainConfig
from pretrain.train import main as pretrain
from stylecast.errors import UserError
from stylecast.runs import identity_of


@pytest.fixture(scope="module")
def captions(posts_run: Path, pretrain_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("captions") / "run"
    return main(CaptionConfig(posts=posts_run, pretrain=pretrain_run, out=out))


def test_silent_posts_and_no_others_get_a_text(captions: Path, posts_run: Path) -> None:
    table = pd.read_parquet(captions / "captions.parquet")
    silent = Posts.load(posts_run).table.query("words == ''")["post_id"]
    assert len(silent) == 15
    assert table["post_id"].tolist() == silent.tolist()
    assert table["generated"].all()
    assert (table["words"].str.split().str.len() >= 1).all()


def test_the_posts_stay_as_they_are(captions: Path, posts_run: Path) -> None:
    posts, before = Posts.load(posts_run), identity_of(posts_run)
    words, generated = filled_words(posts, captions)
    silent = (posts.table["words"] == "").to_numpy()
    assert (generated.to_numpy() == silent).all()
    assert (words[~silent] == posts.table["words"][~silent]).all()
    assert (words[silent] != "").all()
    assert (posts.table["words"][silent] == "").all()
    assert identity_of(posts_run) == before
    plain, none = filled_words(posts, None)
    assert plain.equals(posts.table["words"])
    assert not none.any()


def test_captions_of_other_posts_are_the_users_error(captions: Path, posts_run: Path) -> None:
    posts = Posts.load(posts_run)
    fewer = Posts(posts.table.iloc[1:].reset_index(drop=True), posts.pictures.iloc[1:], posts.images)
    with pytest.raises(UserError, match="of other posts"):
        filled_words(fewer, captions)
    with pytest.raises(UserError, match="not of `caption`"):
        filled_words(posts, posts_run)


def test_a_pretraining_without_captions_cannot_write(
    pretrain_config: PretrainConfig, posts_run: Path, tmp_path: Path
) -> None:
    loop = replace(pretrain_config.loop, max_steps=1)
    run = pretrain(replace(pretrain_config, out=tmp_path / "tags", captions_weight=0.0, loop=loop))
    with pytest.raises(UserError, match="captions-weight"):
        main(CaptionConfig(posts=posts_run, pretrain=run, out=tmp_path / "captions"))
    assert not (tmp_path / "captions").exists()
