"""What every loss term promises, as a check for tests: of the terms here and of yours."""

import copy
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from nst_lightning.losses import LossTerm, Reference

MakeTerm = Callable[[], LossTerm]

_SIZES = ((9, 7), (8, 12), (5, 16), (16, 5))  # height and width of pictures
_CHANNELS = 4
_STEP = 1e-5  # of the differences that a gradient is compared with


def check_term(make_term: MakeTerm, *, half_error: float = 2e-2, seed: int = 0) -> None:
    """Check that a loss term keeps the promises that the objective relies on.

    Made-up features take the place of an encoder's, so it takes a second and needs no weights.

    - The loss is one finite number, and its gradient in float64 is what differences say.
    - Any size of picture will do, and either memory layout (contiguous or channels-last).
    - The same picture has the same loss, bit by bit, of a term made anew too: a run can be resumed.
    - New targets replace the old; targets have no graph, move with the module, and no checkpoint
      holds them. There are no parameters.
    - A blend of one style is that style, whatever its weight; a style of weight 0 changes nothing.
    - ``weight`` is left to the caller, ``layer_weights`` count, and 0 switches a layer off.
    - The picture and its features are left as they are.
    - With ``takes_half`` the loss from bfloat16 features is within ``half_error`` of the exact one.
    - If the term is ``guided``, one region that is the whole picture changes nothing.

    Example:
        In a test of yours::

            def test_my_term():
                check_term(lambda: ChannelMeanLoss(layers=["relu2_1"]))

    Args:
        make_term: Makes a new term, the same each time.
        half_error: Largest relative error of loss and gradient with bfloat16 features.
        seed: Of the made-up pictures.

    Raises:
        AssertionError: With a sentence that says which promise is broken.
    """
    check = _Check(make_term, seed)
    for promise in (
        check.one_number_with_its_gradient,
        check.any_size,
        check.both_layouts,
        check.deterministic,
        check.new_targets_replace_the_old,
        check.nothing_is_saved,
        check.blends,
        check.weights,
        check.leaves_its_input_alone,
        lambda: check.half_precision(half_error),
        check.regions,
    ):
        promise()


