"""Titles, content and hashtags of the sample posts, as people write them.

Every place for a word of the style takes, once in about seven times, a word of another style that is worn that
day. A template writes {g} for a garment word, {c} colour, {p} pattern, {t} theme, {k} cut, {o} an occasion.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data.sample_styles import CUT_WORDS, GARMENTS, PALETTES, PATTERNS, Style

FOREIGN = 0.15
"""Chance that a word is another style's."""
EMPTY = 0.08
"""Chance that a post has no text at all."""
BOILERPLATE = 0.15
"""Chance that the platform's tail is left in title or content."""
RAMBLE = 0.12
"""Chance of a long text about something else."""

PLATFORM_TAGS = ("穿搭", "ootd", "每日穿搭", "小红书", "ootd每日穿搭", "今天穿什么", "笔记灵感", "我的日常", "OOTD")
COMMUNITY_TAGS = (
    "小个子穿搭", "微胖女孩", "显瘦穿搭", "温柔穿搭", "氛围感穿搭", "高级感穿搭", "学生党", "一周穿搭不重样",
    "拍照姿势", "穿出高级感", "大学生", "时尚", "我的穿搭日记", "平价穿搭",
)  # fmt: skip
OCCASIONS = (
    "通勤", "约会", "上班", "出游", "拍照", "逛街", "聚会", "度假", "开学", "面试", "周末",
    "下午茶", "婚礼", "旅行", "date", "citywalk",
)  # fmt: skip
EMOJI = (
    "✨", "🌸", "👗", "🧥", "💃", "🍂", "🌞", "🫶", "😍", "💕", "🔥", "📷", "🍓", "🌿",
    "☕", "🎀", "🥰", "🤍", "🛍️", "🌙", "❄️", "👍🏻",
)  # fmt: skip

TITLES = tuple(
    """\
{t}{g}太美了{e}
{c}{g}谁穿谁好看
今日穿搭｜{c}{p}{g}
{o}穿{g}绝了{e}
{t}穿搭分享{e}
被这条{p}{g}惊艳到了
{c}{g}+{t}=绝绝子{e}
小个子也能穿的{k}{g}
{o}穿什么？{p}{g}安排
{t}女孩的衣橱{e}
一件{g}穿出{t}感
OOTD | {t} {g}{e}
这件{k}{c}{g}我真的会爱
{p}控看过来{e}
姐妹们冲！{c}{p}{g}
{t}风就是最好看的
how to wear {g} {e}
my {t} look {e}
{g}的三种穿法
早八人的{o}穿搭{e}
怕太显眼又怕你看不见
快看 在发光诶{e}
想你的风还是吹到了这里
今天也是好心情{e}
你到底看到第几张才会心动
每天不重样{e}
150cm的{t}穿搭公式
""".splitlines()
)
SENTENCES = tuple(
    """\
这件{g}是{c}的，上身特别显白。
{p}的设计很有{t}的味道。
版型{k}，{o}穿刚刚好！{e}
最近迷上了{t}风格。
面料很舒服，{g}不挑人。
{c}真的太适合这个季节了！
{p}元素永远不会过时！{e}
搭配{g}，{o}回头率超高。
{t}爱好者闭眼入。
尺码正常，{k}的{g}我选了S码。
It is my favourite {g} this season.
{t}感拉满！{e}
想要{c}{g}的姐妹看这里。
{o}的时候被问了好多次链接。
{p}{g}配小白鞋，清清爽爽。
同款{g}还有别的颜色，但{c}最好看。
穿上它就是{t}本人！{e}
""".splitlines()
)
RAMBLES = tuple(
    """\
今天早上起晚了，地铁上人好多，到公司已经快十点。
周末和朋友去吃了火锅，排队两个小时，不过真的好吃。
家里的小猫又把快递盒子咬坏了，气死我。
最近在看一部老电影，结尾的时候哭得稀里哗啦。
天气预报说有雨，结果太阳大得睁不开眼睛。
好久没有更新了，毕业论文终于写完了一大半。
生活费又快花光了，这个月一定要少买一点。
路过一家咖啡店，老板人很好，送了一块小蛋糕。
想念去年在海边的日子，风很大，心情很好。
护肤还是要坚持，最近皮肤状态稳定了很多。
谢谢大家的喜欢，评论我都会看，有问题可以问我呀。
身高158体重98，给大家做个参考。
照片是室友帮忙拍的，拍了一百多张才选出这几张。
Life is short, have a nice day.
妈妈说我买的东西都一样，她不懂。
下周要出差，行李箱还没有收拾，头疼。
""".splitlines()
)

