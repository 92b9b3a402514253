"""Checkpoints: safetensors files that carry their own configuration, vocabulary and a hash of their weights.

A checkpoint is one `.safetensors` file. Its header holds `kind` (which model), `config` (JSON of the dataclass that
sizes it), `sha256` (of the tensors, in key order) and `info` (JSON: the vocabulary, steps trained, figures).
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes

from audio2shape_core.errors import InputError
from audio2shape_core.files import replacing
from audio2shape_core.vocabulary import Vocabulary

WEIGHTS = Path(__file__).parent / "weights"
TASKS = {"alignment": "align", "autoencoder": "autoencode", "denoiser": "diffuse", "judge": "judge"}
REMEDY = "restore it from the repository or retrain it"


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint holds. config: the sizes, one entry a field; tensors: float32, or whole numbers; sha256: of the
    tensors as stored; info: the rest of the header."""

    config: dict
    vocabulary: Vocabulary
    tensors: dict[str, torch.Tensor]
    sha256: str
    info: dict


def digest(tensors: dict[str, torch.Tensor]) -> str:
    """SHA-256 over the raw bytes of every tensor, in the order of their names."""
    sha = hashlib.sha256()
    for name in sorted(tensors):
        sha.update(name.encode())
        sha.update(tensors[name].contiguous().flatten().view(torch.uint8).numpy().data)
    return sha.hexdigest()


def save(
    path: Path, kind: str, config: dict, vocabulary: Vocabulary, tensors: dict[str, torch.Tensor], info: dict
) -> None:
    """Write a checkpoint, floating-point tensors in half precision. A reader never sees half of a file."""
    stored = {}
    for name, tensor in tensors.items():
        tensor = tensor.detach().cpu().contiguous().clone()
        stored[name] = tensor.half() if tensor.is_floating_point() else tensor
    text = json.dumps({"vocabulary": vocabulary.to_dict(), **info})
    header = {"kind": kind, "config": json.dumps(config), "sha256": digest(stored), "info": text}
    with replacing(path) as temporary:
        temporary.write_bytes(to_bytes(stored, metadata=header))  # save_file hides it from other users of the machine


def load(path: Path, kind: str) -> Checkpoint:
    """Read and verify a checkpoint.

    Raises InputError when it is missing, damaged, of another kind, without a vocabulary, or holds NaN or infinity.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(
            f"no weights at {path}; `audio2shape train {TASKS[kind]}` makes them: run it, or pass --weights DIR"
        )
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        reason = (str(error).splitlines() or [""])[0][:200]
        raise InputError(f"{path} is damaged ({reason}); {REMEDY}") from error
    if header.get("kind") != kind:
        raise InputError(f"{path} holds {header.get('kind', 'no audio2shape model')[:80]!r}, expected {kind!r}")
    if digest(tensors) != header.get("sha256"):
        raise InputError(f"{path} does not match its own sha256; {REMEDY}")
    for name, tensor in tensors.items():  # one at a time; what stays must not keep the file in memory
        tensors[name] = tensor.float() if tensor.is_floating_point() else tensor.clone()
    if bad := next((name for name, t in tensors.items() if not t.isfinite().all()), None):
        raise InputError(f"{path}: {bad[:80]!r} holds NaN or infinity; {REMEDY}")
    config, info = (_read_json(path, header, name) for name in ("config", "info"))
    if "vocabulary" not in info:
        raise InputError(f"{path} has no vocabulary: it was made by an older version of audio2shape; {REMEDY}")
    try:
        vocabulary = Vocabulary.from_dict(info.pop("vocabulary"))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    return Checkpoint(config, vocabulary, tensors, header["sha256"], info)


def _read_json(path: Path, header: dict[str, str], name: str) -> dict:
    """A JSON object of a checkpoint's header. Raises InputError for anything else."""
    try:
        value = json.loads(header.get(name, ""))
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise InputError(f"{path}: its header's {name!r} is not a JSON object; {REMEDY}")
    return value
