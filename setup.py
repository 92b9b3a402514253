"""audio2shape for pip: the core and its command line. Under ROS 2, colcon builds the same through CMakeLists.txt."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (HERE / "audio2shape_core/__init__.py").read_text()).group(1)

setup(
    name="audio2shape",
    version=VERSION,
    description="A robot hears something and imagines its 3D shape",
    long_description=(HERE / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=find_packages(include=["audio2shape_core*", "audio2shape_ros*"]),
    package_data={"audio2shape_core": ["weights/*.safetensors", "assets/*"]},
    install_requires=[
        "torch>=2.5",
        "diffusers>=0.33",
        "numpy",
        "scipy",
        "scikit-image",
        "numba",
        "opencv-python",
        "soundfile>=0.12",
        "safetensors",
        "matplotlib",
        "tqdm",
    ],
    extras_require={
        "teachers": ["open_clip_torch", "wav2clip", "torchaudio", "librosa"],
        "cuda": ["gsplat"],
        "view": ["viser>=1.1"],
        "test": ["pytest", "hypothesis", "scikit-learn", "pot", "trimesh", "plyfile", "rosbags"],
    },
    entry_points={"console_scripts": ["audio2shape = audio2shape_core.cli.main:main"]},
)
