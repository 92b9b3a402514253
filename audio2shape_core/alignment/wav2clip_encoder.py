"""The paper's audio encoder: Wav2CLIP (Wu et al. 2022), frozen, through the `wav2clip` package.

Letters: B batch, S samples, F frames, F' frames after the network's strides, T tokens, C channels, D embedding.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from audio2shape_core.alignment.encoders import AudioEncoder
from audio2shape_core.alignment.pretrained import Frozen, fill, in_short
from audio2shape_core.errors import InputError

# Outputs of the wav2clip package: the part of each name before the dot becomes one of our two modules.
ENCODER, TRANSFORM = "audio_encoder.", "audio_transform."


class Wav2ClipEncoder(Frozen, AudioEncoder):
    """VGGSound ResNet-18 on a log power spectrogram, and the perceptron that maps it into CLIP's space.

    `backbone` and `transform` are the package's own modules (`ResNet`, `MLPLayers`). Differs from their forward in two
    ways: each clip is normalised by itself, where upstream takes mean and deviation over the whole batch, so that a
    clip's embedding depended on its neighbours (at batch size 1 they agree); and embeddings have unit length.
    """

    def __init__(self, *, backbone: Any, transform: nn.Module) -> None:
        super().__init__()
        self.backbone, self.transform = backbone, transform
        self.freeze()

    def forward(self, waveform: Tensor) -> tuple[Tensor, Tensor]:
        """Waveforms (B, S) at 16 kHz -> unit embeddings (B, 512), tokens (B, 9 F', 512)."""
        return self.encode_mel(self.log_mel(waveform))

    @torch.no_grad()
    def log_mel(self, waveform: Tensor) -> Tensor:
        """What the network sees, as the recipes name it; Wav2CLIP's has linear frequency: (B, S) -> (B, 1, 257, F)."""
        level = torch.log(self.backbone.spectrogram(waveform.unsqueeze(1)) + 1e-7)
        mean, std = (f(level, dim=(1, 2, 3), keepdim=True) for f in (torch.mean, torch.std))
        # Upstream adds 1e-9 to the deviation, which blows the rounding errors of a silent clip up to full scale.
        return (level - mean) / std.clamp_min(1e-4)

    @torch.no_grad()
    def encode_mel(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        """Encode normalised spectrograms (B, 1, 257, F): unit embeddings (B, 512), tokens (B, 9 F', 512).

        Tokens are the places of the map before pooling, 9 bands by F' = F / 32 frames (6 for 4 s), band by band. Each
        knows its place from the network's zero padding.
        """
        net = self.backbone
        x = net.maxpool(net.relu(net.bn1(net.conv1(mel))))
        features = net.layer4(net.layer3(net.layer2(net.layer1(x))))  # (B, 512, 9, F')
        embedding = self.transform(features.mean(dim=(2, 3)))
        return functional.normalize(embedding, dim=-1), features.flatten(2).mT


def build_wav2clip(weights: Path | None) -> Wav2ClipEncoder:
    """The encoder with the weights of an upstream `Wav2CLIP.pt`.

    Without a file its tensors are on the meta device, for the caller to assign from a checkpoint that carries them.
    Raises InputError when the package does not import or the file is not such a checkpoint.
    """
    try:
        from wav2clip.model.encoder import MLPLayers
        from wav2clip.model.resnet import BasicBlock, ResNet
    except (ImportError, OSError) as error:  # OSError: a torchaudio built for another torch
        raise InputError(
            f"the package wav2clip does not import ({in_short(error)}); expected it beside a matching torchaudio: "
            "pip install -c constraints.txt '.[teachers]'"
        ) from error
    with torch.device("meta"):
        backbone, transform = ResNet(BasicBlock, [2, 2, 2, 2]), MLPLayers([512, 512, 512])
    if weights is not None:
        stored = read_checkpoint(weights)
        for module, prefix in ((backbone, ENCODER), (transform, TRANSFORM)):
            fill(module, stored, prefix, f"{weights} is not a Wav2CLIP checkpoint", "expected the authors' Wav2CLIP.pt")
    return Wav2ClipEncoder(backbone=backbone, transform=transform)


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """Tensors of an upstream checkpoint: a pickled state dict, read without running any code it might carry."""
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise InputError(
            f"{path} cannot be read ({in_short(error)}); expected the Wav2CLIP.pt of the package's authors"
        ) from error
    if not isinstance(stored, dict):
        raise InputError(f"{path} holds a {type(stored).__name__}, expected the state dict of Wav2CLIP.pt")
    return stored
