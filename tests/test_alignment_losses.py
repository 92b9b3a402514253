import math

import pytest
import torch
from torch.nn import functional

from audio2shape_core.alignment.losses import multi_positive_contrastive, tri_modal_loss


def unit(*shape):
    return functional.normalize(torch.randn(*shape), dim=-1)


def by_hand(a, b, same, scale):
    """The definition as loops: mean negative log-probability of the positives, both ways."""
    total = []
    for x, y, mask in ((a, b, same), (b, a, same.T)):
        rows = []
        for i in range(len(x)):
            positives = [j for j in range(len(y)) if mask[i, j]]
            if positives:
                scores = [scale * float(x[i] @ y[j]) for j in range(len(y))]
                norm = math.log(sum(math.exp(s) for s in scores))
                rows.append(sum(norm - scores[j] for j in positives) / len(positives))
        total.append(sum(rows) / len(rows))
    return sum(total) / 2


def test_matches_the_definition():
    torch.manual_seed(0)
    a, b = unit(6, 8), unit(9, 8)
    same = torch.randint(3, (6,))[:, None] == torch.randint(4, (9,))[None]
    got = multi_positive_contrastive(a, b, same, torch.tensor(7.0))
    assert got.item() == pytest.approx(by_hand(a, b, same, 7.0), rel=1e-5)


def test_one_positive_a_row_is_the_loss_of_clip():
    a, b = unit(5, 8), unit(5, 8)
    logits = 10 * a @ b.T
    target = torch.arange(5)
    clip = 0.5 * (functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target))
    got = multi_positive_contrastive(a, b, torch.eye(5, dtype=bool), torch.tensor(10.0))
    assert torch.allclose(got, clip)


def test_the_terms_of_equation_1_appear_only_where_their_modalities_do():
    classes = {name: torch.tensor([0, 1, 2, 0]) for name in ("audio", "image", "point")}
    embeddings = {name: unit(4, 8) for name in classes}
    terms = tri_modal_loss(embeddings, classes, unit(3, 8), torch.tensor(5.0))
    assert set(terms) == {"audio-image", "audio-point", "image-point", "audio-anchor", "image-anchor", "point-anchor"}
    del embeddings["image"]
    assert set(tri_modal_loss(embeddings, classes, unit(3, 8), torch.tensor(5.0))) == {
        "audio-point",
        "audio-anchor",
        "point-anchor",
    }
