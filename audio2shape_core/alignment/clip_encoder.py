"""The paper's image encoder: CLIP ViT-B/32 (Radford et al. 2021), frozen, through `open_clip_torch`.

Letters: B batch, H height, W width, D embedding.
"""

from __future__ import annotations

import logging
import pickle
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn import functional

from audio2shape_core.alignment.encoders import ImageEncoder
from audio2shape_core.alignment.pretrained import Frozen, fill, in_short
from audio2shape_core.errors import InputError

# OpenAI trained with the quick approximation of GELU, and Wav2CLIP was trained towards OpenAI's embeddings. A state
# dict does not say which GELU it wants: weights of other training runs (LAION's, say) load but do not belong here.
MODEL = "ViT-B-32-quickgelu"
# What open_clip lets out for files of other kinds: the last two where there are no tensors, or nothing at all, inside.
READ_ERRORS = (OSError, RuntimeError, EOFError, SafetensorError, pickle.UnpicklingError, AttributeError, StopIteration)


class ClipImageEncoder(Frozen, ImageEncoder):
    """The image tower of CLIP: RGB images of any size in [0, 1] to unit embeddings.

    `visual` is open_clip's tower; `size`, `mean` and `std` are what it was trained to see.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, *, visual: nn.Module, size: int, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.visual, self.size = visual, size
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1), persistent=False)
        self.freeze()

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:  # (B, 3, H, W) -> (B, D)
        if images.shape[-2:] != (self.size, self.size):
            images = functional.interpolate(
                images, (self.size, self.size), mode="bicubic", align_corners=False, antialias=True
            ).clamp(0, 1)
        return functional.normalize(self.visual((images - self.mean) / self.std), dim=-1)


def build_clip(weights: Path | None) -> ClipImageEncoder:
    """The encoder with the weights of open_clip's `open_clip_model.safetensors`, `.bin`, or OpenAI's `ViT-B-32.pt`.

    Without a file its tensors are on the meta device, for the caller to assign from a checkpoint that carries them.
    Raises InputError when the package does not import or the file is not such a checkpoint.
    """
    try:
        import open_clip
    except (ImportError, OSError) as error:
        raise InputError(
            f"the package open_clip does not import ({in_short(error)}); expected it beside a matching torchvision: "
            "pip install -c constraints.txt '.[teachers]'"
        ) from error
    logging.disable(logging.WARNING)  # open_clip warns that this model has no weights yet
    try:
        with torch.device("meta"):
            visual = open_clip.create_model(MODEL, device="meta").visual
    finally:
        logging.disable(logging.NOTSET)
    if weights is not None:
        stored = read_checkpoint(weights)
        fill(visual, stored, "visual.", f"{weights} is not CLIP ViT-B/32", "expected OpenAI's")
    mean, std = open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD
    return ClipImageEncoder(visual=visual, size=visual.image_size[0], mean=mean, std=std)


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """Tensors of a CLIP checkpoint: safetensors, a pickled state dict, or the TorchScript archive OpenAI published."""
    from open_clip.factory import load_state_dict

    try:
        return load_state_dict(str(path))
    except READ_ERRORS as error:
        try:
            return torch.jit.load(path, map_location="cpu").state_dict()
        except (RuntimeError, ValueError):
            pass  # not that either: the first error says more
        raise InputError(f"{path} cannot be read ({in_short(error)}); expected weights of CLIP ViT-B/32") from error
