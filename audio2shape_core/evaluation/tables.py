"""`evaluate tables`: Tables I to IV of the paper, its column beside ours.

The paper's figures are of its own data set, which is not public: they say how hard it found the task, not how we
compare on one test. Floors and chance levels are ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from audio2shape_core.evaluation.gallery import coloured_shapes
from audio2shape_core.evaluation.generation import evaluate_generation
from audio2shape_core.evaluation.reconstruction import evaluate_reconstruction
from audio2shape_core.evaluation.refinement import measure_refinement
from audio2shape_core.evaluation.retrieval import evaluate_retrieval
from audio2shape_core.evaluation.task import Task, shown

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


def evaluate_tables(task: Task) -> dict:
    """Run the four evaluations and print the tables. Of the ablations, `pc_vae` is the autoencoder of Table II."""
    vae = {name: folder for name, folder in task.ablations.items() if name == VAE}
    others = {name: folder for name, folder in task.ablations.items() if name != VAE}
    result = {
        "retrieval": evaluate_retrieval(task),
        "reconstruction": evaluate_reconstruction(replace(task, ablations=vae)),
        "generation": evaluate_generation(replace(task, ablations=others)),
        "refinement": measure_refinement(coloured_shapes(task), task),
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


def table(title: str, columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    """A Markdown table with a heading."""
    lines = [("", *columns), ("---",) * (len(columns) + 1), *rows]
    return ["", f"### {title}", "", *("| " + " | ".join(line) + " |" for line in lines)]


def beside(paper: float, ours: float | None, form: str) -> str:
    """The paper's figure and ours; a dash where we have none."""
    return f"{paper:{form}} / {shown(ours, form)}"


def table_1(retrieval: dict) -> list[str]:
    rows = []
    for name, (mean, at_1, _, _, zero_shot) in PAPER_I.items():
        row, zero = retrieval[name] or {}, retrieval["zero_shot"][name] or {}
        rows.append(
            (
                name,
                beside(mean, row.get("map"), ".1%"),
                shown(row.get("chance_map"), ".1%"),
                beside(at_1, row.get("recall@1"), ".1%"),
                shown(row.get("class_hit@1"), ".1%"),
                beside(zero_shot, zero.get("map"), ".1%"),
                shown(zero.get("chance_map"), ".1%"),
            )
        )
    columns = ("mAP", "chance", "recall@1", "class hit@1", "zero-shot mAP", "its chance")
    return table("Table I: retrieval (paper / ours)", columns, rows)


def table_2(own: dict) -> list[str]:
    def figures(of: dict, label: str, part: str) -> tuple[float | None, float | None]:
        row = of.get("per_class", {}).get(label, {}).get(part, {})
        return row.get("cd"), row.get("emd")

    rows = []
    for label, paper in PAPER_II.items():
        ours = (*figures(own["ablations"].get(VAE, {}), label, "mean"), *figures(own, label, "mean"))
        pairs = [beside(theirs, one, ".4f") for theirs, one in zip(paper, ours)]
        rows.append((label, *pairs, *(shown(floor, ".4f") for floor in figures(own, label, "floor"))))
    columns = ("PC-VAE CD", "PC-VAE EMD", "PC-VQ-VAE CD", "PC-VQ-VAE EMD", "floor CD", "floor EMD")
    return table("Table II: reconstruction (paper / ours)", columns, rows)


def table_3(generation: dict) -> list[str]:
    rows = []
    for name, (mean, at_1) in PAPER_III.items():
        row = generation["semantic"][name] or {}
        chance = shown(row.get("chance_map"), ".1%")
        rows.append((name, beside(mean, row.get("map"), ".1%"), chance, beside(at_1, row.get("recall@1"), ".1%")))
    return table("Table III: generated shapes (paper / ours)", ("mAP", "chance", "recall@1"), rows)


def table_4(generation: dict, refinement: dict) -> list[str]:
    ours = {**generation, "l1_view": refinement["l1_view"]}
    rows = [(key, f"{paper}", shown(ours[key], ".4f")) for key, paper in PAPER_IV.items()]
    rows.append(("MMD of training shapes", "-", shown(generation["mmd_training"], ".4f")))
    before, after = (shown(refinement[key], ".4f") for key in ("cd_before", "cd_after"))
    rows.append(("without refinement, CD to the truth", "-", f"{before}, with it {after}"))
    for name, row in generation.get("ablations", {}).items():
        right = f"{row['class_accuracy']:.1%} (spread over three seeds {row['spread']:.1%})"
        rows.append((f"{name}: shapes of the right class", "-", right))
    return table("Table IV: the full model and its ablations", ("paper", "ours"), rows)
