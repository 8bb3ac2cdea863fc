"""What a pretraining says of held-out pictures, as tables: each tag, and sample captions beside their truth.

Shapes: N pictures, T places of a caption, V tags.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sacrebleu.metrics import BLEU

from pretrain.beam import BeamConfig
from pretrain.examples import spread
from pretrain.tag_metrics import tag_table
from pretrain.task import PretrainTask
from pretrain.vocabulary import FIRST_WORD, Vocabulary

TAGS, CAPTIONS = "tags.csv", "captions.csv"


def words_of(tokens_NT: np.ndarray, vocabulary: Vocabulary) -> list[list[str]]:
    """The words of captions, without their marks."""
    return [[vocabulary.words[n] for n in row if n >= FIRST_WORD] for row in tokens_NT.tolist()]


def bleu_of(written: Sequence[Sequence[str]], truth: Sequence[Sequence[str]]) -> tuple[np.ndarray, float]:
    """BLEU of captions against one truth each (Papineni et al. 2002, by sacrebleu), 0..100.

    Args:
        written: words of each caption.
        truth: words of what people wrote.

    Returns:
        Of each caption (orders that a short one cannot have are left out), and of all of them.
    """
    said, true = [" ".join(words) for words in written], [" ".join(words) for words in truth]
    # The texts are cut into words already.
    each, whole = BLEU(tokenize="none", effective_order=True), BLEU(tokenize="none", force=True)
    scores = [each.sentence_score(a, [b]).score for a, b in zip(said, true, strict=True)]
    return np.array(scores), float(whole.corpus_score(said, [true]).score)


def caption_table(
    task: PretrainTask, heads_NHD: torch.Tensor, vocabulary: Vocabulary, truth: Sequence[Sequence[str]],
    picture_ids: np.ndarray, beam: BeamConfig,
) -> tuple[pd.DataFrame, dict[str, float]]:  # fmt: skip
    """Write captions of held-out pictures.

    Args:
        task: a trained task with captions.
        heads_NHD: of the pictures.
        vocabulary: the known words.
        truth: the words of each picture's post, unknown ones too; as many count as a caption may hold.
        picture_ids: N.
        beam: how captions are written.

    Returns:
        picture_id, truth, written, log_probability, bleu, one row a picture; and `caption_bleu` over all, beside
        `caption_bleu_shuffled`: of each caption against the truth of another picture, which is what knowing
        the language alone is worth.
    """
    assert task.captions is not None
    places = task.valid.tokens_PT.shape[1]
    with torch.inference_mode():
        captions = task.captions.write(heads_NHD[:, 0], places, beam)
    written = words_of(captions.tokens_BT.cpu().numpy(), vocabulary)
    true = [list(words[: places - 1]) for words in truth]
    scores, whole = bleu_of(written, true)
    middle = len(true) // 2
    _, shuffled = bleu_of(written, true[middle:] + true[:middle])
    table = pd.DataFrame(
        {"picture_id": picture_ids, "truth": [" ".join(w) for w in true], "written": [" ".join(w) for w in written],
         "log_probability": captions.log_probability_B.cpu().numpy(), "bleu": scores}
    )  # fmt: skip
    return table, {"caption_bleu": whole, "caption_bleu_shuffled": shuffled}


def write_reports(
    task: PretrainTask, vocabulary: Vocabulary, truth: Sequence[Sequence[str]], picture_ids: np.ndarray,
    beam: BeamConfig, samples: int, folder: Path,
) -> dict[str, float]:  # fmt: skip
    """Write `tags.csv` and `captions.csv`, for the losses that the task has.

    Args:
        task: trained, with its held-out pictures.
        vocabulary: the known words.
        truth: the words of each post.
        picture_ids: of the corpus.
        beam: how captions are written.
        samples: most pictures that get a caption, spread evenly.
        folder: where.

    Returns:
        The metrics of the captions.
    """
    heads_NHD = task.held_out_heads()
    if task.tags is not None:
        with torch.inference_mode():
            scores_NV, truth_NV = task.tag_scores(heads_NHD)
        tag_table(scores_NV, truth_NV, vocabulary.words[FIRST_WORD:]).to_csv(folder / TAGS, index=False)
    if task.captions is None or samples < 1:
        return {}
    places = spread(np.arange(len(heads_NHD)), samples)
    rows = task.valid.rows[places]
    told = [truth[post] for post in task.valid.post_N[rows]]
    table, metrics = caption_table(task, heads_NHD[places], vocabulary, told, picture_ids[rows], beam)
    table.to_csv(folder / CAPTIONS, index=False)
    return metrics
