import torch

from audio2shape_core.generation.bottlenecks import VectorQuantizer


def trained(latents, rounds=30, **sizes):
    torch.manual_seed(0)
    quantizer = VectorQuantizer(latent_dim=latents.shape[-1], **sizes).train()
    for _ in range(rounds):
        quantizer(latents)
    return quantizer


def test_every_part_becomes_its_nearest_code():
    latents = torch.randn(3, 7, 8)
    quantizer = trained(latents, num_codebooks=2, codebook_size=5).eval()
    out = quantizer(latents)
    for b in range(3):
        for t in range(7):
            for g in range(2):
                part = latents[b, t, 4 * g : 4 * g + 4]
                best = (quantizer.codes[g] - part).norm(dim=-1).argmin()
                assert out.indices[b, t, g] == best
                assert torch.allclose(out.latents[b, t, 4 * g : 4 * g + 4], quantizer.codes[g, best], atol=1e-6)


def test_gradients_pass_straight_through():
    latents = torch.randn(2, 4, 8, requires_grad=True)
    quantizer = trained(latents.detach(), num_codebooks=1, codebook_size=4).eval()
    quantizer(latents).latents.sum().backward()
    assert torch.equal(latents.grad, torch.ones_like(latents))


def test_codes_settle_on_the_clusters_of_the_data():
    centres = torch.tensor([[0.0, 0.0], [5.0, 0.0], [0.0, 5.0], [5.0, 5.0]])
    latents = (centres.repeat(64, 1) + 0.1 * torch.randn(256, 2)).view(1, 256, 2)
    quantizer = trained(latents, rounds=300, num_codebooks=1, codebook_size=8)
    nearest = torch.cdist(centres, quantizer.codes[0]).min(1).values
    assert (nearest < 0.3).all()


def test_dead_codes_come_back_to_life():
    quantizer = trained(torch.randn(4, 64, 4), num_codebooks=1, codebook_size=16)
    moved = torch.randn(4, 64, 4) + 50.0  # every old code is now far from the data
    for _ in range(900):
        quantizer(moved)
    used = quantizer.eval()(moved).indices.unique()
    assert len(used) >= 14


def test_evaluation_changes_nothing():
    quantizer = trained(torch.randn(2, 16, 4), num_codebooks=1, codebook_size=8).eval()
    before = quantizer.codes.clone()
    quantizer(torch.randn(2, 16, 4) + 3)
    assert torch.equal(before, quantizer.codes)
