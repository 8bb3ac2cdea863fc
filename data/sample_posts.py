"""One post of the sample world after the other: who wrote it, when, in which style, and how it was received.

Shape legend: S styles, T days, A authors, G = 2 groups of authors (the ten, the rest).

All randomness of post n comes from `default_rng([seed, n])`, so that a post is the same whoever draws it, in
whatever order.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.sample_colours import BACKGROUNDS
from data.sample_dynamics import Floats, Process, simulate, stream
from data.sample_styles import Style, build_styles
from data.sample_text import COMMUNITY_TAGS, Text, write_text

AUTHORS = 400
"""Authors of the feed."""
PROLIFIC = 10
"""Authors who write a quarter of it."""
PROLIFIC_SHARE = 0.25
"""The part that they write."""
MOST_PICTURES = 6
"""Pictures of a post, at most."""
OTHER_STYLE = 0.08
"""Chance that a picture shows another style than its post."""
NEAR_EMPTY = 0.005
"""Chance of a picture with next to nothing on it."""
CORRUPT = 0.003
"""Chance of a file that is no whole JPEG."""
DUPLICATE = 0.001
"""Chance that the row of a post stands twice."""
NO_YEAR = 0.001
"""Chance that the date of a post lacks its year."""


@dataclass(frozen=True)
class Authors:
    """The authors' habits."""

    chosen_GSA: Floats
    """Cumulative chance of each author, given the group and the style of a post."""
    fame_A: Floats
    """Mean of log likes."""
    home_A: NDArray[np.int64]
    """The background before which an author mostly stands."""
    hour_A: NDArray[np.int64]
    """The hour of the day at which an author mostly posts."""
    community: tuple[str, ...]
    """The hashtag that an author likes."""


@dataclass(frozen=True)
class Plan:
    """All that a post is drawn from; the same in every process."""

    seed: int
    """The world's seed."""
    styles: tuple[Style, ...]
    """The styles."""
    process: Process
    """Shares, volumes and levels of the days."""
    authors: Authors
    """The authors."""
    chosen_ST: Floats
    """Cumulative share over styles, each day."""
    first_T: NDArray[np.int64]
    """Number of the first post of the next day."""
    pictures: float
    """Mean number of pictures a post."""


@dataclass(frozen=True)
class Picture:
    """One picture of a post, before it is drawn."""

    style: int
    """Index of the style shown."""
    kind: str
    """`whole`, `near-empty` or `corrupt`."""


@dataclass(frozen=True)
class Post:
    """One post."""

    number: int
    """Place in the feed, from 0."""
    day: int
    """Index of its day."""
    style: int
    """Index of its style."""
    author: int
    """Index of its author."""
    time: str
    """As written in the table."""
    text: Text
    """Title, content, tags."""
    likes: str
    """As written in the table."""
    collects: str
    """As written in the table."""
    comments: str
    """As written in the table."""
    pictures: tuple[Picture, ...]
    """At least one."""
    defect: str
    """What is wrong with its row on purpose: nothing, `duplicate` or `no year`."""


def _authors(seed: int, styles: int) -> Authors:
    rng = stream(seed, 5)
    taste_AS = rng.gamma(0.5, size=(AUTHORS, styles)) + 0.05
    taste_AS /= taste_AS.sum(axis=1, keepdims=True)
    activity_A = np.exp(rng.normal(0, 0.5, AUTHORS))
    activity_A[:PROLIFIC] = 1.0
    chosen_GSA = np.zeros((2, styles, AUTHORS))
    for group, members in enumerate((slice(0, PROLIFIC), slice(PROLIFIC, AUTHORS))):
        chosen_GSA[group][:, members] = (taste_AS[members] * activity_A[members, None]).T
    chosen_GSA = np.cumsum(chosen_GSA, axis=2)
    chosen_GSA /= chosen_GSA[:, :, -1:]
    return Authors(
        chosen_GSA=chosen_GSA,
        fame_A=rng.normal(5.0, 0.9, AUTHORS),
        home_A=rng.integers(0, BACKGROUNDS, AUTHORS),
        hour_A=rng.integers(7, 24, AUTHORS),
        community=tuple(COMMUNITY_TAGS[int(k)] for k in rng.integers(0, len(COMMUNITY_TAGS), AUTHORS)),
    )


