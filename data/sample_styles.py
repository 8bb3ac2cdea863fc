"""The styles of the sample world: garment × palette × pattern × cut, and the words people use for each.

The first 24 are named by hand, with pairs that differ by nothing but pattern (国风旗袍 and 素色旗袍), palette
(美拉德大衣 and 老钱风大衣) or cut (直筒 and 阔腿 jeans). Further ones combine the same attributes.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np

Words = tuple[str, ...]

GARMENTS: dict[str, Words] = {
    "dress": ("连衣裙", "裙子", "长裙", "dress"),
    "qipao": ("旗袍", "改良旗袍", "中式连衣裙"),
    "hanfu": ("汉服", "齐胸襦裙", "汉元素"),
    "mamian": ("马面裙", "织金马面", "中式半裙"),
    "coat": ("大衣", "毛呢大衣", "双面呢", "coat"),
    "trench": ("风衣", "长款风衣", "trench"),
    "blazer": ("西装", "西装外套", "小西装", "blazer"),
    "shirt": ("衬衫", "衬衣", "shirt"),
    "knitwear": ("针织", "毛衣", "针织衫", "knit"),
    "jeans": ("牛仔裤", "裤子", "丹宁", "jeans"),
    "pleated": ("百褶裙", "半身裙", "短裙", "skirt"),
    "puffer": ("羽绒服", "面包服", "棉服"),
    "hoodie": ("卫衣", "连帽卫衣", "hoodie"),
    "slip": ("吊带裙", "吊带", "缎面裙"),
}

# what the colours look like stands in sample_colours.py
PALETTES: dict[str, Words] = {
    "jade": ("青绿", "绿色", "竹青"),
    "crimson": ("红色", "正红", "中国红"),
    "ink": ("墨色", "黑金", "墨黑"),
    "cream": ("米白", "奶油色", "杏色"),
    "black": ("黑色", "纯黑", "暗黑"),
    "blue": ("蓝色", "天蓝", "克莱因蓝"),
    "white": ("白色", "纯白", "本白"),
    "grey": ("灰色", "高级灰", "烟灰"),
    "brown": ("棕色", "焦糖色", "咖色"),
    "navy": ("藏青", "深蓝", "海军蓝"),
    "khaki": ("卡其", "卡其色", "驼色"),
    "candy": ("彩色", "糖果色", "撞色"),
    "denim": ("牛仔蓝", "水洗蓝", "浅蓝"),
    "pink": ("粉色", "樱花粉", "裸粉"),
    "lilac": ("紫色", "香芋紫", "丁香紫"),
    "mustard": ("黄色", "姜黄", "奶黄"),
}

PATTERNS: dict[str, Words] = {
    "plain": ("纯色", "素色", "净版"),
    "stripes": ("条纹", "竖条纹", "海魂"),
    "checks": ("格纹", "格子", "棋盘格"),
    "dots": ("波点", "圆点", "复古波点"),
    "floral": ("碎花", "印花", "花朵"),
}

# width of the garment, length of the garment; both relative to the regular cut
CUTS: dict[str, tuple[float, float]] = {
    "regular": (1.0, 1.0),
    "slim": (0.86, 1.0),
    "loose": (1.28, 1.0),
    "long": (1.0, 1.14),
    "short": (1.05, 0.8),
}
CUT_WORDS: dict[str, Words] = {
    "regular": ("合身", "常规款"),
    "slim": ("修身", "显瘦"),
    "loose": ("宽松", "阔腿", "oversize"),
    "long": ("长款", "垂感"),
    "short": ("短款", "小个子"),
}

DYNAMICS = ("steady", "rise", "decline", "hype", "late", "dying")

_EXTRA_THEMES = (
    "森系", "山系", "盐系", "甜酷", "静奢", "极简", "辣妹", "千金", "港风",
    "韩系", "日系", "学姐", "文艺", "田园", "海边度假", "音乐节",
    "街头", "机能", "慵懒", "知识分子",
    "贵气", "清冷", "元气", "少年感", "茶系", "牛油果", "薄荷曼波", "格雷系", "夏日清凉", "毛绒绒",
)  # fmt: skip


@dataclass(frozen=True)
class Style:
    """What a style looks like, and the words for it."""

    style: str
    """Id, such as `s07`."""
    name: str
    """Chinese name, for tables."""
    garment: str
    """A key of `GARMENTS`."""
    palette: str
    """A key of `PALETTES`."""
    pattern: str
    """A key of `PATTERNS`."""
    cut: str
    """A key of `CUTS`."""
    dynamics: str
    """One of `DYNAMICS`: how its share moves, beside the season."""
    themes: Words
    """Words for the mood of the style, which few other styles share."""
    query: str
    """Two or three Chinese words, separated by spaces, that describe its pictures."""

    @property
    def words(self) -> Words:
        """The whole vocabulary of the style, themes first, without repetition."""
        return tuple(
            dict.fromkeys(
                self.themes
                + GARMENTS[self.garment]
                + PALETTES[self.palette]
                + PATTERNS[self.pattern]
                + CUT_WORDS[self.cut]
            )
        )


# name, garment, palette, pattern, cut, dynamics, themes, query
_NAMED = """
国风旗袍|qipao|jade|floral|slim|rise|国风 复古 东方美学|青绿 碎花 旗袍
素色旗袍|qipao|jade|plain|slim|steady|国风 清冷 民国风|素色 旗袍
新中式马面裙|mamian|crimson|floral|regular|rise|新中式 国潮 织金|红色 马面裙
墨色马面裙|mamian|ink|floral|regular|late|新中式 黑金 飒|墨色 马面裙
法式碎花裙|dress|cream|floral|regular|steady|法式 茶歇裙 French|碎花 连衣裙
赫本波点裙|dress|cream|dots|regular|hype|赫本风 复古 vintage|波点 连衣裙
小黑裙|dress|black|plain|slim|decline|赫本风 名媛 约会战袍|黑色 连衣裙
条纹衬衫|shirt|blue|stripes|regular|steady|清爽 盐系 cleanfit|蓝色 条纹 衬衫
蓝格子衬衫|shirt|blue|checks|regular|dying|日系 文艺 男友风|蓝色 格子 衬衫
极简白衬衫|shirt|white|plain|regular|steady|极简 通勤 minimal|白色 衬衫
格纹西装|blazer|grey|checks|regular|rise|英伦 复古 职场|灰色 格纹 西装
灰西装|blazer|grey|plain|regular|decline|极简 职场 精英感|灰色 纯色 西装
美拉德大衣|coat|brown|plain|regular|hype|美拉德 焦糖 秋冬氛围|棕色 大衣
老钱风大衣|coat|navy|plain|regular|late|老钱风 静奢 oldmoney|藏青 大衣
经典风衣|trench|khaki|plain|regular|steady|英伦 巴宝莉风 早秋|卡其 风衣
多巴胺针织|knitwear|candy|stripes|regular|hype|多巴胺 减龄 元气|彩色 条纹 针织
奶油毛衣|knitwear|cream|plain|regular|steady|温柔 慵懒 韩系|奶油色 毛衣
直筒牛仔裤|jeans|denim|plain|slim|decline|直筒 美式复古 basic|直筒 牛仔裤
阔腿牛仔裤|jeans|denim|plain|loose|rise|阔腿 Y2K 显腿长|阔腿 牛仔裤
青绿汉服|hanfu|jade|floral|regular|late|宋制 古风 仙气|青绿 汉服
粉色汉服|hanfu|pink|floral|regular|steady|唐制 古风 仙女|粉色 汉服
学院百褶裙|pleated|navy|checks|regular|dying|学院风 JK preppy|格子 百褶裙
短款羽绒服|puffer|white|plain|short|steady|冬日 保暖 滑雪|白色 羽绒服
美式卫衣|hoodie|grey|plain|loose|hype|美式 街头 休闲|灰色 卫衣
"""


def _named() -> list[Style]:
    styles = []
    for number, line in enumerate(_NAMED.strip().splitlines()):
        name, garment, palette, pattern, cut, dynamics, themes, query = line.split("|")
        styles.append(
            Style(f"s{number:02d}", name, garment, palette, pattern, cut, dynamics, tuple(themes.split()), query)
        )
    return styles


def _combined(taken: set[tuple[str, str, str]], start: int, count: int) -> list[Style]:
    """Styles `start`, `start` + 1, …: combinations that no style in `taken` has, in an order fixed for ever."""
    free = [key for key in product(GARMENTS, PALETTES, PATTERNS) if key not in taken]
    order = np.random.default_rng([2021, 24]).permutation(len(free))[:count]
    cuts = list(CUTS)
    styles = []
    for place, pick in enumerate(order):
        garment, palette, pattern = free[int(pick)]
        words = (PALETTES[palette][0], PATTERNS[pattern][0], GARMENTS[garment][0])
        theme = _EXTRA_THEMES[place % len(_EXTRA_THEMES)]
        styles.append(
            Style(
                style=f"s{start + place:02d}",
                name="".join(words),
                garment=garment,
                palette=palette,
                pattern=pattern,
                cut=cuts[place % len(cuts)],
                dynamics=DYNAMICS[place % len(DYNAMICS)],
                themes=(theme, f"{theme}风"),
                query=" ".join(words),
            )
        )
    return styles


def largest_world() -> int:
    """How many styles there can be."""
    return len(GARMENTS) * len(PALETTES) * len(PATTERNS)


def build_styles(count: int) -> tuple[Style, ...]:
    """The first `count` styles. Style k is the same in every world, whatever its seed or size."""
    named = _named()
    if count <= len(named):
        return tuple(named[:count])
    taken = {(style.garment, style.palette, style.pattern) for style in named}
    return tuple(named + _combined(taken, len(named), count - len(named)))
