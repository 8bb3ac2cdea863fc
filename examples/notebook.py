"""A feed of posts in a notebook: vectors of its pictures, styles, their shares, and what comes next.

Each `# %%` is a cell, for VS Code, PyCharm, Spyder or Jupytext. As a script:

    python examples/notebook.py runs/mine      # the folder of a finished `stylecast run`
    python examples/notebook.py                # a small sample world, made and learnt first: about a minute
"""

# %% Which run: its posts and its encoder are taken; the rest is done here.
import sys
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from data import Panel, Posts
from ensemble import ShareForecaster
from pretrain import PixelEncoder
from recall import Matcher, StyleClusterer

RUN = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("runs/notebook")
OUT = Path("notebook")  # what this notebook makes

# %% Without a run: a sample world, and the stages that learn from it. Each is a function of its config.
if not (RUN / "recall").is_dir():
    from data.prepare import PrepareConfig
    from data.prepare import main as prepare
    from data.sample import SampleConfig
    from data.sample import main as sample
    from pretrain.recipes import tiny as tiny_pretrain
    from pretrain.train import main as pretrain
    from recall.recipes import tiny as tiny_recall
    from recall.train import main as recall

    world = sample(SampleConfig(out=RUN / "world", posts=700, styles=6, days=730, picture_size=48, workers=1))
    prepare(PrepareConfig(posts=world / "posts.csv", out=RUN / "prepare", picture_size=48, workers=1))
    pretrain(replace(tiny_pretrain(), posts=RUN / "prepare", out=RUN / "pretrain"))
    recall(replace(tiny_recall(), posts=RUN / "prepare", pretrain=RUN / "pretrain", out=RUN / "recall"))

# %% The posts: a pandas frame, and their pictures as one array.
posts = Posts.load(RUN / "prepare")
pictures = posts.pictures.merge(posts.table, on="post_id", how="left")
print(posts.table[["post_id", "time", "title", "likes"]].head())
print("pictures:", posts.images.shape, posts.images.dtype)

# %% Vectors: several heads a picture, each of length one, side by side.
encoder = PixelEncoder.from_pretrained(RUN / "recall")
heads = encoder.encode(posts.images)
vectors = (heads / np.linalg.norm(heads, axis=2, keepdims=True)).reshape(len(heads), -1)

# %% Styles, found before a day and told for all: a forecast must not know styles that came later.
early = (pictures["time"] < pictures["time"].quantile(0.6)).to_numpy()
styles = StyleClusterer(k=6).fit(vectors[early], texts=pictures["title"][early], ids=pictures["picture_id"][early])
print(styles.styles_[["style", "name", "size"]].to_string(index=False))
names = styles.styles_["style"].to_numpy()
pictures["style"] = np.where(styles.is_emerging(vectors), "", names[styles.predict(vectors)])

# %% The panel: how many posts of each style on each day, out of how many.
panel = Panel.of(pictures).to_frame()
print(panel[["style", "date", "count", "total", "share"]].tail().to_string(index=False))

# %% Forecasts, held against the ladder of simple rules on months that were kept apart.
forecaster = ShareForecaster(members=("gaussian-process",), test_origins=4).fit(panel)
print(forecaster.table_)
forecast = forecaster.predict().query("model == 'ensemble'").set_index("style")
print(forecast[["target_start", "share", "lower", "upper", "growth", "p_up"]].sort_values("growth", ascending=False))

# %% The same as a picture: share by month, and the month that is forecast with its interval.
by_month = panel.groupby(["style", panel["date"].dt.to_period("M")])[["count", "total"]].sum()
share = (by_month["count"] / by_month["total"]).unstack("style")
figure, axes = plt.subplots(figsize=(9, 4.5), layout="constrained")
for number, style in enumerate(forecast.index):
    row, colour = forecast.loc[style], f"C{number}"
    axes.plot(share.index.to_timestamp(), 100 * share[style], color=colour, label=style)
    low, high = row["share"] - row["lower"], row["upper"] - row["share"]
    day = row["target_start"] + pd.Timedelta(days=4 * number)  # side by side within the month
    axes.errorbar(day, 100 * row["share"], [[100 * low], [100 * high]], fmt="o", color=colour)
axes.set(ylabel="share of the feed, %", title="Shares by month; dots: forecast with its 80% interval")
axes.legend(ncols=3)
OUT.mkdir(exist_ok=True)
figure.savefig(OUT / "shares.png", dpi=120)

# %% Phrases against pictures: more is better, within a phrase.
matcher = Matcher.from_pretrained(RUN / "recall")
phrase = matcher.vocabulary.words[3]  # the most frequent word
best = matcher.score([phrase], heads)[0].argsort()[::-1][:5]
print(phrase, "→", pictures["title"].iloc[best].tolist())

# %% To keep: folders that any later notebook reads back by one line.
encoder.save_pretrained(OUT / "encoder")
styles.save_pretrained(OUT / "styles")
forecaster.save_pretrained(OUT / "forecaster")
again = ShareForecaster.from_pretrained(OUT / "forecaster").predict()
print("kept in", OUT, "and read back alike:", again.equals(forecaster.predict()))
