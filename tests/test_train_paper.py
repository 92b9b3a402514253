"""The recipe of alignment around the paper's frozen encoders: two steps on a made set of two classes."""

import dataclasses

import pytest
import torch

REASON = "the paper's encoders come with the teachers extra"
pytest.importorskip("wav2clip", reason=REASON, exc_type=(ImportError, OSError))
pytest.importorskip("open_clip", reason=REASON)

from safetensors.torch import save_file  # noqa: E402
from upstream import random_state, register_small_clip, write_wav2clip  # noqa: E402

from audio2shape_core import models  # noqa: E402
from audio2shape_core.alignment import clip_encoder  # noqa: E402
from audio2shape_core.data import image_bank, shape_bank  # noqa: E402
from audio2shape_core.presets import PRESETS, TrainingConfig  # noqa: E402
from audio2shape_core.synthetic import data_set  # noqa: E402
from audio2shape_core.training import align  # noqa: E402

LABELS = ("guitar", "dog")


def test_alignment_trains_around_frozen_encoders(tmp_path, monkeypatch):
    name = register_small_clip(tmp_path)
    monkeypatch.setattr(clip_encoder, "MODEL", name)
    write_wav2clip(tmp_path / "Wav2CLIP.pt")
    save_file(random_state(name), tmp_path / "open_clip_model.safetensors")
    for module in (align, shape_bank, image_bank):
        monkeypatch.setattr(module, "VOCABULARY", LABELS)
    monkeypatch.setattr(align, "CLASSES", LABELS)
    monkeypatch.setattr(shape_bank, "TRAIN_SEEDS", range(2))
    for constant in ("MADE_SOUNDS", "DECOY_SOUNDS", "RENDERS", "TEACHER_VIEWS", "TEACHER_PICTURES"):
        monkeypatch.setattr(align, constant, 2)
    data_set.build_set(tmp_path / "data", LABELS, data_set.Counts((2, 1), (2, 1), (2, 1)), seed=0)
    recipe = TrainingConfig(2, 4, 1e-2, 1e-2, warmup_steps=1)
    paper = PRESETS["paper"].with_pretrained(str(tmp_path))
    sizes = dataclasses.replace(paper.alignment, image_size=64, point_widths=(8, 16))
    paper = dataclasses.replace(paper, alignment=sizes, align=recipe, distill=recipe)
    cpu = torch.device("cpu")
    torch.manual_seed(0)
    before = models.build_tri_encoder(sizes, LABELS).state_dict()
    path = align.train_align(paper, tmp_path / "data", tmp_path / "out", resume=False, device=cpu)
    after = models.load_tri_encoder(path)[0].state_dict()
    for key, tensor in before.items():
        frozen = key.startswith(("audio.", "image."))
        kept = torch.equal(after[key], tensor.half().float() if tensor.is_floating_point() else tensor)
        assert kept == frozen, key  # checkpoints hold half precision
