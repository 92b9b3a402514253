"""After alignment: keep the signatures of the training recordings, and fit how familiar a new sound must look."""

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor
from tqdm import tqdm

from audio2shape_core.alignment.tri_encoder import TriEncoder
from audio2shape_core.audio import SAMPLE_RATE, glances
from audio2shape_core.data.sound_bank import SoundBank
from audio2shape_core.synthetic.sounds.effects import coloured_noise

NOISES = 32  # clips of plain noise among the unknown sounds


@torch.no_grad()
def fit_familiarity(model: TriEncoder, sounds: SoundBank, window_s: float, device: torch.device) -> None:
    """Fill `model.familiarity` from the training recordings.

    Known is how a recording of a named class looks to all recordings but those of its own source; unknown is how
    recordings of other things, and plain noise, look to them.
    """
    rng = np.random.default_rng(4)
    waveforms = [sounds.waveform(i) for i in range(len(sounds.labels))]
    waveforms += [coloured_noise(int(window_s * SAMPLE_RATE), rng) for _ in range(NOISES)]
    signatures = torch.cat(
        [
            model.hear(torch.from_numpy(glances(waveform, window_s, SAMPLE_RATE)).to(device)).signature
            for waveform in tqdm(waveforms, "signatures")
        ]
    )
    known = np.append(np.isin(sounds.labels, model.vocabulary.names), np.zeros(NOISES, bool))
    groups = np.array(sounds.groups)[known[:-NOISES]]
    familiarity = model.familiarity
    familiarity.references = signatures[torch.from_numpy(known).to(device)]
    alike = familiarity.references @ familiarity.references.T
    alike[torch.from_numpy(groups[:, None] == groups[None]).to(device)] = -1.0
    neighbours = min(familiarity.NEIGHBOURS, len(alike))
    of_known = alike.topk(neighbours, dim=1).values.mean(1)
    of_unknown = familiarity.likeness(signatures[torch.from_numpy(~known).to(device)])
    threshold, sharpness = even_odds(of_known, of_unknown)
    familiarity.threshold.fill_(threshold)
    familiarity.sharpness.fill_(sharpness)


def even_odds(known: Tensor, unknown: Tensor) -> tuple[float, float]:
    """Threshold and slope of the logistic curve that tells known (N,) from unknown (M,) values, both weighing the same.

    A weak prior on the slope, in units of their common spread, keeps it finite where the two do not overlap.
    """
    yes, no = known.double().cpu().numpy(), unknown.double().cpu().numpy()
    middle, spread = 0.5 * (yes.mean() + no.mean()), np.concatenate([yes, no]).std()
    yes, no = (yes - middle) / spread, (no - middle) / spread

    def cost(x: np.ndarray) -> float:
        threshold, slope = x
        right, wrong = slope * (yes - threshold), slope * (no - threshold)
        return np.logaddexp(0, -right).mean() + np.logaddexp(0, wrong).mean() + 1e-3 * slope**2

    threshold, slope = minimize(cost, (0.0, 1.0), method="Nelder-Mead").x
    return float(middle + spread * threshold), float(slope / spread)
