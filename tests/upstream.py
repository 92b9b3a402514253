"""Checkpoints in the exact format of the frozen encoders' authors, with random weights, and the authors' own models."""

import json

import open_clip
import torch
import wav2clip
from torch import nn
from wav2clip.model.encoder import MLPLayers, ResNetExtractor

# ViT-B/32 in every respect but its size.
SMALL_CLIP = {
    "embed_dim": 512,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 64, "layers": 2, "width": 64, "patch_size": 32, "head_width": 32},
    "text_cfg": {"context_length": 8, "vocab_size": 64, "width": 32, "heads": 2, "layers": 1},
}


def write_wav2clip(path):
    """A `Wav2CLIP.pt` as the authors' trainer leaves it. Returns the authors' own frozen model on it."""
    torch.manual_seed(1)
    parts = {
        "audio_encoder": wav2clip.get_model(pretrained=False).encoder,
        "audio_transform": MLPLayers([512, 512, 512]),
    }
    for module in parts["audio_encoder"].modules():
        if isinstance(module, nn.BatchNorm2d):  # fresh statistics would hide a network that is not in eval mode
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 2)
    state = {f"{name}.{key}": t for name, part in parts.items() for key, t in part.state_dict().items()}
    torch.save(state, path)
    return ResNetExtractor(checkpoint=torch.load(path), scenario="frozen", transform=True)


def random_state(name):
    """A state dict of an open_clip model: random image tower, empty text tower."""
    torch.manual_seed(2)
    with torch.device("meta"):
        shapes = {key: t.shape for key, t in open_clip.create_model(name, device="meta").state_dict().items()}
    state = {key: torch.zeros(shape) for key, shape in shapes.items()}
    for key, tensor in state.items():
        if key.startswith("visual."):
            tensor.normal_(1.0 if ".ln_" in key and key.endswith("weight") else 0.0, 0.05)
    return state


def register_small_clip(folder):
    """Make open_clip know SMALL_CLIP; returns its name."""
    (folder / "small-clip.json").write_text(json.dumps(SMALL_CLIP))
    open_clip.add_model_config(folder / "small-clip.json")
    return "small-clip"