_SLOT = re.compile(r"\{(\w)\}")


@dataclass(frozen=True)
class Text:
    """What a post says."""

    title: str
    """Title, may be empty."""
    content: str
    """Body, may be empty."""
    tags: str
    """Hashtags, such as `#旗袍 #国风`."""


def _pick(rng: np.random.Generator, items: Sequence[str]) -> str:
    return items[int(rng.random() * len(items))]


class Writer:
    """Fills templates for one post, with its style's words and some of other styles'."""

    def __init__(self, style: Style, others: Sequence[Style], rng: np.random.Generator) -> None:
        """Make a writer.

        Args:
            style: the style of the post.
            others: styles from which foreign words come; may be empty.
            rng: the post's randomness.
        """
        self.style = style
        self.others = others
        self.rng = rng

    def word(self, slot: str) -> str:
        """A word for the slot, see the head of this file."""
        if slot == "e":
            return _pick(self.rng, EMOJI) if self.rng.random() < 0.6 else ""
        if slot == "o":
            return _pick(self.rng, OCCASIONS)
        style = self.style
        if self.others and self.rng.random() < FOREIGN:
            style = self.others[int(self.rng.random() * len(self.others))]
        if slot == "t":
            return _pick(self.rng, style.themes)
        if slot == "k":
            return _pick(self.rng, CUT_WORDS[style.cut])
        vocabulary = {
            "g": GARMENTS[style.garment], "c": PALETTES[style.palette], "p": PATTERNS[style.pattern],
        }[slot]  # fmt: skip
        # the first word is what most people say
        return vocabulary[0] if self.rng.random() < 0.55 else _pick(self.rng, vocabulary)

    def fill(self, template: str) -> str:
        """The template with its slots filled."""
        return _SLOT.sub(lambda match: self.word(match.group(1)), template)

    def hashtags(self, community: str) -> list[str]:
        """Two to nine tags in random order, without repetition: the style's, the platform's, the author's."""
        rng = self.rng
        tags = [_pick(rng, PLATFORM_TAGS) for _ in range(1 + int(rng.random() * 3))]
        if rng.random() < 0.6:
            tags.append(community)
        for slot, chance in (("t", 0.75), ("g", 0.8), ("c", 0.35), ("p", 0.4), ("t", 0.3), ("o", 0.3)):
            if rng.random() < chance:
                tags.append(self.word(slot) + ("穿搭" if slot in "to" and rng.random() < 0.4 else ""))
        unique = list(dict.fromkeys(tags))
        return [unique[int(place)] for place in rng.permutation(len(unique))]


def _tail(date: str) -> str:
    return f" - 小红书,,{date[5:]},,"


def write_text(style: Style, others: Sequence[Style], date: str, community: str, rng: np.random.Generator) -> Text:
    """Title, content and tags of one post.

    Args:
        style: its style.
        others: other styles of the day, where foreign words come from.
        date: `2021-05-17`; its month and day stand in the platform's tail.
        community: the hashtag that its author likes.
        rng: the post's randomness.
    """
    if rng.random() < EMPTY:
        return Text("", "", "")
    writer = Writer(style, others, rng)
    title = writer.fill(_pick(rng, TITLES)) if rng.random() < 0.9 else ""
    sentences = [writer.fill(_pick(rng, SENTENCES)) for _ in range(int(rng.random() * 4))]
    if rng.random() < RAMBLE:
        long = [RAMBLES[int(place)] for place in rng.permutation(len(RAMBLES))[: 4 + int(rng.random() * 12)]]
        sentences = [*long, *sentences] if rng.random() < 0.5 else [*sentences, *long]
    elif rng.random() < 0.3:
        sentences.append(_pick(rng, RAMBLES))
    content = ("\n" if rng.random() < 0.2 else "").join(sentences)
    tags = writer.hashtags(community) if rng.random() < 0.92 else []
    joined = ("" if rng.random() < 0.05 else " ").join(f"#{tag}" for tag in tags)
    if joined and rng.random() < 0.1:
        content = f"{content} {joined}".strip()
    if rng.random() < BOILERPLATE:
        if rng.random() < 0.5:
            title += _tail(date)
        else:
            content += _tail(date)
    return Text(title, content, joined)
