"""3D Gaussian splatting: Gaussians, projection, rasterizers. Rendering, looking and refinement stand on it."""

from audio2shape_core.splatting.gaussians import Gaussians
from audio2shape_core.splatting.rasterizer import RenderOutput, render

__all__ = ["Gaussians", "RenderOutput", "render"]
