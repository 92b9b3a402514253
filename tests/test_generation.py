import dataclasses
import itertools
import math

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from audio2shape_core import models
from audio2shape_core.errors import InputError
from audio2shape_core.generation.diffusion import diffusion_loss, sample
from audio2shape_core.generation.losses import chamfer_loss, nearest, window_transport_loss
from audio2shape_core.generation.ordering import morton_sort
from audio2shape_core.generation.samplers import SAMPLERS, make_sampler, noise_schedule, sampling_steps
from audio2shape_core.presets import PRESETS

SMALL = dataclasses.replace(
    PRESETS["tiny"].autoencoder,
    num_points=256,
    num_tokens=16,
    latent_dim=8,
    codebook_size=16,
    width=24,
    num_heads=2,
    encoder_widths=(8, 16),
    encoder_depth=1,
    decoder_depth=1,
)
UNET = dataclasses.replace(PRESETS["tiny"].denoiser, widths=(16, 24), depths=(1, 1), num_heads=2)


SETTINGS = {"train_steps": 1000, "sampler": "dpm++"}
# The schedule and the spacing of steps of our checkpoints, in diffusers' words.
THEIRS = {
    "num_train_timesteps": 1000,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "prediction_type": "v_prediction",
    "rescale_betas_zero_snr": True,
    "timestep_spacing": "trailing",
}


def diffusers_scheduler(name):
    diffusers = pytest.importorskip("diffusers")
    if name == "ddpm":
        return diffusers.DDPMScheduler(clip_sample=False, **THEIRS)
    if name == "ddim":
        return diffusers.DDIMScheduler(clip_sample=False, set_alpha_to_one=True, **THEIRS)
    return diffusers.DPMSolverMultistepScheduler(algorithm_type="dpmsolver++", solver_order=2, **THEIRS)


def build_unet():
    torch.manual_seed(0)
    return models.build_denoiser(UNET, num_tokens=16, latent_dim=8, context_dim=12)


def test_autoencoder_gives_back_as_many_coloured_points():
    model = models.build_autoencoder(SMALL)
    points, colors, quantized = model(morton_sort(torch.rand(2, 256, 3) * 2 - 1)[0])
    assert points.shape == colors.shape == (2, 256, 3)
    assert quantized.indices.shape == (2, 16, SMALL.num_codebooks)
    assert 0 <= colors.min() <= colors.max() <= 1


def test_encoding_does_not_depend_on_the_order_of_the_points():
    model = models.build_autoencoder(SMALL).eval()
    points = torch.rand(1, 256, 3) * 2 - 1
    assert torch.allclose(model.encode(points), model.encode(points[:, torch.randperm(256)]), atol=1e-5)


def test_decoding_quantises():
    torch.manual_seed(0)
    model = models.build_autoencoder(SMALL)
    model(torch.rand(4, 256, 3))  # starts the codebooks
    model.eval()
    latents = model.encode(torch.rand(1, 256, 3))
    snapped = model.bottleneck.snap(latents)
    assert torch.allclose(model.decode(latents)[0], model.decode(snapped)[0], atol=1e-5)


def test_the_vae_passes_means_and_pays_for_information():
    torch.manual_seed(0)
    bottleneck = models.build_autoencoder(SMALL, quantized=False).bottleneck
    assert bottleneck.capacity == pytest.approx(SMALL.num_codebooks * math.log(16))
    prior = torch.zeros(3, 5, 16)  # mean 0, variance 1: nothing is known
    assert bottleneck(prior).loss.item() == pytest.approx(bottleneck.WEIGHT * bottleneck.capacity)
    encoded = torch.randn(3, 5, 16)
    mean, deviation = encoded[..., :8], (0.5 * encoded[..., 8:]).exp()
    kl = kl_divergence(Normal(mean, deviation), Normal(torch.zeros(()), torch.ones(()))).sum(-1).mean()
    assert bottleneck(encoded).loss.item() == pytest.approx(
        bottleneck.WEIGHT * abs(kl.item() - bottleneck.capacity), rel=1e-4
    )
    drawn = torch.stack([bottleneck(encoded).latents for _ in range(2000)])
    assert torch.allclose(drawn.mean(0), mean, atol=0.25)
    assert torch.allclose(drawn.std(0), deviation, rtol=0.1)
    assert torch.equal(bottleneck.eval()(encoded).latents, mean)


