"""Listening: from a waveform to what was heard (paper III-A)."""

from __future__ import annotations

import numpy as np
import torch

from audio2shape_core.alignment.tri_encoder import TriEncoder
from audio2shape_core.audio import glances
from audio2shape_core.presets import AlignmentConfig
from audio2shape_core.results import Heard


@torch.inference_mode()
def listen(encoder: TriEncoder, config: AlignmentConfig, waveform: np.ndarray) -> Heard:
    """Understand a sound: (S,) float32 mono at 16 kHz in [-1, 1]. Of a long one, the loudest stretch counts."""
    windows = glances(waveform, config.window_s, config.sample_rate)
    heard = encoder.hear(torch.from_numpy(windows).to(encoder.anchor_table.device))
    familiarity = encoder.familiarity(heard.signature).item()
    probabilities = familiarity * encoder.class_probabilities(heard.embedding)[0]
    scores = dict(zip(encoder.vocabulary.names, probabilities.tolist()))
    label = max(scores, key=scores.__getitem__)
    context = encoder.context(heard.embedding, heard.tokens)[0]
    return Heard(heard.embedding[0].cpu().numpy(), context, label, scores[label], scores, familiarity)
