"""How a fusion-LSTM is built and trained, and the recipes: complete configs by name."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

from data.panel_grid import Granularity
from rank.metrics import HOT_PART
from stylecast.loop import LoopConfig


@dataclass(frozen=True)
class FusionConfig:
    """A fusion-LSTM and how it is trained; the defaults are the recipe `60-day`."""

    history_days: int = 60
    """How far back a window looks, days."""
    step_days: int = 1
    """Days of one step of the LSTM: the posts of a step are one set."""
    spans: tuple[int, ...] = (1, 7, 28)
    """Trailing windows over which a step's share and engagement are told, days."""
    start: Literal["outlook", "last"] = "outlook"
    """What the network corrects: the outlook of a Gaussian process and the record of engagement, or the last share."""
    width: int = 32
    """Width of every layer, a multiple of `heads`."""
    heads: int = 2
    """Heads of the attention between pictures and texts."""
    dropout: float = 0.3
    """Dropout within the network, 0 to 1."""
    max_posts: int = 16
    """Items of a set; of a larger one those with the lowest hash stay."""
    members: int = 3
    """Networks of other seeds whose forecasts are averaged."""
    max_windows: int = 60_000
    """Train on at most about so many windows; of more, origins are left out evenly."""
    size_weight: float = 0.75
    """A window's weight in the growth loss is its share to this power: 1 is what MAE of share counts, 0 all alike."""
    huber: float = 0.2
    """Error of log growth from which the loss grows linearly."""
    class_weight: float = 0.1
    """Weight of the loss of the three classes (down, flat, up)."""
    classes: str = "change"
    """How the classes are cut; the member takes over that of the backtest (`--classes`)."""
    hot_weight: float = 0.1
    """Weight of the loss of hot or not."""
    hot_part: float = HOT_PART
    """Part of the styles, the largest at the target, that count as hot."""
    loop: LoopConfig = field(
        default_factory=lambda: LoopConfig(
            epochs=30, min_steps=400, max_steps=4000, batch_size=256, lr=2e-3, weight_decay=0.1, warmup=0.1,
            precision="fp32", patience=8,
        )
    )  # fmt: skip
    """How it is trained."""

    def for_granularity(self, granularity: Granularity) -> "FusionConfig":
        """This config for a panel of weekly or monthly rows: within a row there is nothing to see."""
        if granularity == "day" or self.step_days >= (7 if granularity == "week" else 28):
            return self
        if granularity == "week":
            return replace(self, step_days=7, history_days=max(self.history_days, 182), spans=(7, 28, 91))
        return replace(self, step_days=30, history_days=max(self.history_days, 720), spans=(30, 91, 182))


def sixty_days() -> FusionConfig:
    """60 days, day by day: for a target of whole months."""
    return FusionConfig()


def five_days() -> FusionConfig:
    """5 days, day by day: for `days:10-15`."""
    return FusionConfig(history_days=5)


def half_year() -> FusionConfig:
    """26 weeks, week by week: half the time of `60-day`, and sets large enough to attend to where posts are few."""
    return FusionConfig(history_days=182, step_days=7, spans=(7, 28, 91))


def quarter() -> FusionConfig:
    """13 weeks, week by week, trained briefly: 24 styles, 3 years, in 10 s on 2 cores."""
    short = replace(FusionConfig().loop, epochs=12, min_steps=120, max_steps=240, patience=4)
    return replace(half_year(), history_days=91, members=2, max_posts=8, loop=short)


def tiny() -> FusionConfig:
    """For tests: seconds, not quality."""
    short = replace(FusionConfig().loop, epochs=2, min_steps=8, max_steps=20, batch_size=32)
    return FusionConfig(history_days=14, width=8, heads=2, members=1, max_posts=4, loop=short)


RECIPES: dict[str, Callable[[], FusionConfig]] = {
    "60-day": sixty_days,
    "5-day": five_days,
    "half-year": half_year,
    "quarter": quarter,
    "tiny": tiny,
}
