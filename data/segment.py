"""Which pixels of a picture are clothes: by a segmentation model of `transformers`, or by GrabCut.

Shapes: B pictures of a batch, H×W pixels, S pixels a side.
"""

import logging
import re
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch

from data.pictures import letterbox, place_in
from stylecast.errors import UserError
from stylecast.world import open_world

log = logging.getLogger(__name__)
BATCH = 8  # pictures that a model sees at a time; a constant, since kernels chosen by shape round differently
ROUNDS = 3  # of GrabCut
# fmt: off
CLOTHES = frozenset([
    "apparel", "blazer", "blouse", "boot", "cape", "cardigan", "cheongsam", "cloth", "clothes", "clothing", "coat",
    "dress", "footwear", "garment", "glove", "gown", "hanfu", "hat", "jacket", "jean", "jersey", "jumper", "jumpsuit",
    "kimono", "legging", "overall", "pajama", "pant", "poncho", "pullover", "qipao", "robe", "romper", "sandal",
    "scarf", "shirt", "shoe", "short", "skirt", "sleeve", "sneaker", "sock", "stocking", "suit", "sweater",
    "sweatshirt", "swimsuit", "swimwear", "tight", "top", "trouser", "tunic", "underwear", "uniform", "vest",
])
# fmt: on
"""A label with one of these words, singular or plural, is taken for clothes where none is named."""


