"""The residual convolutional trunk shared by the audio and the image encoder."""

from torch import Tensor, nn


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut; the first one may stride."""

    # BatchNorm: clips and pictures are many, batches are class-balanced and of 64, and it costs nothing once trained.

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        self.shortcut = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
        )
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W) -> (B, C', H/stride, W/stride)
        return self.activation(self.body(x) + self.shortcut(x))


def residual_trunk(in_channels: int, widths: tuple[int, ...]) -> nn.Sequential:
    """A strided stem and one residual block a width: (B, in, H, W) -> (B, widths[-1], H/2^n, W/2^n) for n widths."""
    stem = nn.Sequential(
        nn.Conv2d(in_channels, widths[0], 5, 2, 2, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU(inplace=True)
    )
    strides = (1,) + (2,) * (len(widths) - 1)
    inputs = (widths[0],) + widths[:-1]
    return nn.Sequential(stem, *(ResidualBlock(i, o, s) for i, o, s in zip(inputs, widths, strides)))