def make_plan(posts: int, styles: int, days: int, start: str, pictures: float, seed: int) -> Plan:
    """Draw everything of a world that does not belong to a single post (see `SampleConfig` for the arguments)."""
    named = build_styles(styles)
    process = simulate(named, start, days, posts, seed)
    return Plan(
        seed=seed,
        styles=named,
        process=process,
        authors=_authors(seed, styles),
        chosen_ST=np.cumsum(process.share_ST, axis=0),
        first_T=np.cumsum(process.posts_T),
        pictures=pictures,
    )


def written_count(value: float, rng: np.random.Generator) -> str:
    """A count as the platform shows it: 873, 1.2万, 1.2w, 10k+, 3千."""
    count = int(value)
    form = rng.random()
    if count >= 10_000 and form < 0.7:
        return f"{count / 10_000:.1f}{'万' if form < 0.35 else 'w'}"
    if count >= 10_000 and form < 0.85:
        return f"{count // 1000}k+"
    if count >= 1000 and form < 0.03:
        return f"{count // 1000}千"
    return str(count)


def _choose(cumulative: Floats, rng: np.random.Generator) -> int:
    # the last step may end below 1 by rounding
    last = float(cumulative[-1])
    return int(np.searchsorted(cumulative, rng.random() * last, side="right"))


def _choose_other(cumulative: Floats, style: int, rng: np.random.Generator) -> int:
    """Another style than `style`, by the shares of the day."""
    before = float(cumulative[style - 1]) if style else 0.0
    own = float(cumulative[style]) - before
    value = rng.random() * (float(cumulative[-1]) - own)
    value += own if value >= before else 0.0
    return min(int(np.searchsorted(cumulative, value, side="right")), len(cumulative) - 1)


def _time(plan: Plan, day: int, hour: int, defect: str, rng: np.random.Generator) -> str:
    hour = hour if rng.random() < 0.6 else int(rng.random() * 24)
    minute, second = int(rng.random() * 60), int(rng.random() * 60)
    date = str(plan.process.days_T[day])
    return date[5:] if defect == "no year" else f"{date} {hour:02d}:{minute:02d}:{second:02d}"


def _pictures(plan: Plan, style: int, day: int, rng: np.random.Generator) -> tuple[Picture, ...]:
    count = 1 + int(rng.binomial(MOST_PICTURES - 1, (plan.pictures - 1) / (MOST_PICTURES - 1)))
    pictures = []
    for _ in range(count):
        shown = style
        if rng.random() < OTHER_STYLE:
            shown = _choose_other(plan.chosen_ST[:, day], style, rng)
        luck = rng.random()
        kind = "corrupt" if luck < CORRUPT else "near-empty" if luck < CORRUPT + NEAR_EMPTY else "whole"
        pictures.append(Picture(shown, kind))
    return tuple(pictures)


def draw_post(plan: Plan, number: int) -> tuple[Post, np.random.Generator]:
    """Draw post `number`, from 0.

    Returns:
        The post, and its random stream, from which its pictures are drawn next.
    """
    rng = np.random.default_rng([plan.seed, number])
    day = int(np.searchsorted(plan.first_T, number, side="right"))
    style = _choose(plan.chosen_ST[:, day], rng)
    group = 0 if rng.random() < PROLIFIC_SHARE else 1
    author = _choose(plan.authors.chosen_GSA[group, style], rng)
    luck = rng.random()
    defect = "duplicate" if luck < DUPLICATE else "no year" if luck < DUPLICATE + NO_YEAR else ""
    log_likes = plan.authors.fame_A[author] + plan.process.level_ST[style, day] + rng.normal(0, 1.1)
    likes = np.exp(log_likes)
    others = [plan.styles[_choose_other(plan.chosen_ST[:, day], style, rng)] for _ in range(2)]
    post = Post(
        number=number,
        day=day,
        style=style,
        author=author,
        time=_time(plan, day, int(plan.authors.hour_A[author]), defect, rng),
        text=write_text(plan.styles[style], others, str(plan.process.days_T[day]), plan.authors.community[author], rng),
        likes=written_count(likes, rng),
        collects=written_count(likes * np.exp(rng.normal(-1.2, 0.6)), rng),
        comments=written_count(likes * np.exp(rng.normal(-2.6, 0.8)), rng),
        pictures=_pictures(plan, style, day, rng),
        defect=defect,
    )
    return post, rng
