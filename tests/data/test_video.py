"""A video gives one frame, or a reason why it gives none."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from data import video
from data.posts import Posts
from data.prepare import PrepareConfig, main
from data.video import is_video, open_frame

MOST = 10_000_000


def clip(path: Path, frames: int, rate: int = 10, kind: str = "MJPG") -> Path:
    """Frame n is as bright as n, and its left half is black."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*kind), rate, (64, 48))
    assert writer.isOpened()
    for number in range(frames):
        frame = np.full((48, 64, 3), number, np.uint8)
        frame[:, :32] = 0
        writer.write(frame)
    writer.release()
    return path


def brightness(frame: np.ndarray) -> float:
    return float(frame[:, 40:].mean())


@pytest.mark.parametrize(("kind", "suffix"), [("MJPG", ".avi"), ("mp4v", ".mp4"), ("VP80", ".webm")])
def test_the_frame_at_15_s_or_the_middle_one(kind: str, suffix: str, tmp_path: Path) -> None:
    late = open_frame(clip(tmp_path / f"late{suffix}", 200, kind=kind), MOST)
    assert late.shape == (48, 64, 3)
    assert brightness(late) == pytest.approx(150, abs=4)
    short = open_frame(clip(tmp_path / f"short{suffix}", 80, kind=kind), MOST)
    assert brightness(short) == pytest.approx(40, abs=4)


def test_a_clip_that_does_not_tell_its_length_is_walked_through(tmp_path: Path) -> None:
    assert brightness(video._walk(clip(tmp_path / "late.avi", 200), MOST)) == pytest.approx(150, abs=4)
    assert brightness(video._walk(clip(tmp_path / "short.avi", 80), MOST)) == pytest.approx(40, abs=4)


def test_what_is_no_video_is_told(tmp_path: Path) -> None:
    playlist = tmp_path / "list.mp4"
    playlist.write_text(f"#EXTM3U\n#EXTINF:1,\n{clip(tmp_path / 'a.avi', 20)}\n")
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(clip(tmp_path / "b.mp4", 50, kind="mp4v").read_bytes()[:2000])
    for path, told in ((playlist, "not that of a video"), (cut, "no video stream"), (tmp_path / "a.avi", "are more")):
        with pytest.raises(ValueError, match=told):
            open_frame(path, 100 if path.name == "a.avi" else MOST)
    assert is_video("x/CLIP.MP4")
    assert not is_video("x/mp4.jpg")


def test_posts_with_videos(tmp_path: Path) -> None:
    folder = tmp_path / "posts"
    folder.mkdir()
    clip(tmp_path / "outside.avi", 30)
    clip(folder / "a.avi", 200)
    (folder / "b.mp4").write_bytes(b"nothing of a video")
    rows = [("p", "a.avi"), ("q", "b.mp4"), ("r", "../outside.avi"), ("s", "none.mov")]
    pd.DataFrame(rows, columns=["post_id", "images"]).assign(title="红色 连衣裙").to_csv(folder / "t.csv", index=False)
    posts = Posts.load(main(PrepareConfig(posts=folder / "t.csv", out=tmp_path / "run", workers=1)))
    assert posts.pictures["path"].tolist() == ["a.avi"]
    assert posts.images[0, 32, 48].mean() == pytest.approx(150, abs=4)
    told = pd.read_csv(tmp_path / "run" / "rejected.csv").set_index("value")["reason"]
    assert told["b.mp4"].startswith("unreadable video (ValueError: its content is not that of a video file")
    assert told["../outside.avi"] == "path outside the image root"
    assert told["none.mov"] == "no such file"
