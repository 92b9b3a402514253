"""`evaluate tables`: Tables I to IV of the paper, its column beside ours.

The paper's figures are of its own data set, which is not public: they say how hard it found the task, not how we
compare on one test. Floors and chance levels are ours.
"""

from __future__ import annotations

from pathlib import Path

# Tables of "Audio-2-Shape: 3D Generation from What You Hear".
PAPER_I = {
    "audio_to_shape": (0.8011, 0.4907, 0.8925, 0.9605, 0.2012),
    "shape_to_audio": (0.8273, 0.5428, 0.9147, 0.9614, 0.1789),
    "image_to_shape": (0.6788, 0.3464, 0.7322, 0.8371, 0.2334),
    "shape_to_image": (0.7336, 0.3944, 0.7719, 0.8697, 0.2578),
}
PAPER_II = {  # CD, EMD of the PC-VAE, then of the PC-VQ-VAE
    "violin": (0.0597, 0.1905, 0.0459, 0.0898),
    "saxophone": (0.0654, 0.1920, 0.0468, 0.0782),
    "harp": (0.0498, 0.1623, 0.0445, 0.0731),
}
PAPER_III = {
    "audio_to_shape": (0.7394, 0.5387),
    "shape_to_audio": (0.7212, 0.4792),
    "image_to_shape": (0.7108, 0.3373),
    "shape_to_image": (0.6955, 0.3652),
}
PAPER_IV = {
    "emd": 0.4390,
    "precision": 0.7910,
    "l1_view": 0.0032,
    "nn_distance": 0.2284,
    "coverage": 0.8969,
    "mmd": 0.0211,
}
VAE = "pc_vae"  # the name under which --ablation gives the PC-VAE


def evaluate_tables(data: Path, split: str, *, weights: Path, device: str, ablations: dict[str, Path]) -> dict:
    """Run the four evaluations and print the tables. Of `ablations`, `pc_vae` is the autoencoder of Table II."""
    from audio2shape_core.evaluation.gallery import coloured_shapes
    from audio2shape_core.evaluation.generation import evaluate_generation
    from audio2shape_core.evaluation.reconstruction import evaluate_reconstruction
    from audio2shape_core.evaluation.refinement import evaluate_refinement
    from audio2shape_core.evaluation.retrieval import evaluate_retrieval

    common = {"weights": weights, "device": device}
    vae = {name: folder for name, folder in ablations.items() if name == VAE}
    others = {name: folder for name, folder in ablations.items() if name != VAE}
    result = {
        "retrieval": evaluate_retrieval(data, split, **common),
        "reconstruction": evaluate_reconstruction(data, split, ablations=vae, **common),
        "generation": evaluate_generation(data, split, picture=None, ablations=others, **common),
        "refinement": evaluate_refinement(coloured_shapes(data, split), device=device),
    }
    print("\n".join(markdown(result)))
    return result


def markdown(result: dict) -> list[str]:
    """The four tables as lines of Markdown."""
    return [
        *table_1(result["retrieval"]),
        *table_2(result["reconstruction"]),
        *table_3(result["generation"]),
        *table_4(result["generation"], result["refinement"]),
    ]


def table(title: str, columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    """A Markdown table with a heading."""
    lines = [("", *columns), ("---",) * (len(columns) + 1), *rows]
    return ["", f"### {title}", "", *("| " + " | ".join(line) + " |" for line in lines)]


def table_1(retrieval: dict) -> list[str]:
    rows = []
    for name, (mean, at_1, _, _, zero_shot) in PAPER_I.items():
        row, zero = retrieval[name], retrieval["zero_shot"][name]
        rows.append(
            (
                name,
                f"{mean:.1%} / {row['map']:.1%}",
                f"{row['chance_map']:.1%}",
                f"{at_1:.1%} / {row['recall@1']:.1%}",
                f"{row['class_hit@1']:.1%}",
                f"{zero_shot:.1%} / {zero['map']:.1%}",
                f"{zero['chance_map']:.1%}",
            )
        )
    columns = ("mAP", "chance", "recall@1", "class hit@1", "zero-shot mAP", "its chance")
    return table("Table I: retrieval (paper / ours)", columns, rows)


def table_2(own: dict) -> list[str]:
    missing = {"mean": {"cd": float("nan"), "emd": float("nan")}}
    vae = own["ablations"].get(VAE, {"per_class": {}})
    rows = []
    for label, (vae_cd, vae_emd, cd, emd) in PAPER_II.items():
        made, floor = own["per_class"][label]["mean"], own["per_class"][label]["floor"]
        plain = vae["per_class"].get(label, missing)["mean"]
        pairs = ((vae_cd, plain["cd"]), (vae_emd, plain["emd"]), (cd, made["cd"]), (emd, made["emd"]))
        figures = (f"{paper:.4f} / {ours:.4f}" for paper, ours in pairs)
        rows.append((label, *figures, f"{floor['cd']:.4f}", f"{floor['emd']:.4f}"))
    columns = ("PC-VAE CD", "PC-VAE EMD", "PC-VQ-VAE CD", "PC-VQ-VAE EMD", "floor CD", "floor EMD")
    return table("Table II: reconstruction (paper / ours)", columns, rows)


def table_3(generation: dict) -> list[str]:
    rows = []
    for name, (mean, at_1) in PAPER_III.items():
        row = generation["semantic"][name]
        own = (row["map"], row["recall@1"])
        rows.append((name, f"{mean:.1%} / {own[0]:.1%}", f"{row['chance_map']:.1%}", f"{at_1:.1%} / {own[1]:.1%}"))
    return table("Table III: generated shapes (paper / ours)", ("mAP", "chance", "recall@1"), rows)


def table_4(generation: dict, refinement: dict) -> list[str]:
    ours = {**generation, "l1_view": refinement["l1_view"]}
    rows = [(key, f"{paper}", f"{ours[key]:.4f}") for key, paper in PAPER_IV.items()]
    rows.append(("MMD of training shapes", "-", f"{generation['mmd_training']:.4f}"))
    change = f"{refinement['cd_before']:.4f}, with it {refinement['cd_after']:.4f}"
    rows.append(("without refinement, CD to the truth", "-", change))
    for name, row in generation.get("ablations", {}).items():
        right = f"{row['class_accuracy']:.1%} (spread over three seeds {row['spread']:.1%})"
        rows.append((f"{name}: shapes of the right class", "-", right))
    return table("Table IV: the full model and its ablations", ("paper", "ours"), rows)
