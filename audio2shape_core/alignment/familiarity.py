"""Whether a sound is like any that training showed: its distance to the nearest training recordings.

A softmax always names a class, and names white noise with confidence. The features of a sound never met lie far from
those of every training recording (deep nearest neighbours, Sun et al. 2022).

Letters: B batch, W windows, T tokens, C channels, E = 2 C size of a signature, M references.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional


def signature(tokens: Tensor, weight: Tensor) -> Tensor:
    """What is compared: tokens (W, T, C) pooled over time, and over windows by their weight (W, 1) -> unit (1, E).

    Tokens, not the embedding made of them: alignment folds what it was not taught onto the classes it was.
    """
    pooled = torch.cat([tokens.mean(1), tokens.amax(1)], dim=-1)
    return functional.normalize((weight * pooled).sum(0, keepdim=True), dim=-1)


class Familiarity(nn.Module):
    """Signatures of the training recordings, and where likeness to them turns into knowing.

    Buffers: references (M, E), unit; threshold: the likeness at which known and unknown are even; sharpness: the slope
    of the log-odds there.
    """

    NEIGHBOURS = 3  # one could be a chance hit
    references: Tensor
    threshold: Tensor
    sharpness: Tensor

    def __init__(self, size: int, num_references: int = 0) -> None:
        super().__init__()
        self.register_buffer("references", torch.zeros(num_references, size))
        self.register_buffer("threshold", torch.tensor(0.0))
        self.register_buffer("sharpness", torch.tensor(0.0))

    def likeness(self, signatures: Tensor) -> Tensor:
        """Mean cosine to the nearest references: (B, E) -> (B,). Needs at least one reference."""
        nearest = (signatures @ self.references.T).topk(min(self.NEIGHBOURS, len(self.references)), dim=1)
        return nearest.values.mean(1)

    def forward(self, signatures: Tensor) -> Tensor:
        """Probability that the sound is of a kind that training showed: (B, E) -> (B,); 1 before there was training."""
        if not len(self.references):
            return signatures.new_ones(len(signatures))
        return (self.sharpness * (self.likeness(signatures) - self.threshold)).sigmoid()
