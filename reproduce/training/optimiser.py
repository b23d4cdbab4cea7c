"""What a step minimises and how: initial weights, optimiser, loss."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reproduce.recipes.recipe import Optimiser, Recipe


def initialise_kaiming(model: nn.Module) -> None:
    """Draw every weight of more than one dimension from Kaiming's normal (fan in, gain sqrt 2); set biases to 0.

    He et al. 2015, Eq. 10; torch's defaults of ``kaiming_normal_``. Scales of normalisation stay as they are.
    """
    for name, weight in model.named_parameters():
        if weight.dim() > 1:
            nn.init.kaiming_normal_(weight)
        elif name.rsplit(".", 1)[-1] == "bias":
            nn.init.zeros_(weight)


def make_optimiser(model: nn.Module, choice: Optimiser) -> torch.optim.Optimizer:
    """Return SGD or Adam, on CUDA as one fused kernel.

    Gaussian centres and spreads are kept from weight decay unless ``decay_positions`` (B15).
    """
    exempt: list[nn.Parameter] = []
    decayed: list[nn.Parameter] = []
    for name, weight in model.named_parameters():
        positional = name.rsplit(".", 1)[-1] in ("centres", "spreads")
        (exempt if positional and not choice.decay_positions else decayed).append(weight)
    groups = [{"params": decayed}]
    if exempt:
        groups.append({"params": exempt, "weight_decay": 0.0})  # type: ignore[dict-item]
    # on a CPU torch's plain step stays: recorded runs are of it
    fused = next(model.parameters()).is_cuda
    if choice.kind == "adam":
        return torch.optim.Adam(groups, lr=choice.lr, weight_decay=choice.weight_decay, fused=fused)
    return torch.optim.SGD(
        groups,
        lr=choice.lr,
        momentum=choice.momentum,
        nesterov=choice.nesterov and choice.momentum > 0,
        weight_decay=choice.weight_decay,
        fused=fused,
    )


def smoothed_cross_entropy(logits_BC: Tensor, y_B: Tensor, recipe: Recipe) -> Tensor:
    """Return the mean cross-entropy with the recipe's label smoothing.

    ``others`` puts 1 - eps on the label and eps / (C - 1) on each other class, as SAN's code does; that is torch's
    form with eps * C / (C - 1). ``uniform`` is torch's own.
    """
    epsilon = recipe.label_smoothing
    if epsilon and recipe.smoothing_form == "others":
        classes = logits_BC.shape[1]
        epsilon = epsilon * classes / (classes - 1)
    return F.cross_entropy(logits_BC, y_B, label_smoothing=epsilon)
