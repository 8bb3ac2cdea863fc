"""What a forecast may look at and what it is asked for: targets, origins, and the split of origins in time.

A window is a pair of days, both inclusive. An origin is the last day that a
forecast may look at.
"""

import logging
import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from data.panel import Panel
from data.sums import Sums
from stylecast.errors import UserError

log = logging.getLogger(__name__)

DAY = pd.Timedelta(days=1)
Window = tuple[pd.Timestamp, pd.Timestamp]


@dataclass(frozen=True)
class Target:
    """The period after an origin whose share is asked for."""

    kind: Literal["calendar-month", "days"]
    """Whole calendar months, or days after the origin."""
    first: int
    """Months after the origin's month, or first day after the origin."""
    last: int
    """The same as `first` for months; last day after the origin."""
    history: int = 0
    """Days up to the origin that may be looked at; 0 = all. Never fewer than the reference has."""

    @classmethod
    def parse(cls, text: str, gap_days: int = 0, history_days: int = 0) -> "Target":
        """Reads `calendar-month:2`, `days:10-15`, `weeks:3-4` (the days 15 to 28) or `weeks:3`.

        Args:
            text: as above; what `str` of a target gives, `days:10-15 from 60 days`, too.
            gap_days: days between the origin and day 1 of the text: `days:1-6` after 9 days is `days:10-15`.
            history_days: days up to the origin that may be looked at; 0 = all.

        Raises:
            UserError: the text is none of these, a number is negative, or a month is to have a gap.
        """
        if gap_days < 0 or history_days < 0:
            raise UserError("--gap-days and --history-days must be 0 or more")
        text, _, days = text.strip().partition(" from ")
        if days and (found := re.fullmatch(r"([1-9]\d*) days", days)):
            history_days = history_days or int(found[1])
        elif days:
            raise UserError(f"--target `{text} from {days}` is unknown; give the history by --history-days")
        if found := re.fullmatch(r"calendar-month:([1-9]\d?)", text):
            if gap_days:
                raise UserError(
                    f"--gap-days {gap_days} goes with days: and weeks:; {text} leaves {int(found[1]) - 1} whole months "
                    "between: give more of them"
                )
            return cls("calendar-month", int(found[1]), int(found[1]), history_days)
        if found := re.fullmatch(r"(days|weeks):([1-9]\d*)(?:-([1-9]\d*))?", text):
            unit, first, last = 7 if found[1] == "weeks" else 1, int(found[2]), int(found[3] or found[2])
            if first <= last:
                return cls("days", unit * (first - 1) + 1 + gap_days, unit * last + gap_days, history_days)
        raise UserError(f"--target `{text}` is unknown; give calendar-month:2 (months ahead), days:10-15 or weeks:3-4")

    def __str__(self) -> str:
        told = f"calendar-month:{self.first}" if self.kind == "calendar-month" else f"days:{self.first}-{self.last}"
        return f"{told} from {self.history} days" if self.history else told

    def history_start(self, origin: pd.Timestamp) -> pd.Timestamp | None:
        """The first day that may be looked at from an origin; None where all may."""
        if not self.history:
            return None
        return min(origin - (self.history - 1) * DAY, self.reference(origin)[0])

    def period(self, origin: pd.Timestamp) -> Window:
        """The days that are asked for: the whole calendar month so many months after the origin's, or the days."""
        if self.kind == "days":
            return origin + self.first * DAY, origin + self.last * DAY
        start = origin.to_period("M") + self.first
        return start.start_time, start.end_time.normalize()

    def training_period(self, origin: pd.Timestamp) -> Window:
        """As `period`, but an origin within a month looks as far ahead as one at its end does.

        From 31 March and 2 months it is May; from 10 March it is 11 April to 10 May. It never ends after `period`.
        """
        if self.kind == "days":
            return self.period(origin)
        after = origin + DAY
        start, stop = after + pd.DateOffset(months=self.first - 1), after + pd.DateOffset(months=self.first)
        return start, stop - DAY

    def length(self, origin: pd.Timestamp) -> int:
        """Days of the target of `origin`."""
        start, end = self.period(origin)
        return (end - start).days + 1

    def reference(self, origin: pd.Timestamp) -> Window:
        """The days up to the origin that growth is told against: as many as the target has, a month for a month."""
        return self.block(origin, 0)

    def block(self, origin: pd.Timestamp, back: int) -> Window:
        """The window `back` target-lengths before the reference: 0 is the reference, 1 what lies before it.

        From a month end the blocks of a calendar-month target are calendar months.
        """
        if self.kind == "days":
            length = self.last - self.first + 1
            return origin - (length * (back + 1) - 1) * DAY, origin - length * back * DAY
        after = origin + DAY
        start, stop = after - pd.DateOffset(months=back + 1), after - pd.DateOffset(months=back)
        return start, stop - DAY


@dataclass(frozen=True)
class Split:
    """Origins in order of time; whatever is fitted at an origin may use labels that are known by it, and no others."""

    train: pd.DatetimeIndex
    """Dense (a week apart where the panel is daily or weekly); every label is known by the first validation origin."""
    validation: pd.DatetimeIndex
    """Every label is known by the first test origin; weights and intervals are fitted on these."""
    test: pd.DatetimeIndex
    """The last origins whose target is complete; looked at once. May be empty."""
    latest: pd.Timestamp
    """The last origin, whose target is yet to come."""

    @property
    def all(self) -> pd.DatetimeIndex:
        """Validation, test and latest origins, in order, each once."""
        days = [*self.validation, *self.test, self.latest]
        return pd.DatetimeIndex(days).unique()


