"""Attention blocks shared by the PC-VQ-VAE and the denoiser.

Letters: B batch, T tokens, L context tokens, C channels, H heads.
"""

from torch import Tensor, nn
from torch.nn import functional


class Attention(nn.Module):
    """Multi-head attention (paper Eq. 5): queries from `x`, keys and values from `context`."""

    def __init__(self, dim: int, num_heads: int, context_dim: int | None = None) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.to_query = nn.Linear(dim, dim, bias=False)
        self.to_key_value = nn.Linear(context_dim or dim, 2 * dim, bias=False)
        self.to_out = nn.Linear(dim, dim)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:  # (B, T, C), (B, L, C') -> (B, T, C)
        heads = lambda t: t.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)  # noqa: E731  (B, H, T, C/H)
        key, value = self.to_key_value(x if context is None else context).chunk(2, dim=-1)
        mixed = functional.scaled_dot_product_attention(heads(self.to_query(x)), heads(key), heads(value))
        return self.to_out(mixed.transpose(1, 2).flatten(-2))


def feed_forward(dim: int, expansion: int = 3) -> nn.Sequential:
    return nn.Sequential(nn.Linear(dim, expansion * dim), nn.GELU(), nn.Linear(expansion * dim, dim))


class SelfAttentionBlock(nn.Module):
    """Pre-norm transformer block: self-attention, then a feed-forward layer."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.norm_attention, self.attention = nn.LayerNorm(dim), Attention(dim, num_heads)
        self.norm_forward, self.forward_layer = nn.LayerNorm(dim), feed_forward(dim)

    def forward(self, x: Tensor) -> Tensor:  # (B, T, C) -> (B, T, C)
        x = x + self.attention(self.norm_attention(x))
        return x + self.forward_layer(self.norm_forward(x))
