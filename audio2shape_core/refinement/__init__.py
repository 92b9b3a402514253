"""Paper III-C: a coarse cloud and one image become a dense cloud, through 3D Gaussian splatting."""

from audio2shape_core.refinement.gaussians import Gaussians
from audio2shape_core.refinement.rasterizer import RenderOutput, render
from audio2shape_core.refinement.refine import Refined, refine

__all__ = ["Gaussians", "Refined", "RenderOutput", "refine", "render"]