def grab_cut(image: np.ndarray) -> np.ndarray:
    """What stands in the middle of a picture, told from what surrounds it (Rother et al., GrabCut, 2004).

    It knows no clothes: the wearer's skin and hair come along. An upright ellipse in the middle is where it starts; a
    tenth of each side in its middle is foreground for certain, and the edge of the picture background.

    Args:
        image: uint8 H×W×3 RGB.

    Returns:
        bool H×W.
    """
    height, width = image.shape[:2]
    mask = np.full((height, width), cv2.GC_PR_BGD, np.uint8)
    for kind, across, down in ((cv2.GC_PR_FGD, 0.4, 0.45), (cv2.GC_FGD, 0.05, 0.05)):
        axes = (max(1, round(across * width)), max(1, round(down * height)))
        cv2.ellipse(mask, (width // 2, height // 2), axes, 0, 0, 360, kind, -1)
    edge = max(1, min(height, width) // 32)
    cv2.rectangle(mask, (0, 0), (width - 1, height - 1), cv2.GC_BGD, 2 * edge - 1)
    if not (mask & 1).any():  # all edge
        return np.zeros((height, width), bool)
    cv2.setRNGSeed(0)
    cv2.grabCut(image, mask, (0, 0, 1, 1), np.zeros((1, 65)), np.zeros((1, 65)), ROUNDS, cv2.GC_INIT_WITH_MASK)
    return (mask == cv2.GC_FGD) | (mask == cv2.GC_PR_FGD)


def choose_labels(names: dict[int, str], wanted: tuple[str, ...], model: str) -> dict[int, str]:
    """The labels of a model that are clothes.

    Args:
        names: label id → name, as the model's configuration tells.
        wanted: ids or names; none takes the names that hold a word for clothes.
        model: named in errors.

    Returns:
        Those of the names that are clothes.

    Raises:
        UserError: an unknown label, or none that is clothes.
    """
    told = ", ".join(f"{number} {name}" for number, name in sorted(names.items())[:40])
    if not wanted:
        chosen = {number: name for number, name in names.items() if _is_clothes(name)}
        if not chosen:
            raise UserError(
                f"--segment {model}: no label is named as clothes are; name some by --segment-labels: {told}"
            )
        return chosen
    by_name = {name.casefold(): number for number, name in names.items()}
    numbers = [int(w) if w.isdecimal() else by_name.get(w.casefold(), -1) for w in wanted]
    for label, number in zip(wanted, numbers, strict=True):
        if number not in names:
            raise UserError(f"--segment-labels {label}: {model} has no such label; it has {told}")
    return {number: names[number] for number in numbers}


def _is_clothes(name: str) -> bool:
    words = re.findall("[a-z]+", name.casefold())
    return any(w in CLOTHES or w.removesuffix("s") in CLOTHES or w.removesuffix("es") in CLOTHES for w in words)


@dataclass(frozen=True)
class ClothesModel:
    """A segmentation model that knows clothes."""

    model: Any
    """Of `transformers`; the classes differ by family."""
    processor: Any
    """Turns pictures into what the model takes, and what it says into label ids."""
    labels: tuple[int, ...]
    """Label ids that are clothes."""
    size: int
    """Side of the squares that it is given, pixels."""
    device: torch.device
    """Where it runs."""

    @classmethod
    def load(cls, name: str, wanted: tuple[str, ...], size: int) -> "ClothesModel":
        """Load a checkpoint by path or hub name.

        Args:
            name: of the checkpoint.
            wanted: labels that are clothes, see `choose_labels`.
            size: side of the squares that it is given, pixels.

        Raises:
            UserError: there is no such checkpoint, it is damaged, or it does not segment.
        """
        # Takes seconds: only who needs it pays.
        from safetensors import SafetensorError
        from transformers import (
            AutoConfig,
            AutoImageProcessor,
            AutoModelForSemanticSegmentation,
            AutoModelForUniversalSegmentation,
        )
        from transformers.models.auto.modeling_auto import MODEL_FOR_SEMANTIC_SEGMENTATION_MAPPING_NAMES as SEMANTIC

        try:
            config = AutoConfig.from_pretrained(name)
            auto = (
                AutoModelForSemanticSegmentation if config.model_type in SEMANTIC else AutoModelForUniversalSegmentation
            )
            model, told = auto.from_pretrained(name, dtype=torch.float32, output_loading_info=True)
            processor = AutoImageProcessor.from_pretrained(name, backend="pil")
        except (OSError, ValueError, ImportError, RuntimeError, SafetensorError) as error:
            raise UserError(
                f"--segment {name}: transformers cannot load it for segmentation ({str(error).splitlines()[0]}); "
                "give grabcut, the folder of a checkpoint, or a hub name that this machine can reach"
            ) from error
        missing = sorted(told["missing_keys"])
        if missing or not hasattr(processor, "post_process_semantic_segmentation"):
            lack = f"lacks weights such as {missing[0]}" if missing else "does not segment pictures into labels"
            raise UserError(f"--segment {name}: the checkpoint {lack}; give a whole one that was trained to segment")
        processor.do_center_crop = False  # a mask must cover the whole picture
        labels = choose_labels({int(k): v for k, v in config.id2label.items()}, wanted, name)
        log.info("%s: clothes are %s (--segment-labels names others)", name, ", ".join(labels.values()))
        with open_world() as world:
            return cls(model.eval().to(world.device), processor, tuple(labels), size, world.device)

    def masks(self, images: list[np.ndarray]) -> list[np.ndarray]:
        """Where the clothes are.

        Args:
            images: uint8 H×W×3 RGB, the longer side of S pixels.

        Returns:
            bool H×W for each.
        """
        masks: list[np.ndarray] = []
        for start in range(0, len(images), BATCH):
            part = images[start : start + BATCH]
            squares = [letterbox(image, self.size) for image in part]
            squares += [squares[0]] * (BATCH - len(part))
            found = self._label_ids(squares)
            masks += [np.isin(ids[place_in(image.shape, self.size)], self.labels)
                      for ids, image in zip(found[: len(part)], part, strict=True)]  # fmt: skip
        return masks

    def _label_ids(self, squares: list[np.ndarray]) -> list[np.ndarray]:
        batch = self.processor(images=squares, return_tensors="pt").to(self.device)
        with torch.inference_mode():
            told = self.model(**batch)
        sizes = [(self.size, self.size)] * len(squares)
        found = self.processor.post_process_semantic_segmentation(told, target_sizes=sizes)
        return [ids.cpu().numpy() for ids in found]