def test_the_vae_encodes_and_decodes_like_the_vqvae():
    model = models.build_autoencoder(SMALL, quantized=False).eval()
    latents = model.encode(torch.rand(2, 256, 3))
    assert latents.shape == (2, 16, 8)
    assert model.decode(latents)[0].shape == (2, 256, 3)


def test_chamfer_is_the_brute_force_one_and_differentiable():
    a, b = torch.rand(2, 40, 3, requires_grad=True), torch.rand(2, 30, 3)
    distances = torch.cdist(a, b)
    expected = distances.min(2).values.mean() + distances.min(1).values.mean()
    loss, partner = chamfer_loss(a, b)
    assert loss.item() == pytest.approx(expected.item(), abs=1e-4)
    assert torch.equal(partner, distances.argmin(2))
    loss.backward()
    assert torch.isfinite(a.grad).all()


def test_nearest_is_the_brute_force_one():
    a, b = torch.randn(3, 50, 3), torch.randn(3, 60, 3)
    assert torch.equal(nearest(a, b), torch.cdist(a, b).argmin(-1))


def test_transport_sees_crowding_that_chamfer_forgives():
    torch.manual_seed(0)
    grid = torch.stack(torch.meshgrid(*[torch.linspace(-0.2, 0.2, 4)] * 2, indexing="ij"), -1).flatten(0, 1)
    target = torch.cat([grid, torch.zeros(16, 1)], 1)[None]
    crowded = target.clone()
    crowded[:, 1::2] = target[:, ::2]  # half of the points sit on their neighbours
    assert window_transport_loss(target, target, 1) < 0.7 * window_transport_loss(crowded, target, 1)


def test_transport_pairs_the_points_of_each_window_in_the_best_way():
    torch.manual_seed(0)
    target = torch.rand(2, 24, 3)
    windows = [[window[torch.randperm(8)] for window in cloud.split(8)] for cloud in target]
    shuffled = torch.stack([torch.cat(cloud) for cloud in windows])
    assert window_transport_loss(shuffled, target, 3).item() == pytest.approx(1e-4, abs=1e-5)  # the square root's guard
    other = torch.rand(1, 6, 3)
    best = min(
        (other[0, list(order)] - target[0, :6]).norm(dim=-1).mean().item() for order in itertools.permutations(range(6))
    )
    assert window_transport_loss(other, target[:1, :6], 1).item() == pytest.approx(best, abs=1e-4)


def test_without_audio_the_context_does_not_matter():
    unet = build_unet()
    torch.nn.init.normal_(unet.leave[1].weight)
    for block in unet.modules():
        if hasattr(block, "modulation"):
            torch.nn.init.normal_(block.modulation.weight, std=0.1)
    noisy, steps = torch.randn(2, 16, 8), torch.tensor([10, 500])
    contexts = torch.randn(2, 2, 5, 12)
    deaf, hearing = torch.zeros(2, dtype=bool), torch.ones(2, dtype=bool)
    assert torch.allclose(unet(noisy, steps, contexts[0], deaf), unet(noisy, steps, contexts[1], deaf))
    assert not torch.allclose(unet(noisy, steps, contexts[0], hearing), unet(noisy, steps, contexts[1], hearing))


def test_one_seed_one_sample():
    unet, context = build_unet(), torch.randn(1, 5, 12)
    torch.nn.init.normal_(unet.leave[1].weight, std=0.1)

    def draw(seed):
        generator = torch.Generator().manual_seed(seed)
        return sample(unet, context, (16, 8), steps=4, guidance=2.0, guided_share=0.7, generator=generator, **SETTINGS)

    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_perfect_denoiser_is_led_back_to_the_data(sampler):
    """Where the data is one point, the right velocity is known: sampling must end on that point."""
    target = torch.randn(1, 16, 8)
    alphas = noise_schedule(1000)

    def perfect(noisy, steps, context, heard):
        alpha = alphas[steps][:, None, None]
        noise = (noisy - alpha.sqrt() * target) / (1 - alpha).sqrt()
        return alpha.sqrt() * noise - (1 - alpha).sqrt() * target

    steps, estimates = [], []

    def follow(step, total, clean):
        steps.append((step, total))
        estimates.append(clean)

    drawn = sample(
        perfect,
        torch.zeros(1, 1, 1),
        (16, 8),
        train_steps=1000,
        steps=50,
        guidance=1.0,
        guided_share=1.0,
        sampler=sampler,
        generator=torch.Generator().manual_seed(0),
        on_step=follow,
    )
    assert (drawn - target).abs().max() < 0.05
    assert steps == [(i + 1, 50) for i in range(50)]
    assert max((clean - target).abs().max() for clean in estimates) < 2e-3


