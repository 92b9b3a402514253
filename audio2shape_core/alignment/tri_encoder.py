"""The tri-encoder: three encoders, one space, and an anchor for every class name.

Letters: B batch, T tokens, C channels, D embedding, K classes.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from audio2shape_core.alignment.encoders import AudioEncoder, ImageEncoder, PointEncoder
from audio2shape_core.alignment.familiarity import Familiarity, signature
from audio2shape_core.vocabulary import Vocabulary


class Hearing(NamedTuple):
    """What is left of one sound: embedding (1, D), unit; tokens (1, T, C) of its loudest window; signature (1, E)."""

    embedding: Tensor
    tokens: Tensor
    signature: Tensor


class TriEncoder(nn.Module):
    """Audio, image and point encoders with class anchors between them (paper III-A).

    An anchor for each of `vocabulary.classes`, in that order: first the names, then the sounds from outside, which
    training shows as "something else".
    """

    MAX_SCALE = 50.0  # the temperature is learned, but never below 1/50: overconfidence is not alignment

    def __init__(
        self,
        *,
        audio: AudioEncoder,
        image: ImageEncoder,
        point: PointEncoder,
        familiarity: Familiarity,
        embed_dim: int,
        vocabulary: Vocabulary,
    ) -> None:
        super().__init__()
        self.audio, self.image, self.point = audio, image, point
        self.familiarity = familiarity
        self.vocabulary = vocabulary
        self.anchor_table = nn.Parameter(torch.randn(len(vocabulary.classes), embed_dim))
        self.log_scale = nn.Parameter(torch.tensor(10.0).log())

    @property
    def anchors(self) -> Tensor:  # (K, D), unit
        return functional.normalize(self.anchor_table, dim=-1)

    @property
    def scale(self) -> Tensor:  # inverse temperature
        return self.log_scale.exp().clamp(max=self.MAX_SCALE)

    def hear(self, windows: Tensor) -> Hearing:
        """Understand several windows of one sound (W, S).

        The embedding is the unit mean, each window weighing as much as its level: a silent one says nothing.
        """
        embeddings, tokens = self.audio(windows)
        level = windows.square().mean(1, keepdim=True).sqrt()  # (W, 1)
        loudest = int(level.argmax())
        return Hearing(
            functional.normalize((level * embeddings).sum(0, keepdim=True), dim=-1),
            tokens[loudest : loudest + 1],
            signature(tokens, level),
        )

    def class_probabilities(self, embedding: Tensor) -> Tensor:
        """Softmax over the anchors of the vocabulary's names, V of them: (B, D) -> (B, V).

        What a sound is, given that it is one of these at all; how likely that is, familiarity says.
        """
        known = self.anchors[: len(self.vocabulary.names)]
        return (self.scale * embedding @ known.T).softmax(-1)

    def context(self, embedding: Tensor, tokens: Tensor) -> Tensor:
        """What the denoiser attends to: (B, D), (B, T, C) -> (B, T + 2 D / C, C).

        The audio tokens carry detail. The embedding says where in the shared space the sound lies. The third part is
        that place drawn to the anchors: a sound on a class border still asks for one thing, not for a blend of two.
        """
        place = (2.0 * self.scale * embedding @ self.anchors.T).softmax(-1) @ self.anchors
        size = tokens.shape[-1]
        scaled = [part.unflatten(-1, (-1, size)) * size**0.5 for part in (embedding, place)]
        return torch.cat([tokens, *scaled], dim=1)
