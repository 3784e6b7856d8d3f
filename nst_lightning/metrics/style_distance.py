"""How far a picture's style is from a style image's: relative distance of Gram matrices."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from nst_lightning.losses.gram import gram_matrix
from nst_lightning.losses.term import STD5
from nst_lightning.metrics.functional import relative_gram_distance
from nst_lightning.metrics.pictures import check_picture

#: Gatys' style layers, on which the distance is taken whatever the run optimised.
STYLE_LAYERS = STD5

#: Picture of shape (N, 3, H, W) in [0, 1] -> features of shape (N, C, h, w) by layer name.
Encoder = Callable[[Tensor], Mapping[str, Tensor]]


def style_grams(
    picture: Tensor, encoder: Encoder, layers: Sequence[str] = STYLE_LAYERS
) -> dict[str, Tensor]:
    """Gram matrices of a picture's features, F·Fᵀ / (H·W), by layer.

    Args:
        picture: Shape (N, 3, H, W), values in [0, 1].
        encoder: Picture -> features by layer; it must give all of ``layers``.
        layers: Which of them to use.

    Returns:
        Matrices of shape (N, C, C).

    Raises:
        ValueError: If the encoder does not give a layer.
    """
    features = encoder(picture.to(torch.float32))
    missing = [layer for layer in layers if layer not in features]
    if missing:
        raise ValueError(
            f"the encoder gives {', '.join(features)}; {', '.join(missing)} is missing"
        )
    # Divided by H·W: a mean over places, so that pictures of different sizes compare.
    return {layer: gram_matrix(features[layer], divisor="hw") for layer in layers}


def style_distances(
    grams: Mapping[str, Tensor], targets: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """‖G(x) − G(s)‖²_F / ‖G(s)‖²_F by layer, each of shape (N,), from :func:`style_grams`."""
    return {layer: relative_gram_distance(gram, targets[layer]) for layer, gram in grams.items()}


class StyleDistance(Metric):
    """Relative Gram distance ‖G(x) − G(s)‖²_F / ‖G(s)‖²_F of a picture x to a style image s.

    Per layer, and their mean as the metric's value: 0 for the same style, 1 for a black layer. Six
    pairs of a photograph with a painting, untouched, were measured at 0.57 to 1.8 (VGG-19, 384
    pixels). The style image keeps its own size. The form is the squared one: each term is the
    layer's Gram loss as a share of what a layer without any activation would have.

    Args:
        encoder: Picture in [0, 1] -> features by layer, such as
            ``VGG19Encoder(taps=STYLE_LAYERS)``. If it is a module, ``.to(device)`` moves it too.
        layers: The layers to compare, all given by the encoder.
        kwargs: As torchmetrics.Metric.

    Raises:
        ValueError: If ``layers`` is empty.
    """

    full_state_update = False
    higher_is_better = False
    is_differentiable = True
    plot_lower_bound = 0.0

    def __init__(
        self, encoder: Encoder, layers: Sequence[str] = STYLE_LAYERS, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if not layers:
            raise ValueError("StyleDistance needs at least one layer")
        self.encoder = encoder
        self.layers = tuple(layers)
        # The names tell it apart in a MetricCollection, see MeanOverPictures.
        name = "_".join(("style", *self.layers)).replace(".", "_")
        self._sum_name, self._count_name = f"{name}_sum", f"{name}_count"
        self.add_state(self._sum_name, torch.zeros(len(self.layers)), dist_reduce_fx="sum")
        self.add_state(self._count_name, torch.tensor(0), dist_reduce_fx="sum")

    def update(self, picture: Tensor, reference: Tensor) -> None:
        """Add pictures of shape (N, 3, H, W) and their style images, values in [0, 1].

        Args:
            picture: Shape (N, 3, H, W).
            reference: The style image, shape (N or 1, 3, h, w), of any size.

        Raises:
            InputError: If one holds NaN or values outside [0, 1].
        """
        # The target has no graph: only the picture is ever varied.
        with torch.no_grad():
            targets = style_grams(check_picture(reference, "style"), self.encoder, self.layers)
        grams = style_grams(check_picture(picture), self.encoder, self.layers)
        values = torch.stack(list(style_distances(grams, targets).values()))
        total: Tensor = getattr(self, self._sum_name)
        setattr(self, self._sum_name, total + values.sum(dim=1).to(total))
        setattr(self, self._count_name, getattr(self, self._count_name) + values.shape[1])

    def compute(self) -> Tensor:
        """Return the mean over layers and pictures, a scalar."""
        return torch.stack(list(self.by_layer().values())).mean()

    def by_layer(self) -> dict[str, Tensor]:
        """Return the mean over pictures by layer."""
        means = getattr(self, self._sum_name) / getattr(self, self._count_name)
        return dict(zip(self.layers, means, strict=True))
