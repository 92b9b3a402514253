"""The one training loop: AdamW, warm-up and cosine decay, EMA weights, resumable, logged as JSON lines.

A recipe gives the modules and a function `losses(step) -> {term: scalar}`; everything random in it is seeded by the
step, so that a resumed run sees the batches it would have seen. Where drawing a batch is work for the CPU, a recipe
gives `draw(step) -> batch` too, and `losses(batch)`: beside a GPU, batches are then drawn ahead by other processes.
"""

import copy
import json
import math
import os
import pickle
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from audio2shape_core.errors import InputError
from audio2shape_core.files import replacing
from audio2shape_core.presets import Optimization

Model = TypeVar("Model", bound=nn.Module)

SAVE_EVERY_S = 120.0
# What torch.load and load_state_dict raise for files of another kind, and for the state of another model.
STATE_ERRORS = (OSError, RuntimeError, EOFError, ValueError, KeyError, TypeError, pickle.UnpicklingError)
DRAWERS = 6  # processes that draw batches beside a GPU, where there are as many cores


def learning_rate(step: int, config: Optimization) -> float:
    """Linear warm-up, then half a cosine down to 2 % of the peak."""
    warm = min(1.0, (step + 1) / config.warmup_steps)
    done = step / config.steps
    return config.learning_rate * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))


def fast_precision(device: torch.device) -> AbstractContextManager:
    """bfloat16 where the hardware multiplies it natively (CUDA, or a CPU with AMX), float32 elsewhere."""
    if device.type == "cuda" or torch.cpu._is_amx_tile_supported():
        return torch.autocast(device.type, torch.bfloat16)
    return nullcontext()


@torch.no_grad()
def follow(average: nn.Module, model: nn.Module, step: int, decay: float) -> None:
    """Move the EMA copy towards the model, buffers included: running statistics must fit the weights beside them."""
    decay = min(decay, (1 + step) / (10 + step))  # early weights are forgotten quickly
    for ours, theirs in zip(average.state_dict().values(), model.state_dict().values()):
        if ours.is_floating_point():
            ours.lerp_(theirs, 1 - decay)
        else:
            ours.copy_(theirs)


@contextmanager
def interruptions() -> Iterator[list[int]]:
    """A list that a first SIGINT or SIGTERM fills, so that a step ends before the loop does; a second one ends at once.

    Only the main thread can do so; in others, signals act as they did.
    """
    seen: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield seen
        return

    def note(number: int, _: object) -> None:
        if seen:
            raise KeyboardInterrupt
        seen.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield seen
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Batches(Dataset):
    """The batches of a recipe by their step; nothing of them touches a GPU."""

    def __init__(self, draw: Callable[[int], Any]) -> None:
        self.draw = draw

    def __getitem__(self, step: int) -> Any:
        return self.draw(step)


def batches(draw: Callable[[int], Any] | None, steps: range, device: torch.device) -> Iterable:
    """The batches of all steps in order, drawn ahead beside a GPU; the steps themselves without `draw`."""
    if draw is None:
        return steps
    workers = min(DRAWERS, len(os.sched_getaffinity(0)) - 1) if device.type == "cuda" else 0
    # Forked processes share the banks that `draw` reads.
    context = "fork" if workers else None
    return DataLoader(
        Batches(draw), batch_size=None, sampler=steps, num_workers=workers, multiprocessing_context=context
    )


def fit(
    model: Model,
    losses: Callable[[Any], dict[str, Tensor]],
    config: Optimization,
    output: Path,
    *,
    resume: bool,
    device: torch.device,
    draw: Callable[[int], Any] | None = None,
) -> Model:
    """Minimise the sum of the loss terms; returns the EMA copy of `model`, in eval mode.

    State goes to `output/state.pt` every two minutes, at the end, and when SIGINT or SIGTERM interrupts, which ends in
    KeyboardInterrupt after the step; the log goes to `output/log.jsonl`. Raises InputError for another model's state.
    """
    output.mkdir(parents=True, exist_ok=True)
    model.to(device).train()
    average = copy.deepcopy(model)
    trained = [p for p in model.parameters() if p.requires_grad]
    decay = [p for p in trained if p.ndim >= 2]
    plain = [p for p in trained if p.ndim < 2]  # biases, norms and temperatures are not decayed
    groups = [{"params": decay, "weight_decay": config.weight_decay}, {"params": plain, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.98), fused=device.type == "cuda")
    state_file = output / "state.pt"
    start = 0
    if resume and state_file.is_file():
        try:
            state = torch.load(state_file, map_location=device, weights_only=True)
            model.load_state_dict(state["model"])
            average.load_state_dict(state["average"])
            optimizer.load_state_dict(state["optimizer"])
            start = int(state["step"])
        except STATE_ERRORS as error:
            reason = " ".join(str(error).split())[:160]
            raise InputError(f"cannot go on from {state_file} ({reason}); start again without --resume") from error

    def save(step: int) -> None:
        parts: dict[str, Any] = {"model": model, "average": average, "optimizer": optimizer}
        with replacing(state_file) as temporary:
            torch.save({"step": step, **{name: part.state_dict() for name, part in parts.items()}}, temporary)

    smooth: dict[str, Tensor] = {}
    saved = time.monotonic()
    steps = range(start, config.steps)
    bar = tqdm(batches(draw, steps, device), output.name, initial=start, total=config.steps, mininterval=5.0)
    with interruptions() as interrupted, (output / "log.jsonl").open("a") as log:
        for step, batch in zip(steps, bar):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step, config)
            with fast_precision(device):
                terms = losses(batch)
            loss = sum(terms.values(), torch.zeros((), device=device))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
            optimizer.step()
            follow(average, model, step, config.ema_decay)
            for name, term in terms.items():
                smooth[name] = smooth.get(name, term.detach()).lerp(term.detach(), 0.02)
            if (step + 1) % 100 == 0:  # only now: reading a number makes the GPU wait
                read = {name: value.item() for name, value in smooth.items()}
                log.write(json.dumps({"step": step + 1, **{k: round(v, 5) for k, v in read.items()}}) + "\n")
                log.flush()
                bar.set_postfix({k: f"{v:.3f}" for k, v in read.items()}, refresh=False)
            if interrupted or time.monotonic() - saved > SAVE_EVERY_S:
                save(step + 1)
                saved = time.monotonic()
            if interrupted:
                raise KeyboardInterrupt
    save(max(start, config.steps))
    return average.eval()
