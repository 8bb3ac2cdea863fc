"""What `stylecast prepare` lets a user choose about text, and show about one post."""

import json
from pathlib import Path

import pandas as pd
import pytest

from data.key_phrases import read_shares
from data.posts import Posts
from data.prepare import PrepareConfig, command, explain, main
from data.prepare_text import AddWords, TextSettings
from stylecast.__main__ import run_command
from stylecast.errors import UserError

STEPS = """\
post a, line 2
raw          title: 花卉连衣裙这样搭配真的好好看❤️ - 小红书,,05-17,,
             tags: #白茶姐弟 #每日穿搭 #气质连衣裙 #连衣裙 #显瘦连衣裙
emoji        花卉连衣裙这样搭配真的好好看⟨红心⟩ - 小红书,,05-17,,
tags         花卉连衣裙这样搭配真的好好看⟨红心⟩ - 小红书,,05-17,,
             #白茶姐弟 #每日穿搭 #气质连衣裙 #连衣裙 #显瘦连衣裙
boilerplate  花卉连衣裙这样搭配真的好好看 红心
words        花卉 连衣裙 搭配 白茶 姐弟 每日穿搭 气质 连衣裙 连衣裙 显瘦 连衣裙
key phrases  0.26 气质连衣裙
             0.26 显瘦连衣裙
             0.20 连衣裙
             0.13 花卉连衣裙
             0.11 白茶姐弟
             0.03 每日穿搭
             0.01 搭配
"""


@pytest.fixture
def feed(tmp_path: Path) -> Path:
    rows = [
        {"post_id": "a", "title": "花卉连衣裙这样搭配真的好好看❤️ - 小红书,,05-17,,",
         "tags": "#白茶姐弟 #每日穿搭 #气质连衣裙 #连衣裙 #显瘦连衣裙"},
        {"post_id": "b", "title": "芭比粉毛衣", "tags": "", "content": "红色 半裙"},
        {"post_id": "b", "title": "again", "tags": ""},
    ]  # fmt: skip
    pd.DataFrame(rows).fillna("").to_csv(tmp_path / "posts.csv", index=False)
    return tmp_path / "posts.csv"


def test_explain_prints_every_step_and_writes_nothing(feed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command("prepare", [str(feed), "--explain", "a", "--out", str(feed.parent / "run")]) == 0
    assert capsys.readouterr().out == STEPS
    assert [p.name for p in feed.parent.iterdir()] == ["posts.csv"]


def test_what_is_explained_is_what_is_written(feed: Path) -> None:
    table = Posts.load(main(PrepareConfig(posts=feed, out=feed.parent / "run", workers=1))).table.set_index("post_id")
    assert table.loc["a", "words"] in STEPS
    assert table.loc["a", "key_phrases"].split(";")[:4] == ["气质连衣裙", "显瘦连衣裙", "连衣裙", "花卉连衣裙"]
    shares = read_shares(table.loc["a", "key_words"])
    assert max(shares, key=lambda word: shares[word]) == "连衣裙"
    assert sum(shares.values()) == pytest.approx(1, abs=1e-3)


def test_a_post_that_cannot_be_explained(feed: Path) -> None:
    with pytest.raises(UserError, match=r"--explain zz: .*posts.csv has no such post_id; it has a, b"):
        explain(PrepareConfig(posts=feed, explain="zz"))
    bad = pd.read_csv(feed, keep_default_na=False).assign(likes=["1", "2", "3"])
    bad.loc[0, "likes"] = "-5"
    bad.to_csv(feed, index=False)
    with pytest.raises(UserError, match=r"--explain a: .*line 2: rejected: negative count"):
        command(PrepareConfig(posts=feed, explain="a"))


def test_files_of_words_are_inputs_of_the_run(feed: Path, caplog: pytest.LogCaptureFixture) -> None:
    (feed.parent / "words.txt").write_text("芭比粉\n", encoding="utf-8")
    (feed.parent / "stop.txt").write_text("毛衣\n", encoding="utf-8")
    config = PrepareConfig(
        posts=feed, out=feed.parent / "run", workers=1,
        dictionary=(feed.parent / "words.txt",), stopwords=(feed.parent / "stop.txt",),
    )  # fmt: skip
    table = Posts.load(main(config)).table.set_index("post_id")
    assert table.loc["b", "words"] == "芭比粉 红色 半裙"
    assert json.loads((config.out / "lexicon.json").read_text(encoding="utf-8"))["entries"] == [["芭比粉", None]]
    manifest = (config.out / "manifest.json").read_text(encoding="utf-8")
    main(config)
    assert (config.out / "manifest.json").read_text(encoding="utf-8") == manifest
    (feed.parent / "stop.txt").write_text("半裙\n", encoding="utf-8")
    with caplog.at_level("INFO"):
        main(config)
    assert "input stopwords:0 changed" in caplog.text
    assert Posts.load(config.out).table.set_index("post_id").loc["b", "words"] == "芭比粉 毛衣 红色"
    with pytest.raises(UserError, match=r"nowhere.txt"):
        main(PrepareConfig(posts=feed, out=feed.parent / "run2", dictionary=(feed.parent / "nowhere.txt",)))


def test_parts_of_the_text_are_chosen_by_flag(feed: Path) -> None:
    out = main(PrepareConfig(posts=feed, out=feed.parent / "run", workers=1, text_parts=("content", "tags")))
    table = Posts.load(out).table.set_index("post_id")
    assert table["words"].to_dict() == {"a": "白茶 姐弟 每日穿搭 气质 连衣裙 连衣裙 显瘦 连衣裙", "b": "红色 半裙"}
    with pytest.raises(UserError, match=r"--text-parts: name at least one"):
        main(PrepareConfig(posts=feed, text_parts=()))
    with pytest.raises(UserError, match=r"--key-phrases 0"):
        main(PrepareConfig(posts=feed, key_phrases=0))


def test_partitions_do_not_matter() -> None:
    table = pd.DataFrame(
        {"title": [f"红色{word}穿搭 #显瘦{word}" for word in ["半裙", "毛衣", "风衣", "短靴", "帽子"]] * 4}
    )
    whole = AddWords(TextSettings(), TextSettings().lexicon())(table)
    parts = [AddWords(TextSettings(), TextSettings().lexicon())(table.iloc[i : i + 3]) for i in range(0, 20, 3)]
    pd.testing.assert_frame_equal(pd.concat(parts), whole)