@pytest.mark.parametrize(("guidance", "share", "guided"), [(2.0, 1.0, 10), (2.0, 0.7, 7), (1.0, 1.0, 0), (2.0, 0.0, 0)])
def test_guidance_compares_with_silence_at_the_cleanest_levels_only(guidance, share, guided):
    silent = []

    def watching(noisy, steps, context, heard):
        if not heard.all():
            silent.append(int(steps[0]))
        return torch.zeros_like(noisy)

    sample(
        watching,
        torch.zeros(1, 1, 1),
        (4, 2),
        steps=10,
        guidance=guidance,
        guided_share=share,
        generator=torch.Generator().manual_seed(0),
        **SETTINGS,
    )
    assert len(silent) == guided
    assert all(step < 1000 * share for step in silent)


def test_the_loss_of_a_silent_network_is_the_power_of_the_velocity():
    alphas = noise_schedule(1000)
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(64, 16, 8)
    loss = diffusion_loss(build_unet(), alphas, latents, torch.randn(64, 5, 12), 0.1, generator)
    assert loss.item() == pytest.approx(1.0, abs=0.05)  # unit latents, unit noise: unit velocity


def test_the_schedule_is_diffusers():
    schedule = noise_schedule(1000)
    assert torch.allclose(schedule, diffusers_scheduler("ddpm").alphas_cumprod, rtol=0, atol=1e-7)
    assert schedule[-1] == 0  # the last step is pure noise
    assert (schedule.diff() < 0).all()


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("steps", [1, 2, 5, 10, 20, 50, 250])
def test_each_sampler_steps_as_diffusers_does(sampler, steps):
    """An untrained but lively network is followed down all noise levels, by diffusers and by us."""
    torch.manual_seed(steps)
    mix, theirs = torch.randn(8, 8), diffusers_scheduler(sampler)
    network = lambda noisy, step: torch.tanh(0.3 * noisy @ mix + 1e-3 * step)  # noqa: E731
    theirs.set_timesteps(steps)
    visited = sampling_steps(1000, steps)
    assert visited.tolist() == theirs.timesteps.tolist()
    walker, (first, second) = make_sampler(sampler), (torch.Generator().manual_seed(1) for _ in range(2))
    levels = torch.cat([noise_schedule(1000).clamp(min=walker.least_alpha)[visited], torch.ones(1)])
    expected = noisy = torch.randn(2, 16, 8)
    for index, step in enumerate(visited.tolist()):
        random = {"generator": first} if sampler == "ddpm" else {}
        expected = theirs.step(network(expected, step), torch.tensor(step), expected, **random).prev_sample
        noisy = walker.step(noisy, network(noisy, step), levels[index], levels[index + 1], second)
        assert torch.allclose(noisy, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("steps", range(1, 1001, 37))
def test_the_steps_visited_fall_from_the_noisiest(steps):
    visited = sampling_steps(1000, steps)
    assert len(visited) == steps
    assert visited[0] == 999
    assert visited[-1] >= 0
    assert (np.diff(visited) < 0).all()


def test_what_no_sampler_can_do_is_refused():
    with pytest.raises(InputError, match=r"sampler 'euler': expected one of dpm\+\+, ddim, ddpm"):
        make_sampler("euler")
    for steps in (0, 1001):
        with pytest.raises(InputError, match=f"steps {steps}: expected 1 to 1000"):
            sampling_steps(1000, steps)


def test_the_ablation_without_attention_still_hears():
    config = dataclasses.replace(UNET, attention=False)
    unet = models.build_denoiser(config, num_tokens=16, latent_dim=8, context_dim=12)
    assert not any("attention" in name for name, _ in unet.named_parameters())
    torch.nn.init.normal_(unet.leave[1].weight)
    for block in unet.modules():
        if hasattr(block, "modulation"):
            torch.nn.init.normal_(block.modulation.weight, std=0.1)
    noisy, steps, heard = torch.randn(2, 16, 8), torch.tensor([10, 500]), torch.ones(2, dtype=bool)
    contexts = torch.randn(2, 2, 5, 12)
    first, second = (unet(noisy, steps, context, heard) for context in contexts)
    assert first.shape == noisy.shape
    assert not torch.allclose(first, second)
