"""Words that start from a text model of transformers: which vector, where it goes, what is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from transformers import ViTConfig, ViTModel

from data.posts import Posts
from pretrain.train import load_pretrained
from pretrain.vocabulary import FIRST_WORD, MARKS, Vocabulary
from recall.matcher import Matcher
from recall.search import Searcher
from recall.text_model import TextConfig, open_text_model, placed, starting_table
from recall.train import RecallConfig, main
from stylecast.errors import UserError
from tests.recall.texts import CHARACTERS, FAMILIES, VISION, text_checkpoint

WORDS = ["红色", "绿色", "圆", "公园电影", "方块"]


def cosines(vectors: np.ndarray) -> np.ndarray:
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit @ unit.T


@pytest.mark.parametrize("kind", FAMILIES)
def test_every_family_embeds_words_each_by_itself(kind: str, tmp_path: Path) -> None:
    folder, _, _ = text_checkpoint(kind, tmp_path)
    text = open_text_model(str(folder))
    together = text.embed(WORDS)
    assert together.dtype == np.float32
    assert np.isfinite(together).all()
    for number, word in enumerate(WORDS):  # neither padding nor the other words change a word
        np.testing.assert_allclose(text.embed([word])[0], together[number], rtol=1e-4, atol=1e-4)
    off = ~np.eye(len(WORDS), dtype=bool)
    assert cosines(together - together.mean(axis=0))[off].max() < 0.99


def test_a_plain_model_gives_the_mean_over_the_tokens_of_a_word(tmp_path: Path) -> None:
    folder, model, tokenizer = text_checkpoint("bert", tmp_path)
    with torch.no_grad():
        states = model(**tokenizer("公园", return_tensors="pt")).last_hidden_state[0]
    assert len(states) == 4  # [CLS] 公 园 [SEP]
    np.testing.assert_allclose(
        open_text_model(str(folder)).embed(["公园"])[0], states[1:3].mean(dim=0), rtol=1e-4, atol=1e-4
    )


def test_a_model_of_pictures_too_gives_what_it_compares_with_them(tmp_path: Path) -> None:
    folder, model, tokenizer = text_checkpoint("clip", tmp_path)
    told = tokenizer("公园", return_tensors="pt", return_token_type_ids=False)
    with torch.no_grad():
        told = model(**told, pixel_values=torch.zeros(1, 3, 32, 32))
    found = F.normalize(torch.from_numpy(open_text_model(str(folder)).embed(["公园"])), dim=-1)
    torch.testing.assert_close(found, told.text_embeds, rtol=1e-4, atol=1e-4)


def test_placed_keeps_angles_and_finds_the_turn() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(40, 6)) + 5  # what all share says nothing
    turn = np.linalg.qr(rng.normal(size=(8, 8)))[0][:6]
    tags = 3 * (vectors - vectors.mean(axis=0)) @ turn
    np.testing.assert_allclose(placed(vectors, tags), tags, rtol=1e-4, atol=1e-4)
    noisy = rng.normal(size=(40, 8))
    found = placed(vectors, noisy)
    np.testing.assert_allclose(cosines(found), cosines(vectors - vectors.mean(axis=0)), atol=1e-5)
    assert (found**2).mean() == pytest.approx((noisy**2).mean(), rel=1e-5)


def test_more_directions_than_tags_have_are_cut_to_the_widest() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(50, 9)) * np.array([9, 8, 7, *[1e-3] * 6])
    centred = vectors - vectors.mean(axis=0)
    found = placed(vectors, rng.normal(size=(50, 3)))
    np.testing.assert_allclose(cosines(found), cosines(centred), atol=1e-3)


def vocabulary(words: list[str]) -> Vocabulary:
    return Vocabulary(MARKS + tuple(words), (0,) * len(MARKS) + (3,) * len(words), 9)


def test_the_table_starts_from_the_model_and_unknown_words_keep_their_tags(tmp_path: Path) -> None:
    folder, _, _ = text_checkpoint("bert", tmp_path)
    words = [*WORDS[:2], "咖啡", *WORDS[2:]]
    torch.manual_seed(1)
    tags_VD = torch.randn(FIRST_WORD + len(words), 20)
    before = tags_VD.clone()
    config = TextConfig(model=str(folder))
    table_VD = starting_table(config, vocabulary(words), tags_VD, np.zeros((1, 1), np.int64), 20, 0)
    assert torch.equal(tags_VD, before)
    unknown = FIRST_WORD + 2
    assert torch.equal(table_VD[unknown], tags_VD[unknown])
    assert torch.equal(table_VD[:FIRST_WORD], tags_VD[:FIRST_WORD])
    known = np.delete(table_VD[FIRST_WORD:].numpy(), 2, axis=0)
    vectors = open_text_model(str(folder)).embed(WORDS)
    np.testing.assert_allclose(cosines(known), cosines(vectors - vectors.mean(axis=0)), atol=1e-4)


def test_without_a_model_words_start_from_the_tags_or_from_their_company() -> None:
    tags_VD, posts = torch.randn(8, 4), np.array([[3, 4], [3, 4], [5, 6]])
    known = vocabulary(WORDS)
    assert starting_table(TextConfig(), known, tags_VD, posts, 4, 0) is tags_VD
    assert starting_table(TextConfig(), known, None, posts, 4, 0).shape == (8, 4)


@pytest.fixture(scope="module")
def frozen_config(recall_config: RecallConfig, tmp_path_factory: pytest.TempPathFactory) -> RecallConfig:
    folder, _, _ = text_checkpoint("bert", tmp_path_factory.mktemp("bert"))
    text = TextConfig(model=str(folder), frozen=True)
    return replace(recall_config, text=text, out=recall_config.out.with_name("frozen"))


def test_a_run_with_frozen_words(frozen_config: RecallConfig) -> None:
    models = Matcher.from_pretrained(main(frozen_config))
    words = list(models.vocabulary.words[FIRST_WORD:])
    text = open_text_model(frozen_config.text.model)
    known = text.known(words)
    assert "咖啡" in words
    assert [w for w, knows in zip(words, known, strict=True) if not knows] == ["咖啡"]
    vectors = text.embed([w for w, knows in zip(words, known, strict=True) if knows])
    trained = models.text.table_VD.detach().numpy()[FIRST_WORD:]
    np.testing.assert_allclose(cosines(trained[known]), cosines(vectors - vectors.mean(axis=0)), atol=1e-4)
    tags_VD = load_pretrained(frozen_config.pretrain).table_VD
    assert tags_VD is not None
    assert np.array_equal(trained[~known], tags_VD.numpy()[FIRST_WORD:][~known])


def test_a_run_with_trained_words_finds_what_is_asked(frozen_config: RecallConfig) -> None:
    text = replace(frozen_config.text, frozen=False)
    loop = replace(frozen_config.loop, epochs=12)
    folder = main(replace(frozen_config, text=text, loop=loop, cache_chunk=8, out=frozen_config.out.with_name("tuned")))
    moved = folder.rename(folder.with_name("moved"))  # the run is whole without the text model
    searcher = Searcher.load(moved)
    start = starting_table(
        text, searcher.models.vocabulary, load_pretrained(frozen_config.pretrain).table_VD, np.zeros((1, 1), int), 0, 0
    )
    assert not torch.allclose(searcher.models.text.table_VD, start, atol=1e-4)
    table = Posts.load(frozen_config.posts).table.set_index("post_id")
    for colour in ("红色", "蓝色"):
        found = searcher.search(colour, 8)
        assert table.loc[found["post_id"], "words"].str.contains(colour).mean() > 0.6  # by chance: 0.33


def refused(name: Path) -> str:
    with pytest.raises(UserError) as caught:
        open_text_model(str(name))
    told = str(caught.value)
    assert told.startswith(f"--text.model {name}: ")
    assert "\n" not in told
    return told


def test_what_cannot_be_loaded_is_refused(tmp_path: Path) -> None:
    assert "cannot load it" in refused(tmp_path / "nowhere")
    ViTModel(ViTConfig(**VISION)).save_pretrained(tmp_path / "vit")
    assert "ViTModel is no text model" in refused(tmp_path / "vit")
    FAMILIES["bert"]().save_pretrained(tmp_path / "mute")
    assert "no tokenizer" in refused(tmp_path / "mute")
    text_checkpoint("bert", tmp_path / "junk")
    (tmp_path / "junk" / "model.safetensors").write_bytes(b"junk")
    assert "cannot load it" in refused(tmp_path / "junk")


def test_a_checkpoint_that_lacks_weights_is_refused(tmp_path: Path) -> None:
    folder, model, _ = text_checkpoint("bert", tmp_path)
    weights = {k: v for k, v in model.state_dict().items() if "layer.1.output" not in k}
    model.save_pretrained(folder, state_dict=weights)
    assert "lacks weights" in refused(folder)


def test_a_tokenizer_of_another_model_is_refused(tmp_path: Path) -> None:
    folder, _, tokenizer = text_checkpoint("bert", tmp_path)
    tokenizer.add_tokens([f"词{n}" for n in range(40)])
    tokenizer.save_pretrained(folder)
    with pytest.raises(UserError, match="tokenizer is that of another model"):
        open_text_model(str(folder)).embed(["词39"])


def test_a_model_of_another_language_is_refused(tmp_path: Path) -> None:
    folder, _, _ = text_checkpoint("bert", tmp_path)
    known = vocabulary(["red", "green", CHARACTERS[0]])
    with pytest.raises(UserError, match="knows 1 of the 3 words"):
        starting_table(TextConfig(model=str(folder)), known, torch.randn(6, 4), np.zeros((1, 1), int), 4, 0)
