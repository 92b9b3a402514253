"""3D Gaussian splatting: Gaussians, projection, rasterizers. Rendering, looking and refinement stand on it."""

from audio2shape_core.splatting.gaussians import Gaussians
from audio2shape_core.splatting.rasterizer import RenderOutput, blending_weights, render

__all__ = ["Gaussians", "RenderOutput", "blending_weights", "render"]
