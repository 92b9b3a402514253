"""Encoders whose weights were learned elsewhere and stay as they are."""

from torch import nn


class Frozen(nn.Module):
    """A module that no optimiser and no batch can change.

    Its parameters ask for no gradient (call `freeze` once they are there), and it stays in eval mode when the model
    that holds it is told to train: running statistics and dropout must not come back to life. Subclasses compute under
    `torch.no_grad`, so that not even `requires_grad_(True)` on the parent makes its weights move.
    """

    def train(self, mode: bool = True) -> "Frozen":
        """Stays in eval mode, whatever `mode` says."""
        return super().train(False)

    def freeze(self) -> "Frozen":
        return self.eval().requires_grad_(False)