def known_on(panel: Panel, window: Window) -> pd.Timestamp:
    """The day on which the counts of a window are all known."""
    return panel.period_end(window[1])


def origin_days(panel: Panel, target: Target) -> pd.DatetimeIndex:
    """The origins that are forecast from: for a month target the last day of each month.

    Where rows are weeks, the origin of a month is the last end of a week in it; a month of which a later day is
    missing has none. For `days:10-15` it is every 15th day counted back from the last, so that no two targets meet.
    """
    if target.kind == "days":
        if panel.granularity == "month":
            raise UserError(f"--target {target} needs daily or weekly rows; give calendar-month:2 for a monthly panel")
        step = 7 * -(-target.last // 7) if panel.granularity == "week" else target.last
        return pd.DatetimeIndex(panel.days[::-1][::step][::-1])
    ends = panel.days[_is_end(panel)]
    months = ends.to_period("M")
    last = np.append(np.asarray(months[1:] != months[:-1]), True)
    origins = pd.DatetimeIndex(ends[last])
    return origins[:-1] if len(origins) and _is_partial(panel, origins[-1]) else origins


def _is_partial(panel: Panel, end: pd.Timestamp) -> bool:
    """Whether a further period could still end in the month of `end`."""
    step = 7 if panel.granularity == "week" else 1
    return bool((end + step * DAY).to_period("M") == end.to_period("M"))


def _is_end(panel: Panel) -> np.ndarray:
    if panel.granularity == "day":
        return np.ones(len(panel.days), dtype=bool)
    if panel.granularity == "month":
        return np.asarray(panel.days.is_month_end)
    return np.arange(len(panel.days)) % 7 == 6


def training_days(panel: Panel, target: Target) -> pd.DatetimeIndex:
    """Origins to train from: a week apart (where rows are not months), and those that are forecast from.

    They are counted from the first day, so that a longer panel adds some and moves none of a month target's.
    """
    origins = origin_days(panel, target)
    if panel.granularity == "month":
        return origins
    return pd.DatetimeIndex(panel.days[6::7].union(origins))


def complete(panel: Panel, target: Target, origins: pd.DatetimeIndex) -> pd.DatetimeIndex:
    """The origins with a whole reference before them, whose target lies in the panel, a post in each."""
    sums = Sums.of(panel)
    return pd.DatetimeIndex(
        [
            origin
            for origin in origins
            if target.reference(origin)[0] >= panel.days[0]
            and known_on(panel, target.period(origin)) <= panel.last
            and sums.total(*target.period(origin)) > 0
            and sums.total(panel.days[0], origin) > 0
        ]
    )


def split_origins(
    panel: Panel, target: Target, test_origins: int | None = None, validation_origins: int | None = None
) -> Split:
    """Cuts the history into training, validation and test origins, each a target's embargo apart.

    Args:
        panel: the counts.
        target: what is asked for.
        test_origins: how many of the last complete targets are kept for the test; 0 for none; None takes a quarter
            of the complete targets, at most 12.
        validation_origins: how many before the embargo; None takes a third of those that remain, at most 12.

    Raises:
        UserError: the history is too short; it tells how many months are needed.
    """
    every = origin_days(panel, target)
    if target.kind == "calendar-month" and _is_partial(panel, panel.last):
        log.info("%s is partial (up to %s): no label and no origin", panel.last.to_period("M"), panel.last.date())
    done = complete(panel, target, every)
    tests = min(12, max(1, len(done) // 4)) if test_origins is None else test_origins
    if tests < 0:
        raise UserError(f"--test-origins {tests} is negative; give 0 or more")
    if validation_origins is not None and validation_origins < 1:
        raise UserError(f"--validation-origins {validation_origins} leaves nothing to fit weights on; give 1 or more")
    if tests > len(done):
        _too_short(panel, target, tests, validation_origins)
    test = done[len(done) - tests :]
    before = _labels_known(panel, target, done[: len(done) - tests], test[0]) if tests else done
    wanted = min(12, max(1, len(before) // 3)) if validation_origins is None else validation_origins
    validation = before[max(len(before) - wanted, 0) :]
    if len(validation) < wanted or len(validation) == 0:
        _too_short(panel, target, tests, validation_origins)
    dense = complete(panel, target, training_days(panel, target))
    train = _labels_known(panel, target, dense, validation[0])
    if len(train) == 0:
        _too_short(panel, target, tests, validation_origins)
    return Split(train, validation, test, every[-1])


def _labels_known(panel: Panel, target: Target, origins: pd.DatetimeIndex, day: pd.Timestamp) -> pd.DatetimeIndex:
    return pd.DatetimeIndex([origin for origin in origins if known_on(panel, target.period(origin)) <= day])


def _too_short(panel: Panel, target: Target, tests: int, validations: int | None) -> None:
    """Tells the months that the smallest split with these wishes needs: one training origin and two embargoes."""
    embargoes = 3 if tests else 2
    if target.kind == "calendar-month":
        late = 1 if panel.granularity == "week" else 0  # a week that straddles a month end makes its label late
        months = embargoes * (target.first + late) + max(tests, 1) + (validations or 1) - 1
    else:
        months = -(-(embargoes * target.last + (tests + (validations or 1)) * target.last) // 30)
    raise UserError(
        f"the history of {panel.days[0].date()} to {panel.last.date()} is too short for --target {target} with "
        f"{tests} test origins: {months} whole months are needed; give more history or a smaller --test-origins"
    )
