"""The sample world's folder: the same bytes again, tables that agree, nothing left behind."""

import hashlib
import json
import math
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

import data.sample as sample
import data.sample_chunks as sample_chunks
from data.sample import SampleConfig, main
from data.sample_camera import damage
from data.sample_pictures import draw_picture, draw_scene
from data.sample_posts import Plan
from data.sample_styles import Style
from stylecast.errors import UserError

SMALL = SampleConfig(posts=500, days=400, seed=3, workers=1, picture_size=64)


def hashes(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return main(replace(SMALL, out=tmp_path_factory.mktemp("sample") / "world"))


def test_same_bytes_whatever_the_workers(world: Path, tmp_path: Path) -> None:
    again = main(replace(SMALL, out=tmp_path / "again", workers=2))
    assert len(hashes(world)) > 600
    assert hashes(world) == hashes(again)


def test_same_bytes_whatever_the_chunks_and_another_seed_differs(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample_chunks, "CHUNK", 77)
    assert hashes(main(replace(SMALL, out=tmp_path / "again"))) == hashes(world)
    other = hashes(main(replace(SMALL, out=tmp_path / "other", seed=4)))
    assert other["posts.csv"] != hashes(world)["posts.csv"]


def test_tables_agree_with_each_other_and_with_what_sample_json_tells(world: Path) -> None:
    posts = pd.read_csv(world / "posts.csv", dtype=str, keep_default_na=False)
    truth = pd.read_csv(world / "truth" / "posts.csv")
    pictures = pd.read_csv(world / "truth" / "pictures.csv")
    told = json.loads((world / "sample.json").read_text(encoding="utf-8"))["counts"]
    assert list(posts.columns) == list(sample.POST_COLUMNS)
    assert told["posts"] == truth["post_id"].nunique() == len(truth) == 500
    assert told["rows"] == len(posts)
    assert told["duplicate rows"] == posts["post_id"].duplicated().sum()
    assert told["rows without a year"] == (~posts["time"].str.match(r"\d{4}-")).sum()
    assert told["pictures"] == len(pictures)
    unique = posts.drop_duplicates("post_id")
    named = unique["images"].str.split(";").explode()
    assert list(named) == list(pictures["path"])
    assert all((world / path).is_file() for path in named)
    style_of = truth.set_index("post_id")["style"]
    other = pictures["style"].to_numpy() != style_of.loc[pictures["post_id"]].to_numpy()
    assert told["pictures of another style"] == other.sum()


def test_expected_shares_sum_to_one_each_day(world: Path) -> None:
    shares = pd.read_csv(world / "truth" / "shares.csv")
    assert shares["date"].nunique() == 400
    for column in ("expected_share", "drawn_share"):
        assert shares.groupby("date")[column].sum().to_numpy() == pytest.approx(1, abs=1e-6)


def test_styles_table_names_birth_death_and_a_query_of_known_words(world: Path) -> None:
    styles = pd.read_csv(world / "truth" / "styles.csv", dtype=str, keep_default_na=False)
    shares = pd.read_csv(world / "truth" / "shares.csv").pivot(index="date", columns="style", values="drawn_share")
    assert (styles["born"] > SMALL.start).any()
    assert (styles["died"] != "").any()
    for row in styles.itertuples():
        assert 2 <= len(row.query.split()) <= 3
        assert set(row.query.split()) <= set(row.words.split())
        share = shares[row.style]
        assert (share[share.index < row.born] < 1e-8).all()
        if row.died:
            assert (share[share.index >= row.died] < 1e-8).all()


def test_pictures_decode_and_corrupt_ones_are_marked(world: Path) -> None:
    pictures = pd.read_csv(world / "truth" / "pictures.csv")
    assert set(pictures["kind"]) == {"whole", "near-empty", "corrupt"}
    spread: dict[str, list[float]] = {"whole": [], "near-empty": []}
    for row in pictures.itertuples():
        data = (world / row.path).read_bytes()
        whole = data[:2] == b"\xff\xd8" and data[-2:] == b"\xff\xd9"
        assert whole == (row.kind != "corrupt")
        if whole:
            image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
            assert image is not None
            assert image.shape == (64, 64, 3)
            spread[row.kind].append(float(image.std()))
    assert max(spread["near-empty"]) < min(spread["whole"])


def test_styles_look_different(plan: Plan) -> None:
    """Pictures of one style are nearer to their own mean silhouette and colour than to others', mostly."""
    rng = np.random.default_rng(0)

    def vectors(style: Style, count: int) -> np.ndarray:
        images = [draw_picture(style, draw_scene(rng, 0), 48, rng) for _ in range(count)]
        return np.stack([cv2.resize(image, (12, 12), interpolation=cv2.INTER_AREA).ravel() for image in images])

    chosen = [plan.styles[k] for k in (0, 2, 6, 8, 13, 15)]
    means = np.stack([vectors(style, 40).mean(axis=0) for style in chosen])
    hits = [
        np.argmin(((means[None] - vectors(style, 25)[:, None]) ** 2).sum(-1), axis=1) == place
        for place, style in enumerate(chosen)
    ]
    assert 0.4 < np.mean(hits) < 0.98  # chance is 0.17; that simple a rule must not be enough either


def test_damage_leaves_no_whole_jpeg() -> None:
    whole = b"\xff\xd8" + bytes(range(200)) * 10 + b"\xff\xd9"
    left = [damage(whole, np.random.default_rng(seed)) for seed in range(60)]
    assert not any(data.startswith(b"\xff\xd8") and data.endswith(b"\xff\xd9") for data in left)
    assert {b""} < set(left)
    assert any(data.startswith(b"\xff\xd8") for data in left)


@pytest.mark.parametrize("blow", [KeyboardInterrupt, RuntimeError])
def test_interrupted_writing_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blow: type[BaseException]
) -> None:
    def fall(*_: object) -> None:
        raise blow

    monkeypatch.setattr(sample, "_write_truth", fall)
    with pytest.raises(blow):
        main(replace(SMALL, out=tmp_path / "world"))
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_is_swept_away(world: Path, tmp_path: Path) -> None:
    (tmp_path / ".world.partial" / "images").mkdir(parents=True)
    (tmp_path / ".world.partial" / "images" / "old.jpg").write_bytes(b"old")
    assert hashes(main(replace(SMALL, out=tmp_path / "world"))) == hashes(world)
    assert [path.name for path in tmp_path.iterdir()] == ["world"]


