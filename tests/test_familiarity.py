from dataclasses import replace

import numpy as np
import pytest
import torch
from mini import MINI
from sklearn.neighbors import NearestNeighbors

from audio2shape_core import models
from audio2shape_core.alignment.familiarity import Familiarity, signature
from audio2shape_core.data.sound_bank import SoundBank
from audio2shape_core.synthetic.sounds import play_physical
from audio2shape_core.training.fit_familiarity import even_odds, fit_familiarity
from audio2shape_core.vocabulary import Vocabulary

SMALL = replace(MINI.alignment, audio_widths=(8, 8), image_widths=(8, 8))


def unit(rng, *shape):
    x = rng.standard_normal(shape)
    return torch.from_numpy(x / np.linalg.norm(x, axis=-1, keepdims=True)).float()


def test_likeness_is_the_mean_cosine_of_the_three_nearest():
    rng = np.random.default_rng(0)
    familiarity = Familiarity(8, 50)
    familiarity.references = unit(rng, 50, 8)
    queries = unit(rng, 5, 8)
    search = NearestNeighbors(n_neighbors=3, metric="cosine").fit(familiarity.references.numpy())
    expected = 1 - search.kneighbors(queries.numpy())[0].mean(1)
    assert np.allclose(familiarity.likeness(queries).numpy(), expected, atol=1e-6)


def test_an_untrained_model_has_nothing_to_doubt_with():
    assert Familiarity(8)(torch.randn(2, 8)).tolist() == [1.0, 1.0]


def test_a_signature_weighs_windows_and_forgets_their_scale():
    rng = torch.Generator().manual_seed(0)
    tokens = torch.randn(2, 8, 4, generator=rng)
    weight = torch.tensor([[1.0], [3.0]])
    assert torch.allclose(signature(tokens, weight), signature(tokens, 10 * weight), atol=1e-6)
    assert torch.allclose(signature(tokens, torch.tensor([[0.0], [1.0]])), signature(tokens[1:], torch.ones(1, 1)))


@pytest.mark.parametrize("apart", [0.1, 0.5])  # overlapping, and separable by any curve
def test_even_odds_lie_between_known_and_unknown(apart):
    rng = np.random.default_rng(0)
    known, unknown = (torch.from_numpy(rng.normal(mean, 0.05, 400)) for mean in (0.5 + apart, 0.5))
    threshold, sharpness = even_odds(known, unknown)
    assert threshold == pytest.approx(0.5 + apart / 2, abs=0.03)
    assert 10 < sharpness < 500


def test_what_was_heard_in_training_is_more_familiar_than_noise():
    torch.manual_seed(0)
    model = models.build_tri_encoder(SMALL, Vocabulary(("bell", "dog"), (0.25, 0.9), ("rain",))).eval()
    rng = np.random.default_rng(0)
    clips = [play_physical(label, seed, 1.0) for label in ("bell", "dog") for seed in range(6)]
    rain = [0.1 * rng.standard_normal(16_000).astype(np.float32) for _ in range(3)]
    bank = SoundBank(clips + rain, ["bell"] * 6 + ["dog"] * 6 + ["rain"] * 3)
    fit_familiarity(model, bank, SMALL.window_s, torch.device("cpu"))
    assert model.familiarity.references.shape == (12, 32)

    def familiar(waveform):
        return model.familiarity(model.hear(torch.from_numpy(waveform)[None]).signature).item()

    assert familiar(clips[0]) > 0.8 > 0.2 > familiar(rng.standard_normal(16_000).astype(np.float32))
