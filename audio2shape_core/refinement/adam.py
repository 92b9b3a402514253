"""Adam (Kingma and Ba 2015) for a set of Gaussians that may change its size."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


class Adam:
    """Gives the same bits as torch.optim.Adam, which loads torch's compiler at its first step: 1.2 s and 130 MB.

    parameters: leaf tensors by name.
    """

    def __init__(
        self, parameters: Mapping[str, Tensor], *, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8
    ) -> None:
        self.parameters, self.betas, self.eps = dict(parameters), betas, eps
        self.moments = {name: (torch.zeros_like(p), torch.zeros_like(p)) for name, p in parameters.items()}
        self.steps = 0

    @torch.no_grad()
    def step(self, loss: Tensor, rates: Mapping[str, float]) -> None:
        """Go down the gradient of a loss, every parameter at its own learning rate."""
        self.steps += 1
        gradients = torch.autograd.grad(loss, list(self.parameters.values()))
        forget, forget_squares = self.betas
        bias, bias_squares = 1 - forget**self.steps, 1 - forget_squares**self.steps
        for (name, parameter), gradient in zip(self.parameters.items(), gradients):
            mean, square = self.moments[name]
            mean.lerp_(gradient, 1 - forget)
            square.mul_(forget_squares).addcmul_(gradient, gradient, value=1 - forget_squares)
            size = (square.sqrt() / bias_squares**0.5).add_(self.eps)
            parameter.addcdiv_(mean, size, value=-rates[name] / bias)

    def follow(self, parameters: Mapping[str, Tensor], index: Tensor) -> None:
        """The set changed: take these tensors, with the moments of the rows `index` (K,) that theirs came from."""
        for name, tensor in parameters.items():
            self.parameters[name] = tensor
            mean, square = self.moments[name]
            self.moments[name] = mean[index], square[index]
