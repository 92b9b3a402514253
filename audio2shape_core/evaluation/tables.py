"""`evaluate tables`: Tables I to IV of the paper, its column beside ours.

The paper's figures are of its own data set, which is not public; they say how hard it found the task, not how we compare
on one test. Floors and chance levels are ours.
"""

from __future__ import annotations

from pathlib import Path

# Tables of "Audio-2-Shape: 3D Generation from What You Hear".
PAPER_I = {
    "audio_to_shape": (0.8011, 0.4907, 0.8925, 0.9605, 0.2012), "shape_to_audio": (0.8273, 0.5428, 0.9147, 0.9614, 0.1789),
    "image_to_shape": (0.6788, 0.3464, 0.7322, 0.8371, 0.2334), "shape_to_image": (0.7336, 0.3944, 0.7719, 0.8697, 0.2578),
}  # fmt: skip
PAPER_II = {  # CD, EMD of the PC-VAE, then of the PC-VQ-VAE
    "violin": (0.0597, 0.1905, 0.0459, 0.0898), "saxophone": (0.0654, 0.1920, 0.0468, 0.0782),
    "harp": (0.0498, 0.1623, 0.0445, 0.0731),
}  # fmt: skip
PAPER_III = {
    "audio_to_shape": (0.7394, 0.5387), "shape_to_audio": (0.7212, 0.4792),
    "image_to_shape": (0.7108, 0.3373), "shape_to_image": (0.6955, 0.3652),
}  # fmt: skip
PAPER_IV = {"emd": 0.4390, "precision": 0.7910, "l1_view": 0.0032, "nn_distance": 0.2284, "coverage": 0.8969, "mmd": 0.0211}
VAE = "pc_vae"  # the name under which --ablation gives the PC-VAE


def evaluate_tables(data: Path, split: str, *, weights: Path, device: str, ablations: dict[str, Path]) -> dict:
    """Run the four evaluations and print the tables. Of `ablations`, `pc_vae` is the autoencoder of Table II."""
    from audio2shape_core.evaluation.alignment import evaluate_retrieval
    from audio2shape_core.evaluation.gallery import coloured_shapes
    from audio2shape_core.evaluation.generation import evaluate_generation
    from audio2shape_core.evaluation.reconstruction import evaluate_reconstruction
    from audio2shape_core.evaluation.refinement import evaluate_refinement

    common = {"weights": weights, "device": device}
    vae = {name: folder for name, folder in ablations.items() if name == VAE}
    others = {name: folder for name, folder in ablations.items() if name != VAE}
    result = {
        "retrieval": evaluate_retrieval(data, split, **common),
        "reconstruction": evaluate_reconstruction(data, split, ablations=vae, **common),
        "generation": evaluate_generation(data, split, picture=None, ablations=others, **common),
        "refinement": evaluate_refinement(coloured_shapes(data, split)),
    }
    print("\n".join(markdown(result)))
    return result


def markdown(result: dict) -> list[str]:
    """The four tables as lines of Markdown."""
    retrieval, generation, refinement = result["retrieval"], result["generation"], result["refinement"]
    lines = ["", "### Table I: retrieval (paper / ours)", "",
             "| | mAP | chance | recall@1 | class hit@1 | zero-shot mAP | its chance |", "|---|---|---|---|---|---|---|"]  # fmt: skip
    for name, paper in PAPER_I.items():
        row, zero = retrieval[name], retrieval["zero_shot"][name]
        lines.append(
            f"| {name} | {paper[0]:.1%} / {row['map']:.1%} | {row['chance_map']:.1%} | {paper[1]:.1%} / {row['recall@1']:.1%} | "
            f"{row['class_hit@1']:.1%} | {paper[4]:.1%} / {zero['map']:.1%} | {zero['chance_map']:.1%} |"
        )
    lines += ["", "### Table II: reconstruction, CD and EMD (paper / ours)", "",
              "| | PC-VAE CD | PC-VAE EMD | PC-VQ-VAE CD | PC-VQ-VAE EMD | floor CD | floor EMD |", "|---|---|---|---|---|---|---|"]  # fmt: skip
    for label, paper in PAPER_II.items():
        own, vae = result["reconstruction"], result["reconstruction"]["ablations"].get(VAE)
        made, floor = own["per_class"][label]["mean"], own["per_class"][label]["floor"]
        plain = vae["per_class"][label]["mean"] if vae else {"cd": float("nan"), "emd": float("nan")}
        lines.append(
            f"| {label} | {paper[0]:.4f} / {plain['cd']:.4f} | {paper[1]:.4f} / {plain['emd']:.4f} | {paper[2]:.4f} / "
            f"{made['cd']:.4f} | {paper[3]:.4f} / {made['emd']:.4f} | {floor['cd']:.4f} | {floor['emd']:.4f} |"
        )
    lines += ["", "### Table III: semantic consistency of generated shapes (paper / ours)", "",
              "| | mAP | chance | recall@1 |", "|---|---|---|---|"]  # fmt: skip
    for name, paper in PAPER_III.items():
        row = generation["semantic"][name]
        lines.append(f"| {name} | {paper[0]:.1%} / {row['map']:.1%} | {row['chance_map']:.1%} | {paper[1]:.1%} / {row['recall@1']:.1%} |")
    lines += ["", "### Table IV: the full model and its ablations (paper / ours)", "", "| | paper | ours |", "|---|---|---|"]
    for key, paper in PAPER_IV.items():
        lines.append(f"| {key} | {paper} | {refinement[key] if key == 'l1_view' else generation[key]:.4f} |")
    lines.append(f"| MMD of training shapes | - | {generation['mmd_training']:.4f} |")
    lines.append(f"| without refinement: CD to the truth | - | {refinement['cd_before']:.4f} (with: {refinement['cd_after']:.4f}) |")
    for name, row in generation.get("ablations", {}).items():
        lines.append(f"| {name}: shapes of the right class | - | {row['class_accuracy']:.1%} (spread {row['spread']:.1%}) |")
    return lines