@pytest.mark.parametrize("content", [None, "{}", "no json", '["a"]'])
def test_refuses_a_folder_that_is_no_sample_world(tmp_path: Path, content: str | None) -> None:
    (tmp_path / "precious.txt").write_text("keep me")
    if content is not None:
        (tmp_path / "sample.json").write_text(content)
    with pytest.raises(UserError, match="not a sample world"):
        main(replace(SMALL, out=tmp_path))
    assert (tmp_path / "precious.txt").read_text() == "keep me"


def test_refuses_a_file(tmp_path: Path) -> None:
    (tmp_path / "world").write_text("a file")
    with pytest.raises(UserError, match="not a sample world"):
        main(replace(SMALL, out=tmp_path / "world"))


def test_keeps_the_same_world_and_replaces_another(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    out = tmp_path / "world"
    caplog.set_level("INFO")
    main(replace(SMALL, out=out))
    before = (out / "sample.json").stat().st_mtime_ns
    main(replace(SMALL, out=out, workers=2))
    assert "kept" in caplog.text
    assert (out / "sample.json").stat().st_mtime_ns == before
    main(replace(SMALL, out=out, seed=9))
    assert "seed 3 → 9" in caplog.text
    assert json.loads((out / "sample.json").read_text(encoding="utf-8"))["config"]["seed"] == 9
    assert [path.name for path in tmp_path.iterdir()] == ["world"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"posts": 499}, "--posts 499"),
        ({"posts": 1_000_001}, "--posts"),
        ({"styles": 1}, "--styles 1"),
        ({"days": 0}, "--days 0"),
        ({"picture_size": 8}, "--picture-size 8"),
        ({"pictures_per_post": math.nan}, "--pictures-per-post nan"),
        ({"seed": -1}, "--seed -1"),
        ({"workers": 0}, "--workers 0"),
        ({"start": "01.01.2021"}, "--start 01.01.2021"),
        ({"start": "2999-01-01"}, "future"),
    ],
)
def test_settings_out_of_range_are_told(tmp_path: Path, changes: dict[str, object], told: str) -> None:
    with pytest.raises(UserError, match=told):
        main(replace(SMALL, out=tmp_path / "world", **changes))  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
