"""A preset small enough to train in seconds, and data sets small enough for it."""

from dataclasses import replace

import numpy as np
import soundfile
import torch

from audio2shape_core.presets import (
    TINY,
    AlignRecipe,
    AutoencodeRecipe,
    DiffuseRecipe,
    JudgeConfig,
    JudgeRecipe,
    MadeItems,
    Optimization,
    Preset,
)
from audio2shape_core.synthetic.shapes import procedural_shape
from audio2shape_core.synthetic.sounds import play_physical
from audio2shape_core.training.run import Run

TWO_STEPS = Optimization(2, 8, 1e-3, 0.0, warmup_steps=1)
# 16 channels: oneDNN's gradient of a 5x5 convolution from one channel to eight crashes on some AMD processors.
SMALL = replace(
    TINY.alignment,
    audio_widths=(16, 16),
    image_widths=(16, 16),
    point_widths=(8, 8),
    token_dim=16,
    embed_dim=32,
    window_s=1.0,
)
MINI = Preset(
    alignment=SMALL,
    autoencoder=replace(
        TINY.autoencoder,
        num_points=256,
        num_tokens=16,
        encoder_widths=(8, 8),
        width=24,
        num_heads=2,
        encoder_depth=1,
        decoder_depth=1,
        codebook_size=16,
    ),
    denoiser=replace(TINY.denoiser, widths=(16, 24), depths=(1, 1), num_heads=2, sample_steps=2),
    judging=JudgeConfig(widths=(8, 8), num_points=128),
    align=AlignRecipe(TWO_STEPS, TWO_STEPS, TWO_STEPS, crop_s=1.0, num_points=128, teacher_views=2, teacher_pictures=2),
    autoencode=AutoencodeRecipe(TWO_STEPS, measured=2),
    diffuse=DiffuseRecipe(TWO_STEPS, views=2, latents=4),
    judge=JudgeRecipe(TWO_STEPS),
    made=MadeItems(sounds=3, decoys=2, shapes=2, renders=3, seconds=1.0),
)


def write_set(folder, sounds=("bell", "rain"), shapes=("bell",), extra_rows=()):
    """A data set of one recording and one shape a class, all in `train`. Classes without a model sound like noise."""
    rows = ["kind,class,item,split,group"]
    for part in ("audio", "shapes"):
        (folder / part).mkdir(parents=True)
    for index, label in enumerate(sounds):
        noise = np.random.default_rng(index).uniform(-0.1, 0.1, 16_000)
        soundfile.write(
            folder / f"audio/{label}.wav", play_physical(label, 0, 1.0) if label == "bell" else noise, 16_000
        )
        rows.append(f"audio,{label},audio/{label}.wav,train,{label}")
    for label in shapes:
        points, _ = procedural_shape("bell", 900, 512)
        np.savez(folder / f"shapes/{label}.npz", **{"m_0/points": points})
        rows.append(f"shape,{label},shapes/{label}.npz:m_0,train,{label}")
    (folder / "MANIFEST.csv").write_text("\n".join([*rows, *extra_rows]) + "\n")
    return folder


def run_of(data, output, **changes):
    """A run of the mini preset on the CPU."""
    return Run(**{"preset": MINI, "data": data, "output": output, "device": torch.device("cpu"), **changes})
