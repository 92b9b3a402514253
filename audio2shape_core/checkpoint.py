"""Checkpoints: safetensors files that carry their own configuration and a hash of their weights.

A checkpoint is one `.safetensors` file. Its header holds `kind` (which model), `config` (JSON of the dataclass that
sizes it), `sha256` (of the tensors, in key order) and free `info` (JSON: steps trained, figures).
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

WEIGHTS = Path(__file__).parent / "weights"


@dataclass(frozen=True)
class Checkpoint:
    kind: str
    config: dict
    tensors: dict[str, torch.Tensor]
    sha256: str
    info: dict


def digest(tensors: dict[str, torch.Tensor]) -> str:
    """SHA-256 over the raw bytes of every tensor, in the order of their names."""
    sha = hashlib.sha256()
    for name in sorted(tensors):
        sha.update(name.encode())
        sha.update(tensors[name].contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return sha.hexdigest()


def save(
    path: Path, kind: str, config: dict, tensors: dict[str, torch.Tensor], info: dict, *, half: bool = True
) -> None:
    """Write a checkpoint: a reader never sees half of one.

    `half` stores floating-point tensors as fp16, which is what ships; resumable training state stays fp32.
    """
    stored = {}
    for name, tensor in tensors.items():
        tensor = tensor.detach().cpu().contiguous().clone()
        stored[name] = tensor.half() if half and tensor.is_floating_point() else tensor
    header = {"kind": kind, "config": json.dumps(config), "sha256": digest(stored), "info": json.dumps(info)}
    with replacing(path) as temporary:
        temporary.write_bytes(to_bytes(stored, metadata=header))  # save_file hides it from other users of the machine


def load(path: Path, kind: str) -> Checkpoint:
    """Read and verify a checkpoint. Raises InputError when it is missing, damaged, or of another kind."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"no weights at {path}; expected a {kind} checkpoint: train one or pass --weights DIR")
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except (SafetensorError, OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path} is damaged ({reason}); restore it from the repository or retrain it") from error
    if header.get("kind") != kind:
        raise InputError(f"{path} holds {header.get('kind', 'no audio2shape model')!r}, expected {kind!r}")
    if digest(tensors) != header.get("sha256"):
        raise InputError(f"{path} does not match its own sha256; restore it from the repository or retrain it")
    tensors = {name: t.float() if t.is_floating_point() else t for name, t in tensors.items()}
    return Checkpoint(kind, json.loads(header["config"]), tensors, header["sha256"], json.loads(header["info"]))
