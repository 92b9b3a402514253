"""Refinement towards photographs, on two pictures that stand in for them."""

import csv

import cv2
import numpy as np
import pytest
import torch

from audio2shape_core.data.completion import Completion
from audio2shape_core.data.manifest import COLUMNS
from audio2shape_core.evaluation.photographs import TILE, measure_photographs
from audio2shape_core.evaluation.task import Sizes, Task
from audio2shape_core.synthetic.renders import photograph
from audio2shape_core.synthetic.shapes import procedural_shape


@pytest.fixture
def data(tmp_path):
    """A data set of two photographs: a bell on white, the same as the cloud that is refined, and noise."""
    folder = tmp_path / "photos"
    folder.mkdir()
    rgba = photograph(*procedural_shape("bell", 0, 4096), np.random.default_rng(3), 96).astype(float)
    on_white = rgba[..., :3] + (255 - rgba[..., 3:])
    cv2.imwrite(str(folder / "bell.png"), on_white[..., ::-1].clip(0, 255))
    cv2.imwrite(str(folder / "drum.png"), np.random.default_rng(0).integers(0, 256, (80, 96, 3)))
    with (tmp_path / "MANIFEST.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for label in ("bell", "drum"):
            writer.writerow(["photo", label, f"photos/{label}.png", "test", label, "", "", "", ""])
    return tmp_path


def task(data, **more):
    return Task(data, "test", data, torch.device("cpu"), picture=data / "sheet.png", sizes=Sizes(iterations=20), **more)


def test_silhouettes_count_where_the_mask_is_sure(data):
    result = measure_photographs(task(data))
    assert result["num_photos"] == 2
    assert result["mask_sure"] == 0.5
    assert result["accepted"] == 1
    assert 0.8 < result["silhouette_overlap_before"] < result["silhouette_overlap"] <= 1
    sheet = cv2.imread(str(data / "sheet.png"))
    assert sheet.shape == (2 * TILE, 5 * TILE, 3)
    assert sheet[:TILE, 3 * TILE : 4 * TILE].std() > 10


def test_without_made_shapes_nothing_is_refined(data):
    assert measure_photographs(task(data, completion=Completion(allowed=False)))["num_photos"] == 0


def test_without_photographs_nothing_is_claimed(tmp_path):
    (tmp_path / "MANIFEST.csv").write_text(",".join(COLUMNS) + "\naudio,bell,audio/a.ogg,test,a,,,\n")
    result = measure_photographs(task(tmp_path))
    assert result["num_photos"] == 0
    assert result["silhouette_overlap"] is None
    assert not (tmp_path / "sheet.png").exists()
