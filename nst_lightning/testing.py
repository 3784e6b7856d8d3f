"""What every loss term promises, as a check for tests: of the terms here and of yours."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor

from nst_lightning.losses import LossTerm, Reference

MakeTerm = Callable[[], LossTerm]
Promise = Iterator[tuple[bool | Tensor, str]]  # whether it is kept, and what is said if not

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
    check = _Check(make_term, half_error, seed)
    for promise in (
        check.one_number_with_its_gradient,
        check.any_size_and_layout,
        check.deterministic,
        check.new_targets_replace_the_old,
        check.nothing_is_saved,
        check.blends,
        check.weights,
        check.leaves_its_input_alone,
        check.half_precision,
        check.regions,
    ):
        for good, what in promise():
            check.demand(good, what)


class _Check:
    def __init__(self, make_term: MakeTerm, half_error: float, seed: int) -> None:
        self.make, self.half_error, self.seed = make_term, half_error, seed
        term = make_term()
        self.name = type(term).__name__
        self.demand(isinstance(term, LossTerm), "is no LossTerm")
        self.layers = term.layers

    def demand(self, good: bool | Tensor, what: str) -> None:
        if not good:
            raise AssertionError(f"{self.name} {what} (seed {self.seed})")

    @contextmanager
    def can(self, what: str, *pictures: Reference) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            sizes = " and ".join("{3}x{2}".format(*p.image.shape) for p in pictures)
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            message = f"{self.name} cannot {what} pictures of {sizes} ({reason})"
            raise AssertionError(message) from error

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
        self,
        styles: Sequence[Reference] | None = None,
        content: Reference | None = None,
        term: LossTerm | None = None,
    ) -> LossTerm:
        """Give a term its targets; make one if there is none."""
        content = content or self.picture(1)
        styles = [self.picture(2)] if styles is None else styles
        term = term or self.make()
        with self.can("take its targets from", content, *styles):
            term.set_targets(content, styles)
        return term

    def tensors(self, picture: Reference) -> list[Tensor]:
        return [picture.image, *(picture.features[layer] for layer in self.layers)]

    def of_tensors(self, image: Tensor, *features: Tensor) -> Reference:
        return Reference(image, dict(zip(self.layers, features, strict=True)))

    def look(self, term: LossTerm, picture: Reference) -> list[Tensor]:
        """Return the loss of a picture and its gradients: of the image, then of every layer."""
        leaves = [t.detach().clone().requires_grad_() for t in self.tensors(picture)]
        seen = self.of_tensors(*leaves)
        with self.can("look at", picture):
            loss = term(seen.image, term.take(seen.features))
        self.demand(isinstance(loss, Tensor) and loss.ndim == 0, "gives no single number")
        self.demand(loss.requires_grad, "has a loss without a gradient")
        with self.can("look at", picture):
            grads = torch.autograd.grad(loss, leaves, allow_unused=True, materialize_grads=True)
        self.demand(
            all(bool(tensor.isfinite().all()) for tensor in (loss, *grads)),
            f"has a loss or a gradient that is not finite, at size {tuple(picture.image.shape)}",
        )
        return [loss.detach(), *grads]

    # -- the promises -----------------------------------------------------------------------------

    def one_number_with_its_gradient(self) -> Promise:
        term, values = self.ready(), self.tensors(self.picture(3))
        loss, *grads = self.look(term, self.of_tensors(*values))
        power = float(sum(grad.square().sum() for grad in grads)) ** 0.5
        yield power > 0, "has a gradient of zero everywhere"
        rounding = 1e-15 * abs(float(loss)) / _STEP
        random = torch.Generator().manual_seed(self.seed)
        for _ in range(4):
            along = [
                torch.randn(v.shape, generator=random, dtype=v.dtype) / v.numel() ** 0.5
                for v in values
            ]
            after, before = (
                float(self.look(term, self.of_tensors(*map(torch.add, values, moved)))[0])
                for moved in ([_STEP * d for d in along], [-_STEP * d for d in along])
            )
            difference = (after - before) / (2 * _STEP)
            slope = float(sum((g * d).sum() for g, d in zip(grads, along, strict=True)))
            yield (
                abs(slope - difference) <= 1e-4 * power + 100 * rounding,
                f"has a wrong gradient: {slope:.6g} where differences of the loss say "
                f"{difference:.6g}",
            )

    def any_size_and_layout(self) -> Promise:
        for size in _SIZES:
            styles = [self.picture(2, (11, 6), 0.5), self.picture(4, (6, 13), 0.5)]
            self.look(self.ready(styles, self.picture(1, size)), self.picture(3, size))
        plain = self.picture(3)
        last = [f.contiguous(memory_format=torch.channels_last) for f in plain.features.values()]
        term = self.ready()
        first, second = self.look(term, plain), self.look(term, self.of_tensors(plain.image, *last))
        same = _close(first, second)
        yield same, "sees something else where features lie channels-last in memory"

    def deterministic(self) -> Promise:
        term, picture = self.ready(), self.picture(3)
        first, again, anew = (self.look(t, picture) for t in (term, term, self.ready()))
        for other, when in ((again, "the second time"), (anew, "from a term made anew")):
            same = all(map(torch.equal, first, other))
            yield same, f"gives another loss or gradient of the same picture {when}"

    def new_targets_replace_the_old(self) -> Promise:
        used = self.ready([self.picture(6), self.picture(7)], self.picture(5, (12, 10)))
        fresh = self.look(self.ready(), self.picture(3))
        again = self.look(self.ready(term=used), self.picture(3))
        yield torch.equal(fresh[0], again[0]), "remembers old targets after new ones were set"

    def nothing_is_saved(self) -> Promise:
        term = self.ready()
        yield not list(term.parameters()), "has parameters: only the picture is optimised"
        yield not term.state_dict(), "puts its targets into checkpoints (state_dict)"
        yield not any(b.requires_grad for b in term.buffers()), "keeps the graph of its targets"
        # Buffers are in a dictionary of their own.
        for key in [key for key in vars(term) if key not in vars(torch.nn.Module())]:
            yield (
                not _has_tensor(vars(term)[key]),
                f"keeps a tensor in {key} that would not move to another device; use set_target",
            )

    def blends(self) -> Promise:
        whole = self.look(self.ready(), self.picture(3))
        nothing = self.picture(4, (6, 13), weight=0.0)
        for what, styles in (
            ("one style of another weight is", [self.picture(2, weight=0.3)]),
            ("two halves of one style are", [self.picture(2, weight=0.5)] * 2),
            ("a style beside one of weight 0 is", [self.picture(2), nothing]),
        ):
            blend = self.look(self.ready(styles), self.picture(3))
            yield _close(whole, blend), f"blends: {what} not that style"

    def weights(self) -> Promise:
        term, picture = self.ready(), self.picture(3)
        before = self.look(term, picture)[0]
        for weight in (0.0, 1000.0):
            term.weight = weight
            same = torch.equal(self.look(term, picture)[0], before)
            yield same, "multiplies by its weight, which is the caller's part"
        if self.layers:
            term.layer_weights = [2 * weight for weight in term.layer_weights]
            twice = self.look(term, picture)[0]
            yield torch.isclose(twice, 2 * before), "does not weigh by layer_weights"
            term.layer_weights = [0.0 for _ in term.layer_weights]
            off = self.look(term, picture)
            yield not any(t.any() for t in off), "counts layers that weigh 0"

    def leaves_its_input_alone(self) -> Promise:
        term, picture = self.ready(), self.picture(3)
        before = [tensor.clone() for tensor in self.tensors(picture)]
        with torch.no_grad():
            term(picture.image, term.take(picture.features))
        same = all(map(torch.equal, self.tensors(picture), before))
        yield same, "writes into the picture or its features"

    def half_precision(self) -> Promise:
        term = self.ready()
        image, *features = self.tensors(self.picture(3))
        rounded = [value.bfloat16() for value in features]
        loss, *grads = self.look(term, self.of_tensors(image, *(v.double() for v in rounded)))
        half, *half_grads = self.look(term, self.of_tensors(image, *rounded))
        yield half.dtype == torch.float64, "rounds its loss to the features' precision"
        limit = self.half_error if term.takes_half else 1e-3
        good = (half - loss).abs() <= limit * loss.abs()
        yield good, f"is wrong by more than {limit:g} with features in half precision"
        limit = max(limit, 1e-2)
        wrong = f"has a gradient wrong by more than {limit:g} with features in half precision"
        for exact, grad in zip(grads, half_grads, strict=True):
            yield (grad.double() - exact).norm() <= limit * exact.norm(), wrong

    def regions(self) -> Promise:
        if not self.make().guided:
            return
        pictures = self.picture(1), self.picture(2)
        content, style = (replace(p, mask=torch.ones_like(p.image[:, :1])) for p in pictures)
        whole = self.look(self.ready(), self.picture(3))
        masked = self.look(self.ready([style], content), self.picture(3))
        yield _close(whole, masked), "sees something else in one region that is everywhere"


def _close(first: Sequence[Tensor], second: Sequence[Tensor]) -> bool:
    """Say whether two looks see the same but for rounding."""
    same = bool(torch.isclose(first[0], second[0], rtol=1e-8, atol=1e-12))
    pairs = zip(first[1:], second[1:], strict=True)
    return same and all(torch.allclose(a, b, rtol=1e-6, atol=1e-10) for a, b in pairs)


def _has_tensor(value: object) -> bool:
    if isinstance(value, dict):
        return any(map(_has_tensor, value.values()))
    if isinstance(value, list | tuple | set):
        return any(map(_has_tensor, value))
    return isinstance(value, Tensor)