class _Check:
    def __init__(self, make_term: MakeTerm, seed: int) -> None:
        self.make = make_term
        self.seed = seed
        term = make_term()
        self.name = type(term).__name__
        self.demand(isinstance(term, LossTerm), "is no LossTerm")
        self.layers = term.layers

    def demand(self, good: bool, what: str) -> None:
        if not good:
            raise AssertionError(f"{self.name} {what} (seed {self.seed})")

    # -- what is looked at ------------------------------------------------------------------------

    def picture(
        self, number: int, size: tuple[int, int] = _SIZES[0], weight: float = 1.0
    ) -> Reference:
        """Make a picture and features as those after a ReLU are, in float64."""
        random = torch.Generator().manual_seed(1000 * self.seed + number)
        height, width = size
        features = {}
        for depth, layer in enumerate(self.layers):
            shape = (1, _CHANNELS, max(1, height >> depth), max(1, width >> depth))
            values = torch.randn(shape, generator=random, dtype=torch.float64)
            mean = torch.randn((1, _CHANNELS, 1, 1), generator=random, dtype=torch.float64)
            features[layer] = (values + mean).relu()
        image = torch.rand((1, 3, height, width), generator=random, dtype=torch.float64)
        return Reference(image, features, weight)

    def ready(
        self, styles: Sequence[Reference] | None = None, size: tuple[int, int] = _SIZES[0]
    ) -> LossTerm:
        """Make a term with targets."""
        return self.set_targets(
            self.make(), self.picture(1, size), [self.picture(2)] if styles is None else styles
        )

    def set_targets(
        self, term: LossTerm, content: Reference, styles: Sequence[Reference]
    ) -> LossTerm:
        try:
            term.set_targets(content, styles)
        except Exception as error:
            raise self.cannot("take its targets from", [content, *styles], error) from error
        return term

    def cannot(self, what: str, pictures: Sequence[Reference], error: Exception) -> AssertionError:
        sizes = " and ".join(
            "x".join(map(str, reversed(picture.image.shape[-2:]))) for picture in pictures
        )
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        return AssertionError(f"{self.name} cannot {what} pictures of {sizes} ({reason})")

    def look(self, term: LossTerm, picture: Reference) -> tuple[Tensor, list[Tensor]]:
        """Return the loss of a picture and its gradients: of the image, then of every layer."""
        leaves = [picture.image, *(picture.features[layer] for layer in self.layers)]
        leaves = [leaf.detach().clone().requires_grad_() for leaf in leaves]
        try:
            loss = term(leaves[0], term.take(dict(zip(self.layers, leaves[1:], strict=True))))
            self.demand(isinstance(loss, Tensor) and loss.ndim == 0, "gives no single number")
            self.demand(loss.requires_grad, "has a loss without a gradient")
            grads = torch.autograd.grad(loss, leaves, allow_unused=True)
        except AssertionError:
            raise
        except Exception as error:
            raise self.cannot("look at", [picture], error) from error
        given = [
            torch.zeros_like(leaf) if grad is None else grad
            for leaf, grad in zip(leaves, grads, strict=True)
        ]
        self.demand(
            bool(torch.isfinite(loss)) and all(bool(torch.isfinite(g).all()) for g in given),
            f"has a loss or a gradient that is not finite, at size {tuple(picture.image.shape)}",
        )
        return loss.detach(), given

    def same(self, one: LossTerm, other: LossTerm, number: int = 3) -> bool:
        first, second = (self.look(term, self.picture(number))[0] for term in (one, other))
        return bool(torch.isclose(first, second, rtol=1e-8, atol=1e-12))

    # -- the promises -----------------------------------------------------------------------------

    def one_number_with_its_gradient(self) -> None:
        term, picture = self.ready(), self.picture(3)
        loss, grads = self.look(term, picture)
        power = float(sum(grad.square().sum() for grad in grads)) ** 0.5
        self.demand(power > 0, "has a gradient of zero everywhere")
        random = torch.Generator().manual_seed(self.seed)
        values = [picture.image, *(picture.features[layer] for layer in self.layers)]
        for _ in range(4):
            along = [
                torch.randn(v.shape, generator=random, dtype=v.dtype) / v.numel() ** 0.5
                for v in values
            ]
            ends = []
            for sign in (1, -1):
                image, *rest = (v + sign * _STEP * d for v, d in zip(values, along, strict=True))
                moved = Reference(image, dict(zip(self.layers, rest, strict=True)))
                ends.append(float(self.look(term, moved)[0]))
            slope = float(sum((g * d).sum() for g, d in zip(grads, along, strict=True)))
            error = abs(slope - (ends[0] - ends[1]) / (2 * _STEP))
            rounding = 1e-15 * abs(float(loss)) / _STEP
            self.demand(
                error <= 1e-4 * power + 100 * rounding,
                f"has a wrong gradient: {slope:.6g} where differences of the loss say "
                f"{(ends[0] - ends[1]) / (2 * _STEP):.6g}",
            )

    def any_size(self) -> None:
        for size in _SIZES:
            styles = [self.picture(2, (11, 6), 0.5), self.picture(4, (6, 13), 0.5)]
            self.look(self.ready(styles, size), self.picture(3, size))

    def both_layouts(self) -> None:
        plain = self.picture(3)
        last = copy.copy(plain.features)
        for layer, value in last.items():
            last[layer] = value.contiguous(memory_format=torch.channels_last)
        term = self.ready()
        first = self.look(term, plain)
        second = self.look(term, Reference(plain.image, last))
        good = bool(torch.isclose(first[0], second[0], rtol=1e-8, atol=1e-12))
        for one, other in zip(first[1], second[1], strict=True):
            good &= bool(torch.allclose(one, other, rtol=1e-6, atol=1e-10))
        self.demand(good, "sees something else where features lie channels-last in memory")

    def deterministic(self) -> None:
        term, picture = self.ready(), self.picture(3)
        first, again, anew = (self.look(t, picture) for t in (term, term, self.ready()))
        for other, when in ((again, "the second time"), (anew, "from a term made anew")):
            good = torch.equal(first[0], other[0])
            good &= all(torch.equal(a, b) for a, b in zip(first[1], other[1], strict=True))
            self.demand(good, f"gives another loss or gradient of the same picture {when}")

    def new_targets_replace_the_old(self) -> None:
        fresh, used = self.ready(), self.make()
        self.set_targets(used, self.picture(5, (12, 10)), [self.picture(6), self.picture(7)])
        self.set_targets(used, self.picture(1), [self.picture(2)])
        first, second = (self.look(term, self.picture(3))[0] for term in (fresh, used))
        self.demand(torch.equal(first, second), "remembers old targets after new ones were set")

    def nothing_is_saved(self) -> None:
        term = self.ready()
        self.demand(not list(term.parameters()), "has parameters: only the picture is optimised")
        self.demand(not term.state_dict(), "puts its targets into checkpoints (state_dict)")
        self.demand(
            all(not b.requires_grad for b in term.buffers()), "keeps the graph of its targets"
        )
        # Buffers are in a dictionary of their own.
        loose = {key: value for key, value in vars(term).items() if key not in _OF_MODULES}
        for key, value in loose.items():
            self.demand(
                not _has_tensor(value),
                f"keeps a tensor in {key} that would not move to another device; use set_target",
            )

    def blends(self) -> None:
        whole = self.ready()
        for what, styles in (
            ("one style of another weight is", [self.picture(2, weight=0.3)]),
            ("two halves of one style are", [self.picture(2, weight=0.5)] * 2),
            (
                "a style beside one of weight 0 is",
                [self.picture(2), self.picture(4, (6, 13), weight=0.0)],
            ),
        ):
            self.demand(self.same(whole, self.ready(styles)), f"blends: {what} not that style")

    def weights(self) -> None:
        term, picture = self.ready(), self.picture(3)
        before, _ = self.look(term, picture)
        for weight in (0.0, 1000.0):
            term.weight = weight
            self.demand(
                torch.equal(self.look(term, picture)[0], before),
                "multiplies by its weight, which is the caller's part",
            )
        if self.layers:
            term.layer_weights = [2 * weight for weight in term.layer_weights]
            twice, _ = self.look(term, picture)
            self.demand(bool(torch.isclose(twice, 2 * before)), "does not weigh by layer_weights")
            term.layer_weights = [0.0 for _ in term.layer_weights]
            off, grads = self.look(term, picture)
            self.demand(not off and not any(g.any() for g in grads), "counts layers that weigh 0")

    def leaves_its_input_alone(self) -> None:
        term, picture = self.ready(), self.picture(3)
        before = copy.deepcopy(picture)
        with torch.no_grad():
            term(picture.image, term.take(picture.features))
        good = torch.equal(picture.image, before.image)
        for layer, value in before.features.items():
            good &= torch.equal(picture.features[layer], value)
        self.demand(good, "writes into the picture or its features")

    def half_precision(self, most: float) -> None:
        term, exact = self.ready(), self.picture(3)
        rounded = {layer: value.bfloat16() for layer, value in exact.features.items()}
        same = Reference(exact.image, {layer: v.double() for layer, v in rounded.items()})
        loss, grads = self.look(term, same)
        half, half_grads = self.look(term, Reference(exact.image, rounded))
        self.demand(half.dtype == torch.float64, "rounds its loss to the features' precision")
        limit = most if term.takes_half else 1e-3
        self.demand(
            bool((half - loss).abs() <= limit * loss.abs()),
            f"is wrong by more than {limit:g} with features in half precision",
        )
        for exactly, grad in zip(grads, half_grads, strict=True):
            self.demand(
                bool((grad.double() - exactly).norm() <= max(limit, 1e-2) * exactly.norm()),
                f"has a gradient wrong by more than {max(limit, 1e-2):g} with features in half "
                "precision",
            )

    def regions(self) -> None:
        if not self.make().guided:
            return
        pictures = [self.picture(1), self.picture(2)]
        masked = [
            Reference(p.image, p.features, p.weight, torch.ones_like(p.image[:, :1]))
            for p in pictures
        ]
        term = self.set_targets(self.make(), masked[0], masked[1:])
        self.demand(
            self.same(self.ready(), term), "sees something else in one region that is everywhere"
        )


_OF_MODULES = frozenset(vars(torch.nn.Module()))


def _has_tensor(value: object) -> bool:
    if isinstance(value, dict):
        return any(map(_has_tensor, value.values()))
    if isinstance(value, list | tuple | set):
        return any(map(_has_tensor, value))
    return isinstance(value, Tensor)
