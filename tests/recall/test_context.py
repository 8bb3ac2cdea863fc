"""A text model that reads queries in context: against transformers by hand, frozen and tuned, saved and read back."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from pretrain.vocabulary import FIRST_WORD, MARKS, Vocabulary
from recall.context import FOLDER, ContextEncoder, build_text, load_text
from recall.embeddings import text_vectors
from recall.evaluate import EvaluateConfig
from recall.evaluate import main as evaluate
from recall.matcher import Matcher
from recall.matchers import TextEncoder
from recall.search import Searcher
from recall.text_model import TextConfig
from recall.train import RecallConfig, main
from stylecast.checkpoint import save_parts
from stylecast.errors import UserError
from tests.recall.texts import FAMILIES, text_checkpoint

WORDS = ["红色", "绿色", "圆", "公园电影", "咖啡", "方块"]  # the tokenizer cannot spell 咖啡
RED, GREEN, ROUND, PARK, COFFEE, SQUARE = range(FIRST_WORD, FIRST_WORD + 6)
Mode = Literal["frozen", "tuned"]


def vocabulary() -> Vocabulary:
    return Vocabulary(MARKS + tuple(WORDS), (0,) * len(MARKS) + (3,) * len(WORDS), 9)


def encoder(kind: str, folder: Path, context: Mode = "tuned") -> ContextEncoder:
    name, _, _ = text_checkpoint(kind, folder)
    torch.manual_seed(0)
    built = build_text(TextConfig(model=str(name), context=context), torch.randn(len(vocabulary()), 12), vocabulary())
    assert isinstance(built, ContextEncoder)
    return built.eval()


def stirred(text: ContextEncoder) -> ContextEncoder:
    """With projections that are no longer zero."""
    for layer in (text.read_word, text.read_sentence):
        torch.nn.init.normal_(layer.weight)
    return text


def test_states_are_the_means_over_the_tokens_of_each_word(tmp_path: Path) -> None:
    text = encoder("bert", tmp_path)
    _, model, tokenizer = text_checkpoint("bert", tmp_path / "again")
    with torch.no_grad():
        found = text.reader(torch.tensor([[RED, COFFEE, PARK, 0]]))[0]
        told = tokenizer("红色 公园电影", return_tensors="pt", return_offsets_mapping=True)
        offsets = told.pop("offset_mapping")[0].tolist()
        states = model(**told).last_hidden_state[0]
    words = {"红色": (0, 2), "公园电影": (3, 7)}
    for place, word in ((0, "红色"), (2, "公园电影")):
        first, last = words[word]
        of_word = [n for n, (a, b) in enumerate(offsets) if a >= first and b <= last and b > a]
        assert len(of_word) == len(word)
        torch.testing.assert_close(found[place], states[of_word].mean(dim=0), rtol=1e-4, atol=1e-4)
    assert (found[[1, 3]] == 0).all()  # what cannot be spelt, and padding


@pytest.mark.parametrize("kind", FAMILIES)
def test_every_family_reads_the_same_whatever_stands_beside_a_query(kind: str, tmp_path: Path) -> None:
    text = stirred(encoder(kind, tmp_path))
    with torch.no_grad():
        alone = text(torch.tensor([[RED, ROUND]]))
        beside = text(torch.tensor([[RED, ROUND, 0, 0], [PARK, SQUARE, RED, GREEN], [0, 0, 0, 0]]))
        other = text(torch.tensor([[RED, SQUARE]]))
        text.reader.train()  # as long as the longest of its batch
        text.reader.model.eval()
        short = text(torch.tensor([[RED, ROUND, 0, 0], [GREEN, 0, 0, 0]]))
    for found in (beside, short):
        torch.testing.assert_close(found.words_QWD[0, :2], alone.words_QWD[0], rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(found.sentence_QD[0], alone.sentence_QD[0], rtol=1e-3, atol=1e-3)
    assert (beside.sentence_QD[2] == 0).all()
    assert (beside.words_QWD[0, 2:] == 0).all()
    torch.testing.assert_close(text.vectors()[GREEN], text(torch.tensor([[GREEN]])).words_QWD[0, 0])
    if kind not in ("clip", "clip-text"):  # these read from the left alone
        assert not torch.allclose(other.words_QWD[0, 0], alone.words_QWD[0, 0], atol=1e-3)  # read in context


def test_a_query_that_is_too_long_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    text = encoder("bert", tmp_path)
    assert text.reader.places == 22
    states = text.reader(torch.tensor([[PARK, PARK, PARK, PARK, PARK, RED]]))[0]
    assert states[:5].any(dim=1).all()
    assert not states[5].any()


def test_a_training_starts_from_the_vectors_of_words(tmp_path: Path) -> None:
    text, words = encoder("bert", tmp_path), torch.tensor([[RED, GREEN]])
    plain = TextEncoder(text.table_VD)
    plain.load_state_dict({k: v for k, v in text.state_dict().items() if not k.startswith(("rea", "norm"))})
    torch.testing.assert_close(text(words).sentence_QD, plain.eval()(words).sentence_QD)


def gradients(text: ContextEncoder) -> dict[str, bool]:
    text.train()
    query = stirred(text)(torch.tensor([[RED, GREEN], [ROUND, 0]]))
    (query.words_QWD.square().sum() + query.sentence_QD[:, 0].sum()).backward()
    return {name: p.grad is not None for name, p in text.reader.model.named_parameters() if p.requires_grad}


def test_tuned_learns_frozen_does_not(tmp_path: Path) -> None:
    tuned, frozen = encoder("bert", tmp_path), encoder("bert", tmp_path, "frozen")
    told = gradients(tuned)
    assert all(told.values())
    assert not any("pooler" in name for name in told)  # nothing of it reaches a state
    assert gradients(frozen) == {}
    rates = tuned.learning_rates()
    assert rates["reader.model.encoder.layer.1.output.dense.weight"] == pytest.approx(0.05 * 0.9)
    assert rates["reader.model.encoder.layer.0.output.dense.weight"] == pytest.approx(0.05 * 0.9**2)


def test_a_frozen_model_reads_a_query_once(tmp_path: Path) -> None:
    text, words = stirred(encoder("bert", tmp_path, "frozen")), torch.tensor([[RED, GREEN], [ROUND, 0]])
    with torch.inference_mode():
        first = text(words).words_QWD
    read = []
    text.reader.model.register_forward_hook(lambda *_: read.append(1))
    again = text.train()(words[[1, 0, 1]])
    assert not read
    again.sentence_QD.sum().backward()
    torch.testing.assert_close(again.words_QWD[[1, 0]], first)
    text(torch.tensor([[GREEN, RED]]))
    assert read == [1]


@pytest.mark.parametrize("kind", FAMILIES)
def test_saved_and_read_back_without_the_checkpoint(kind: str, tmp_path: Path) -> None:
    text = stirred(encoder(kind, tmp_path / "model"))
    save_parts(text, tmp_path / "weights.safetensors")
    text.save(tmp_path)
    weights = load_file(tmp_path / "weights.safetensors")
    (tmp_path / "model").rename(tmp_path / "gone")
    loaded, words = load_text(tmp_path, weights), np.array([[RED, PARK, COFFEE], [GREEN, 0, 0]])
    np.testing.assert_array_equal(text_vectors(loaded, words), text_vectors(text, words))
    (tmp_path / FOLDER / "config.json").write_text("{")
    with pytest.raises(UserError, match=r"text_model: cannot be read"):
        load_text(tmp_path, weights)


def test_settings_that_do_not_go_together(tmp_path: Path) -> None:
    for config, told in (
        (TextConfig(context="frozen"), "--text.context frozen needs a text model"),
        (TextConfig(model="x", context="tuned", rate=0.0), "--text.rate"),
    ):
        with pytest.raises(UserError, match=told):
            build_text(config, torch.randn(9, 4), vocabulary())


@pytest.mark.parametrize("context", ["frozen", "tuned"])
def test_a_run_that_reads_in_context(context: Mode, recall_config: RecallConfig, tmp_path: Path) -> None:
    folder, _, _ = text_checkpoint("bert", tmp_path / "bert")
    config = replace(recall_config, text=TextConfig(model=str(folder), context=context), out=tmp_path / "run")
    config = replace(config, loop=replace(config.loop, epochs=2), cache_chunk=8)
    run = main(config)
    folder.rename(tmp_path / "gone")
    searcher = Searcher.load(run)
    trained = searcher.models.text
    assert isinstance(trained, ContextEncoder)
    assert trained.read_word.weight.any()
    found = searcher.search("红色", 8)
    assert found["score"].is_monotonic_decreasing
    searcher.models.save_pretrained(tmp_path / "kept")
    again, heads = Matcher.from_pretrained(tmp_path / "kept"), np.array(searcher.heads_NHD[:9], np.float32)
    assert isinstance(again.text, ContextEncoder)
    np.testing.assert_array_equal(again.score(["红色 圆形"], heads), searcher.models.score(["红色 圆形"], heads))
    assert "sentence" in evaluate(EvaluateConfig(run=run, out=tmp_path / "scores.csv"))
