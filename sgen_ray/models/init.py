"""Initial weights for training from scratch in little time."""

from __future__ import annotations

from torch import nn

Layer = nn.Linear | nn.Conv2d | nn.Conv3d


def zero(layer: Layer) -> None:
    """The layer answers zero at first: a residual branch, or an output, begins as nothing."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def unit(layer: Layer, gain: float = 1.0) -> None:
    """Unit-variance input gives output of deviation `gain`."""
    nn.init.normal_(layer.weight, std=gain * layer.weight[0].numel() ** -0.5)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def keep_scale(module: nn.Module) -> None:
    """Initialise convolutions so that activations keep their scale without normalisation layers.

    torch's default shrinks a signal by two thirds a layer: after ten layers a decoder learns next to nothing.
    """
    for name, layer in module.named_modules():
        if isinstance(layer, nn.Conv2d | nn.Conv3d) and layer.bias is not None:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
            if name.endswith("conv2"):
                nn.init.zeros_(layer.weight)
