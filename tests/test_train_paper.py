"""The recipe of alignment around the paper's frozen encoders: two steps on a made set of two classes."""

import dataclasses

import pytest
import torch

REASON = "the paper's encoders come with the teachers extra"
pytest.importorskip("wav2clip", reason=REASON, exc_type=(ImportError, OSError))
pytest.importorskip("open_clip", reason=REASON)

from mini import MINI  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from upstream import random_state, register_small_clip, write_wav2clip  # noqa: E402

from audio2shape_core import models  # noqa: E402
from audio2shape_core.alignment import clip_encoder  # noqa: E402
from audio2shape_core.presets import PAPER, Optimization  # noqa: E402
from audio2shape_core.synthetic import data_set  # noqa: E402
from audio2shape_core.training.align import train_align  # noqa: E402
from audio2shape_core.training.run import Run  # noqa: E402

LABELS = ("guitar", "dog")


def test_alignment_trains_around_frozen_encoders(tmp_path, monkeypatch):
    name = register_small_clip(tmp_path)
    monkeypatch.setattr(clip_encoder, "MODEL", name)
    write_wav2clip(tmp_path / "Wav2CLIP.pt")
    save_file(random_state(name), tmp_path / "open_clip_model.safetensors")
    data_set.build_set(tmp_path / "data", LABELS, data_set.Counts((2, 1), (2, 1), (2, 1)), seed=0)
    few = Optimization(2, 4, 1e-2, 1e-2, warmup_steps=1)
    sizes = dataclasses.replace(PAPER.alignment, image_size=64, point_widths=(8, 16))
    recipe = dataclasses.replace(PAPER.align, audio_visual=few, points=few, teacher_views=2, teacher_pictures=2)
    preset = dataclasses.replace(PAPER, alignment=sizes, align=recipe, made=MINI.made)
    run = Run(preset, tmp_path / "data", tmp_path / "out", torch.device("cpu"), pretrained=str(tmp_path))
    torch.manual_seed(0)
    before = models.build_tri_encoder(sizes, run.classes(), pretrained=str(tmp_path)).state_dict()
    after = models.load_tri_encoder(train_align(run))[0].state_dict()
    for key, tensor in before.items():
        frozen = key.startswith(("audio.", "image."))
        kept = after[key].shape == tensor.shape and torch.equal(
            after[key], tensor.half().float() if tensor.is_floating_point() else tensor
        )
        assert kept == frozen, key  # checkpoints hold half precision
