import dataclasses

import pytest
import torch

from audio2shape_core import models
from audio2shape_core.alignment.encoders import LogMel, mel_filterbank
from audio2shape_core.presets import PRESETS
from audio2shape_core.vocabulary import Vocabulary

SMALL = dataclasses.replace(PRESETS["tiny"].alignment, audio_widths=(4, 8), image_widths=(4, 8), point_widths=(8, 16))


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return models.build_tri_encoder(SMALL, Vocabulary(("dog", "cat", "bell"), (0.9, 0.6, 0.25), ("rain",))).eval()


def test_the_filterbank_is_librosas_htk_one():
    librosa = pytest.importorskip("librosa", reason="librosa comes with the teachers extra")
    theirs = librosa.filters.mel(sr=16000, n_fft=1024, n_mels=64, fmin=40.0, htk=True, norm=None)
    assert torch.allclose(mel_filterbank(16000, 1024, 64), torch.from_numpy(theirs), atol=1e-4)


def test_loudness_does_not_matter():
    torch.manual_seed(0)
    log_mel = LogMel(sample_rate=16000, n_fft=1024, hop=320, num_mels=64)
    sound = torch.randn(1, 16000) * torch.linspace(0, 0.1, 16000)
    for gain in (0.1, 10.0):
        assert torch.allclose(log_mel(sound), log_mel(gain * sound), atol=1e-3)


def test_audio_gives_a_unit_embedding_and_tokens_in_time(encoder):
    embedding, tokens = encoder.audio(torch.randn(3, 64000))
    assert embedding.shape == (3, 512)
    assert tokens.shape == (3, 8, 256)
    assert torch.allclose(embedding.norm(dim=-1), torch.ones(3))


def test_tokens_follow_time(encoder):
    mel = torch.randn(1, 1, 64, 200)
    changed = mel.clone()
    changed[..., 150:] = torch.randn(64, 50)
    difference = (encoder.audio.encode_mel(mel)[1] - encoder.audio.encode_mel(changed)[1]).norm(dim=-1)[0]
    assert difference[:5].max() < 1e-5 < 0.03 < difference[6:].min()


def test_points_may_come_in_any_order(encoder):
    points = torch.rand(2, 200, 3) * 2 - 1
    shuffled = points[:, torch.randperm(200)]
    assert torch.allclose(encoder.point(points), encoder.point(shuffled), atol=1e-5)


def test_images_of_any_size_give_unit_embeddings(encoder):
    for size in ((64, 64), (48, 80)):
        embedding = encoder.image(torch.rand(2, 3, *size))
        assert torch.allclose(embedding.norm(dim=-1), torch.ones(2))


def test_context_holds_tokens_embedding_and_place(encoder):
    embedding, tokens = encoder.audio(torch.randn(2, 64000))
    context = encoder.context(embedding, tokens)
    assert context.shape == (2, 8 + 2 + 2, 256)
    assert torch.equal(context[:, :8], tokens)
    assert torch.allclose(context[:, 8:10].flatten(1) / 16, embedding, atol=1e-6)


def test_class_probabilities_sum_to_one(encoder):
    probabilities = encoder.class_probabilities(encoder.anchors[:3])
    assert torch.allclose(probabilities.sum(-1), torch.ones(3))
    assert torch.equal(probabilities.argmax(-1), torch.arange(3))


def test_a_silent_window_says_nothing_about_a_sound(encoder):
    sound = 0.1 * torch.randn(1, 64000)
    heard = encoder.hear(torch.cat([torch.zeros_like(sound), sound]))
    alone, own = encoder.audio(sound)
    assert torch.allclose(heard.embedding, alone, atol=1e-5)
    assert torch.allclose(heard.tokens, own, atol=1e-5)
    assert torch.allclose(heard.signature, encoder.hear(sound).signature, atol=1e-5)
    both = encoder.hear(torch.cat([sound, sound.flip(1)]))
    assert both.embedding.norm().item() == pytest.approx(1, abs=1e-5)
    assert both.signature.norm().item() == pytest.approx(1, abs=1e-5)
