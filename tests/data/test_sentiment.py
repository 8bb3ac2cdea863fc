"""What comments feel: labels, a tiny classifier, and the column that comes of them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification, BertModel, BertTokenizerFast, pipeline

from data.posts import Posts
from data.prepare import PrepareConfig, main
from data.sentiment import Sentiment, label_values
from stylecast.errors import UserError

MARKS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SPELLED = list("好看丑喜欢讨厌一般裙子")
BERT = {"vocab_size": 32, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
        "max_position_embeddings": 16}  # fmt: skip
TEXTS = ["好看", "丑", "喜欢裙子", "讨厌", "一般", "好看好看好看好看好看好看好看好看好看好看"]


def checkpoint(folder: Path, labels: list[str]) -> Path:
    torch.manual_seed(0)
    model = BertForSequenceClassification(BertConfig(**BERT, id2label=dict(enumerate(labels))))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    model.save_pretrained(folder)
    BertTokenizerFast(vocab={token: i for i, token in enumerate(MARKS + SPELLED)}).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def stars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoint(tmp_path_factory.mktemp("stars"), ["1 star", "3 stars", "5 stars"])


@pytest.mark.parametrize(
    ("labels", "worth"),
    [
        (["negative", "neutral", "positive"], [-1, 0, 1]),
        (["LABEL_0", "LABEL_1"], [-1, 1]),
        (["1 star", "2 stars", "3 stars", "4 stars", "5 stars"], [-1, -0.5, 0, 0.5, 1]),
        (["negative (stars 1, 2 and 3)", "positive (stars 4 and 5)"], [-1, 1]),
        (["POS", "NEU", "NEG"], [1, 0, -1]),
        (["正面", "负面"], [1, -1]),
    ],
)
def test_labels_of_common_models(labels: list[str], worth: list[float]) -> None:
    assert label_values(labels, (), "m").tolist() == worth


def test_other_labels_are_told_by_flag() -> None:
    with pytest.raises(UserError, match=r"--sentiment m: what its label 'joy' .* --sentiment-labels joy=NUMBER"):
        label_values(["joy", "anger"], (), "m")
    with pytest.raises(UserError, match=r"'LABEL_2'|'LABEL_0'"):
        label_values(["LABEL_0", "LABEL_1", "LABEL_2"], (), "m")
    assert label_values(["joy", "anger"], ("joy=0.5", "anger=-1"), "m").tolist() == [0.5, -1]
    assert label_values(["positive", "negative"], ("negative=-0.2",), "m").tolist() == pytest.approx([1, -0.2])
    for pair in ("joy", "joy=2", "joy=x", "fear=1"):
        with pytest.raises(UserError, match=f"--sentiment-labels {pair}"):
            label_values(["joy", "anger"], (pair,), "m")


def test_it_is_what_the_pipeline_says_in_any_company(stars: Path) -> None:
    model = Sentiment.load(str(stars), ())
    told = pipeline("text-classification", model=str(stars), tokenizer=str(stars), top_k=None)
    for text, feels in zip(TEXTS[:5], model(TEXTS[:5]), strict=True):
        shares = {one["label"]: one["score"] for one in told([text])[0]}
        assert feels == pytest.approx(shares["5 stars"] - shares["1 star"], abs=2e-4)
    alone = np.concatenate([model([text]) for text in TEXTS])
    assert np.array_equal(model(TEXTS[::-1])[::-1], alone)
    assert len(set(alone.tolist())) > 3


def feed(folder: Path) -> Path:
    pd.DataFrame({"post_id": ["a", "b", "c"], "title": ["红色半裙", "蓝色毛衣", "风衣"]}).to_csv(
        folder / "posts.csv", index=False
    )
    rows = [("a", "好看"), ("b", "丑"), ("a", "喜欢裙子"), ("z", "一般"), ("a", " ")]
    pd.DataFrame(rows, columns=["post_id", "text"]).to_csv(folder / "comments.csv", index=False)
    return folder / "posts.csv"


def test_the_mean_of_a_post_becomes_a_column(stars: Path, tmp_path: Path) -> None:
    config = PrepareConfig(
        posts=feed(tmp_path), out=tmp_path / "run", workers=1, comments=tmp_path / "comments.csv", sentiment=str(stars)
    )
    table = Posts.load(main(config)).table.set_index("post_id")
    each = Sentiment.load(str(stars), ())(["好看", "喜欢裙子", "丑"])
    assert table.loc["a", "sentiment"] == pytest.approx(each[:2].mean(), abs=1e-6)
    assert table.loc["b", "sentiment"] == pytest.approx(each[2], abs=1e-6)
    assert np.isnan(table.loc["c", "sentiment"])
    lost = pd.read_csv(tmp_path / "run" / "rejected_comments.csv")
    assert lost[["line", "reason"]].values.tolist() == [[6, "no text"]]
    without = Posts.load(main(PrepareConfig(posts=config.posts, out=tmp_path / "without", workers=1)))
    assert "sentiment" not in without.table


def test_what_cannot_be_used(stars: Path, tmp_path: Path) -> None:
    posts, comments = feed(tmp_path), tmp_path / "comments.csv"
    with pytest.raises(UserError, match=r"--comments needs --sentiment too"):
        main(PrepareConfig(posts=posts, out=tmp_path / "run", comments=comments))
    with pytest.raises(UserError, match=r"--sentiment needs --comments too"):
        main(PrepareConfig(posts=posts, out=tmp_path / "run", sentiment=str(stars)))
    with pytest.raises(UserError, match=r"--sentiment .*nowhere: transformers cannot load it"):
        Sentiment.load(str(tmp_path / "nowhere"), ())
    BertModel(BertConfig(**BERT)).save_pretrained(tmp_path / "bare")
    BertTokenizerFast(vocab={t: i for i, t in enumerate(MARKS)}).save_pretrained(tmp_path / "bare")
    with pytest.raises(UserError, match=r"lacks classifier.bias: it is no trained text classifier"):
        Sentiment.load(str(tmp_path / "bare"), ())
    pd.read_csv(comments).rename(columns={"text": "words"}).to_csv(comments, index=False)
    with pytest.raises(UserError, match=r"--comments .*comments.csv: no column 'text'; it has post_id, words"):
        main(PrepareConfig(posts=posts, out=tmp_path / "run", comments=comments, sentiment=str(stars)))
