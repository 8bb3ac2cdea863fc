"""The sets that styles are found in: vectors, what may be learnt from, and the truth.

Shapes: N items, D dimensions.
"""

import json
import logging
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from data.posts import Posts
from data.prepare import PrepareConfig
from data.prepare import main as prepare
from data.splits import parse_cut_off
from pretrain.recipes import demo as demo_pretrain
from pretrain.train import main as pretrain
from recall.items import SourceConfig, equal_weight, head_vectors, load_items, picture_items
from recall.recipes import demo as demo_recall
from recall.text_vectors import TextVectors
from recall.train import main as recall
from stylecast.errors import UserError

log = logging.getLogger(__name__)
TITLES = 60_000

# Titles have no known styles. A title that holds words of one of these topics alone is of that topic.
TOPICS = {
    "table tennis": "孙颖莎 王楚钦 王楚 马龙 樊振东 陈梦 乒乓 国乒 王曼昱",
    "football": "世界杯 梅西 国足 欧冠 足球 中超 欧洲杯",
    "covid": "确诊 疫情 核酸 新冠 本土 疫苗 无症状 感染者 阳性 隔离",
    "weather": "台风 暴雨 高温 降温 寒潮 下雪 降雪 降雨 气温 天气",
    "concerts": "演唱会 歌手 专辑 新歌 唱歌 周杰伦 音乐节",
    "exams": "高考 考研 中考 高校 大学 录取 志愿 考生",
    "money": "A股 股票 基金 股市 涨停 沪指 银行 楼市 房价",
    "space": "神舟 航天员 空间站 嫦娥 火星 卫星 火箭 航天",
    "phones": "手机 华为 苹果 小米 芯片",
    "school": "小学 小学生 幼儿园 老师 学生 家长 作业",
    "crime": "警方 嫌疑人 被捕 判刑 被判 死刑 杀害 刑拘 获刑 法院",
    "war": "俄罗斯 乌克兰 俄乌 以色列 普京 泽连斯基 哈马斯 伊朗",
    "food": "奶茶 火锅 外卖 餐厅 早餐 好吃 咖啡 月饼",
    "traffic": "高铁 航班 地铁 司机 列车 飞机 车祸 铁路",
    "film": "电视剧 剧组 电影 票房 大结局 角色 预告 定档 杀青",
}


@dataclass(frozen=True)
class Set:
    """Items of one set, seen by one source."""

    name: str
    source: str
    vectors_ND: np.ndarray
    first_N: np.ndarray
    """Which items may be learnt from."""
    judged_N: np.ndarray
    """Which are held against the truth."""
    truth_N: np.ndarray
    texts: list[str]


def sample_sets(world: Path, run: Path, folder: Path) -> list[Set]:
    """Pictures of the sample world, judged after the cut-off: their heads, the text of their post, and both."""
    posts = Posts.load(run / "prepare")
    cut_off = parse_cut_off(json.loads((run / "styles" / "config.json").read_text(encoding="utf-8"))["cut_off"])
    config = SourceConfig(source="both", text_dimensions=100, min_count=5, seed=0)
    pictures = picture_items(posts, run / "recall")
    both = load_items(posts, run / "recall", None, config, cut_off, folder)
    width = pictures.vectors_ND.shape[1]
    paths = posts.pictures.set_index("picture_id")["path"].loc[pictures.table["id"]]
    truth_N = pd.read_csv(world / "truth" / "pictures.csv").set_index("path")["style"].loc[paths].to_numpy(str)
    texts = posts.table.set_index("post_id")["words"].loc[pictures.table["post_id"]].tolist()
    first_N = pictures.before(cut_off, posts)
    seen = {"pictures": pictures.vectors_ND, "text": both.vectors_ND[:, width:], "both": both.vectors_ND}
    return [Set("sample", source, x_ND, first_N, ~first_N, truth_N, texts) for source, x_ND in seen.items()]


def clothing_sets(data: Path, folder: Path) -> list[Set]:
    """Photos of clothes, heads of an encoder that learnt from the class words of the training split; test split."""
    if not (data / "clothing").is_dir():
        raise UserError(f"--data {data}: no folder clothing/; name the folder that holds it, or leave the set out")
    if not (folder / "recall" / "manifest.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        table = pd.read_csv(data / "clothing" / "images.csv", dtype=str).rename(columns={"label": "title"})
        table.to_csv(folder / "clothing.csv", index=False)
        prepare(PrepareConfig(posts=folder / "clothing.csv", image_root=data / "clothing", out=folder / "prepare"))
        pretrain(replace(demo_pretrain(), posts=folder / "prepare", out=folder / "pretrain"))
        before = {"posts": folder / "prepare", "pretrain": folder / "pretrain"}
        recall(replace(demo_recall(), **before, out=folder / "recall"))
    posts = Posts.load(folder / "prepare")
    ids = pd.read_parquet(folder / "recall" / "ids.parquet")["id"]
    row = posts.table.set_index("post_id").loc[posts.pictures.set_index("picture_id").loc[ids, "post_id"]]
    judged_N = (row["split"] == "test").to_numpy()
    vectors_ND = head_vectors(folder / "recall")
    texts = row["words"].where(~judged_N, "").tolist()
    return [Set("clothing", "pictures", vectors_ND, ~judged_N, judged_N, row["title"].to_numpy(str), texts)]


def weibo_sets(data: Path, folder: Path) -> list[Set]:
    """60,000 titles, all of them learnt from; judged are those that hold words of one topic."""
    table = data / "weibo" / "titles.csv.gz"
    if not (folder / "prepare" / "manifest.json").exists():
        prepare(PrepareConfig(posts=table, sample=TITLES, out=folder / "prepare", now="2100-01-01"))
    words = Posts.load(folder / "prepare").table["words"]
    vectors_ND = TextVectors.fit(words.tolist(), 100, 5, 0).transform(words.tolist())
    known_N = vectors_ND.any(axis=1)
    topic_of = {word.lower(): topic for topic, named in TOPICS.items() for word in named.split()}
    topics = [{topic_of[w] for w in text.split() if w in topic_of} for text in words[known_N]]
    truth_N = np.array([next(iter(t)) if len(t) == 1 else "" for t in topics])
    every = np.ones(int(known_N.sum()), bool)
    scaled_ND = equal_weight(vectors_ND[known_N], every)
    return [Set("weibo", "text", scaled_ND, every, truth_N != "", truth_N, words[known_N].tolist())]
