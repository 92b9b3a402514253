"""Contrastive losses of the alignment stage (paper Eq. 1), with several positives where items share a class.

Letters: B batch, D embedding, K classes.
"""

from torch import Tensor
from torch.nn import functional


def multi_positive_contrastive(a: Tensor, b: Tensor, same: Tensor, scale: Tensor) -> Tensor:
    """Symmetric InfoNCE whose positives are all pairs of one class.

    a, b: unit embeddings (B, D) and (B', D); same: bool (B, B'), True where the items share a class; scale: inverse
    temperature. With one positive a row this is CLIP's loss; with several, the target is uniform over them, so that
    two recordings of a dog are not pushed apart. Rows without any positive are left out.
    """
    logits = scale * a @ b.T

    def one_way(logits: Tensor, same: Tensor) -> Tensor:
        positives = same.sum(1)
        rows = positives > 0
        log_prob = functional.log_softmax(logits[rows], dim=1)
        return -(log_prob * same[rows]).sum(1).div(positives[rows]).mean()

    return 0.5 * (one_way(logits, same) + one_way(logits.T, same.T))


def anchor_loss(embeddings: Tensor, anchors: Tensor, target: Tensor, scale: Tensor) -> Tensor:
    """Cross-entropy of unit embeddings (B, D) against unit class anchors (K, D): each modality meets at the anchors.

    target: class indices (B,), or shares of classes (B, K) where an item is a blend.
    """
    return functional.cross_entropy(scale * embeddings @ anchors.T, target, label_smoothing=0.05)


def centre_loss(embeddings: Tensor, centres: Tensor) -> Tensor:
    """Mean cosine distance of unit embeddings (B, D) to the unit centres of their classes (B, D); in [0, 2].

    The centre loss of Wen et al. (2016), on the sphere.
    """
    return 1.0 - (embeddings * centres).sum(-1).mean()


def tri_modal_loss(
    embeddings: dict[str, Tensor],
    classes: dict[str, Tensor],
    anchors: Tensor,
    scale: Tensor,
    shares: dict[str, Tensor] | None = None,
) -> dict[str, Tensor]:
    """The terms of Eq. 1 (audio-visual, audio-point, visual-point) and one anchor term a modality.

    Arguments:
        embeddings: name -> (B, D).
        classes: name -> (B,) class indices; of a blend, the class that leads.
        shares: name -> (B, K) shares of classes, for modalities that hold blends.
    Returns name of term -> scalar.
    """
    terms = {}
    for first, second in (("audio", "image"), ("audio", "point"), ("image", "point")):
        if first in embeddings and second in embeddings:
            same = classes[first][:, None] == classes[second][None, :]
            terms[f"{first}-{second}"] = multi_positive_contrastive(embeddings[first], embeddings[second], same, scale)
    targets = {**classes, **(shares or {})}
    for name, embedding in embeddings.items():
        terms[f"{name}-anchor"] = anchor_loss(embedding, anchors, targets[name], scale)
    return terms
