"""Encoders whose weights were learned elsewhere and stay as they are.

The weights are in one folder, filled by hand or by `audio2shape pretrained`.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from torch import Tensor, nn

from audio2shape_core.errors import InputError
from audio2shape_core.presets import AlignmentConfig

# Names under which upstream publishes them; of CLIP's, the first that is there.
WAV2CLIP = ("Wav2CLIP.pt",)
CLIP = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin", "ViT-B-32.pt")


class Frozen(nn.Module):
    """A module that no optimiser and no batch can change.

    Its parameters ask for no gradient (call `freeze` once they are there), and it stays in eval mode when the model
    that holds it is trained: running statistics and dropout must not come back to life. Subclasses compute under
    `torch.no_grad`, so that not even `requires_grad_(True)` on the parent makes its weights move.
    """

    def train(self, mode: bool = True) -> Frozen:
        """Stays in eval mode, whatever `mode` says."""
        return super().train(False)

    def freeze(self) -> Frozen:
        return self.eval().requires_grad_(False)


def in_short(error: Exception) -> str:
    """What an error of another package says, in part of one line."""
    return " ".join(str(error).split())[:160] or type(error).__name__


def fill(module: nn.Module, stored: dict[str, Tensor], prefix: str, problem: str, expected: str) -> None:
    """Give a module the tensors whose names begin with `prefix`. Raises InputError, "problem (why); expected"."""
    try:
        part = {name[len(prefix) :]: t.float() for name, t in stored.items() if name.startswith(prefix)}
        module.load_state_dict(part, assign=True)
    except (RuntimeError, AttributeError) as error:  # other shapes; things that are no tensors
        raise InputError(f"{problem} ({in_short(error)}); {expected}") from error


def find(folder: str | Path, names: tuple[str, ...]) -> Path:
    """The first file of `names` in a folder. Raises InputError, with the way to get it, where there is none."""
    for name in names:
        if folder and (Path(folder) / name).is_file():
            return Path(folder) / name
    place = f"in {folder}" if folder else "without --pretrained DIR"
    raise InputError(
        f"no {' or '.join(names)} {place}; the paper preset needs the frozen encoders of others: fetch them once with "
        "`audio2shape pretrained DIR` (about 0.7 GB, needs the internet), then pass --pretrained DIR"
    )


def check(config: AlignmentConfig, folder: str) -> None:
    """Raise InputError now, not after minutes of reading data, where frozen encoders will lack their weights."""
    if config.audio_encoder == "wav2clip":
        find(folder, WAV2CLIP)
    if config.image_encoder == "clip":
        find(folder, CLIP)


def download(folder: str | Path) -> list[Path]:
    """Fetch Wav2CLIP and CLIP ViT-B/32 from their authors into `folder`; files already there are kept.

    Returns their paths. Raises InputError where a package or the network is missing.
    """
    folder = Path(folder)
    fetched = []
    for names, fetch in ((WAV2CLIP, _fetch_wav2clip), (CLIP, _fetch_clip)):
        try:
            fetched.append(find(folder, names))
        except InputError:
            try:
                fetched.append(fetch(folder))
            except (ImportError, OSError, RuntimeError) as error:
                raise InputError(
                    f"cannot fetch {names[0]} ({in_short(error)}); expected the internet and what "
                    f"pip install '.[teachers]' brings: mend that, or copy the file into {folder} yourself"
                ) from error
    return fetched


def _fetch_wav2clip(folder: Path) -> Path:
    import torch
    from wav2clip import MODEL_URL

    folder.mkdir(parents=True, exist_ok=True)
    target = folder / WAV2CLIP[0]
    torch.hub.download_url_to_file(MODEL_URL, str(target))  # under a temporary name until it is whole
    return target


def _fetch_clip(folder: Path) -> Path:
    from open_clip.pretrained import download_pretrained, get_pretrained_cfg

    cache = folder / ".download"
    stored = Path(download_pretrained(get_pretrained_cfg("ViT-B-32", "openai"), cache_dir=str(cache)))
    target = folder / stored.name
    os.replace(stored.resolve(), target)  # the hub's cache holds a link to the file
    shutil.rmtree(cache)
    return target
