"""The LightningModule whose only parameter is the picture."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.optim import LBFGS, Optimizer

from nst_lightning.best import BestPicture
from nst_lightning.data.colour_match import grey, with_luminance
from nst_lightning.data.resizing import carry_up, resize_to
from nst_lightning.encoder import VGG19Encoder
from nst_lightning.errors import InputError
from nst_lightning.losses.term import LossTerm, Reference
from nst_lightning.optim.bounded_lbfgs import BoundedLBFGS

EncoderCallable = Callable[[Sequence[str]], VGG19Encoder]
OptimizerCallable = Callable[[Iterable], Optimizer]

CHECKPOINT_KEY = "nst_lightning"


class NeuralStyleTransfer(LightningModule):
    """Optimises a picture so that its features match a content and a style.

    The objective is the sum of named terms, each multiplied by its weight; the generated image is
    the sole parameter (Gatys, Ecker & Bethge, "Image Style Transfer Using Convolutional Neural
    Networks", CVPR 2016). One trainer step is one iteration of the optimiser.

    The trainer's datamodule supplies the pictures: see
    :class:`nst_lightning.data.image_pair.ImagePair`.

    Args:
        content: Term that holds the content, or null to leave it out.
        style: Term that holds the style, or null to leave it out.
        tv: Term that smooths the picture, or null to leave it out.
        extra: Further terms by name; each is a class of yours derived from ``LossTerm``.
        encoder: Builds the feature extractor from the layers that the terms ask for;
            ``VGG19Encoder`` if null.
        optimizer: Builds the optimiser from the picture; ``BoundedLBFGS`` if null.
        clamp: Where the picture is clamped to [0, 1]: after each ``step``, inside the ``closure``
            as the PyTorch tutorial does, or ``none`` (for an optimiser that keeps bounds itself).
        average: Decay of an exponential average of the pictures, which is then shown in place of
            the last one (crowsonkb uses 0.99 with Adam); null for none.
        compile: Mode of ``torch.compile`` for the loss and its gradient, null for none. Compiling
            takes half a minute and needs a C++ compiler; on a CPU it gains next to nothing.
            ``reduce-overhead`` uses CUDA graphs.

    Raises:
        InputError: If there is no term, or a term asks for a layer that does not exist.
    """

    image: nn.Parameter

    def __init__(
        self,
        content: LossTerm | None = None,
        style: LossTerm | None = None,
        tv: LossTerm | None = None,
        extra: dict[str, LossTerm] | None = None,
        encoder: EncoderCallable | None = None,
        optimizer: OptimizerCallable | None = None,
        clamp: Literal["none", "step", "closure"] = "none",
        average: float | None = None,
        compile: Literal["default", "reduce-overhead", "max-autotune"] | None = None,
    ) -> None:
        super().__init__()
        named = {"content": content, "style": style, "tv": tv}
        for name in extra or {}:
            if name in named or not name.isidentifier():
                raise InputError(
                    f"model.extra: {name!r} cannot name a term; use a plain word other than "
                    "content, style, tv"
                )
        terms = {name: term for name, term in (named | (extra or {})).items() if term is not None}
        if not terms:
            raise InputError(
                "model: no loss term is left; give at least one of content, style, tv, extra"
            )
        if average is not None and not 0 <= average < 1:
            raise InputError(f"model.average: {average} is not in [0, 1)")
        self.terms = nn.ModuleDict(terms)
        taps = list(dict.fromkeys(tap for term in terms.values() for tap in term.layers))
        self.encoder = (encoder or VGG19Encoder)(taps)
        self.optimizer_factory = optimizer or BoundedLBFGS
        self.clamp = clamp
        self.average_decay = average
        self.average: Tensor | None = None
        self.average_steps = 0
        self.compile_mode = compile
        self._compiled: Callable[[Tensor], dict[str, Tensor]] | None = None
        self._resumed_optimizer: str | None = None
        self.best = BestPicture()
        self.unavailable_measures: dict[str, str] = {}
        self.coloured_like: Tensor | None = None
        """The content, where only the luminance is painted and the colours are its own."""
        # What a checkpoint and a picture's metadata say of the run; the command line fills them in.
        self.settings: dict[str, Any] = {}
        self.public_settings: dict[str, Any] = {}
        self.register_parameter("image", None)

    # -- the picture ------------------------------------------------------------------------------

    def setup(self, stage: str) -> None:
        """Create the picture, for a fit only; a test takes it from the checkpoint."""
        pair = self._pair()
        height, width = pair.content.shape[-2:]
        for name, picture in [("content", pair.content), *(("style", s) for s in pair.styles)]:
            self._check_size(name, picture)
        self._look_at_colours()
        if pair.regions is not None and not any(t.guided for t in self.terms.values()):
            raise InputError(
                "data.content_mask: no term looks at regions; add --model.style GuidedGramLoss"
            )
        if stage == "fit" and self.image is None:
            self.image = nn.Parameter(pair.initial().clone())
        if self.image is not None and self.image.shape[-2:] != (height, width):
            raise InputError(
                f"the picture is {self.image.shape[-1]}x{self.image.shape[-2]} but the content is "
                f"{width}x{height}; use a new NeuralStyleTransfer for another size"
            )

    def _pair(self) -> Any:
        pair = getattr(self.trainer, "datamodule", None)
        if pair is None or not hasattr(pair, "styles"):
            raise InputError("no pictures: give the trainer an ImagePair as datamodule")
        return pair

    def _check_size(self, name: str, picture: Tensor) -> None:
        smallest = getattr(self.encoder, "minimum_size", 1)
        height, width = picture.shape[-2:]
        if min(height, width) < smallest:
            raise InputError(
                f"data.{name}: {width}x{height} px is too small for the chosen layers, which need "
                f"{smallest} px a side; use a larger data.size or a picture that is less narrow"
            )

    @torch.no_grad()
    def picture(self) -> Tensor:
        """Return the picture as it would be shown: shape ``(1, 3, H, W)``, values in [0, 1]."""
        return self.shown(
            self.image if self.average is None else self.average / self._average_mass()
        )

    @torch.no_grad()
    def shown(self, image: Tensor) -> Tensor:
        """Return a picture of the optimiser's as people see it: within [0, 1], its colours kept.

        Args:
            image: Shape ``(1, 3, H, W)``.
        """
        picture = image.detach().clamp(0, 1)
        if self.coloured_like is None:
            return picture
        return with_luminance(self.coloured_like.to(picture), picture)

    def seen(self, picture: Tensor) -> Tensor:
        """Return what the encoder and the terms see of a picture: all of it, or its luminance."""
        return picture if self.coloured_like is None else grey(picture)

    def _average_mass(self) -> float:
        # The average starts from zero; dividing by the weights' sum undoes that (as in Adam).
        return 1 - float(self.average_decay or 0) ** self.average_steps

    @torch.no_grad()
    def replace_picture(self, picture: Tensor) -> None:
        """Put another picture in place and make the optimiser forget what it knew of the old one.

        Args:
            picture: Shape ``(1, 3, H, W)``, values in [0, 1].
        """
        self.image.copy_(picture)
        self.image.grad = None
        self.forget()

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Go on at the next scale if its turn has come."""
        pair = self._pair()
        if pair.scale_at(self.trainer.global_step) != pair.scale:
            self._climb(pair.scale_at(self.trainer.global_step))

    @torch.no_grad()
    def _climb(self, scale: int) -> None:
        """Carry the picture up to a larger scale, with a new optimiser and new targets."""
        pair = self._pair()
        picture, before = self.picture(), pair.content.to(self.device)
        pair.use_scale(scale)
        content = pair.content.to(self.device)
        if pair.init == "content":
            picture = carry_up(picture, before, content)
        else:
            picture = resize_to(picture, (content.shape[-2], content.shape[-1]))
        self.image = nn.Parameter(picture.clone())
        self.average, self.average_steps = None, 0
        self.best.clear()
        if hasattr(self.encoder, "refined"):
            self.encoder.refined = False  # another scale, another descent
        self._look_at_colours()
        self.set_targets()
        self.trainer.optimizers = [self.configure_optimizers()]

    def _look_at_colours(self) -> None:
        pair = self._pair()
        self.coloured_like = pair.content if pair.colour == "luminance" else None

    def forget(self) -> None:
        """Clear the optimiser's memory, whose gradients are another picture's or objective's."""
        for optimizer in self.trainer.optimizers:
            if isinstance(optimizer, BoundedLBFGS):
                optimizer.reset()
            else:
                optimizer.state.clear()
        if self.average is not None:
            self.average, self.average_steps = None, 0

    def objective_changed(self) -> None:
        """Say that from here on the same picture has another loss, as when a weight changes.

        The best picture is cleared, since losses are no longer comparable. ``BoundedLBFGS`` forgets
        loss and gradient of the picture but keeps its curvature pairs: a weight moves the curvature
        little, the preconditioner is worth many steps, and the line search guards against what has
        become false. torch's L-BFGS, without one, forgets everything; other optimisers keep their
        running means, which follow by themselves.
        """
        self.best.clear()
        for optimizer in self.trainer.optimizers:
            if isinstance(optimizer, BoundedLBFGS):
                optimizer.objective_changed()
            elif isinstance(optimizer, LBFGS):
                optimizer.state.clear()

    # -- the objective ----------------------------------------------------------------------------

    def on_fit_start(self) -> None:
        """Compute the targets on the device where the picture is.

        Raises:
            InputError: If the run goes on from a checkpoint of another optimiser.
        """
        now, then = type(self.trainer.optimizers[0]).__name__, self._resumed_optimizer
        if then not in (None, now):
            raise InputError(
                f"model.optimizer: the checkpoint was made with {then}, whose state {now} cannot "
                "use; keep it, or start anew with the picture as data.init and without --ckpt_path"
            )
        pair = self._pair()
        coarse = sum(scale.steps for scale in pair.scales)
        if coarse and coarse >= self.trainer.estimated_stepping_batches:
            raise InputError(
                f"data.scales: they take {coarse} steps, but the run has only "
                f"{self.trainer.estimated_stepping_batches}; leave some for the final size"
            )
        self.set_targets()

    def on_test_start(self) -> None:
        """Compute the targets, so that the losses of a finished picture can be told."""
        self.set_targets()

    @torch.no_grad()
    def set_targets(self) -> None:
        """Encode content and styles once and hand them to every term."""
        pair = self._pair()
        content = self.reference(self.seen(pair.content.to(self.device)))
        styles = [
            self.reference(style.to(self.device), weight)
            for style, weight in zip(pair.style_targets, pair.blend, strict=True)
        ]
        whole = guided = content, styles
        if pair.regions is not None:
            masks = [mask.to(self.device) for mask in pair.regions.styles]
            guided = (
                replace(content, mask=pair.regions.content.to(self.device)),
                [replace(s, mask=mask) for s, mask in zip(styles, masks, strict=True)],
            )
        for term in self.terms.values():
            term.set_targets(*(guided if term.guided else whole))  # type: ignore[operator]

    def reference(self, picture: Tensor, weight: float = 1.0) -> Reference:
        """Encode one picture as a target.

        Args:
            picture: Shape ``(1, 3, H, W)``, values in [0, 1].
            weight: Share of this picture where several are blended.
        """
        return Reference(image=picture, features=self.encoder(picture), weight=weight)

    def losses(self, picture: Tensor) -> dict[str, Tensor]:
        """Return every term's weighted loss, and their sum as ``loss``.

        Args:
            picture: Shape ``(1, 3, H, W)``, values in [0, 1].
        """
        picture = self.seen(picture)
        features = self.encoder(picture)
        parts = {
            f"{name}_loss": term.weight * term(picture, _for_term(term, features))
            for name, term in self.terms.items()
        }
        return parts | {"loss": torch.stack(list(parts.values())).sum()}

    # -- the step ---------------------------------------------------------------------------------

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Return the loss of the picture; the optimiser calls this as often as it evaluates."""
        if self.clamp == "closure":
            with torch.no_grad():
                self.image.clamp_(0, 1)
        losses = self._objective()(self.image)
        self.best.update(losses["loss"], self.image)
        self.log_dict({name: loss.detach() for name, loss in losses.items()}, batch_size=1)
        return losses["loss"]

    def _objective(self) -> Callable[[Tensor], dict[str, Tensor]]:
        if self.compile_mode is None:
            return self.losses
        if self._compiled is None:
            self._compiled = _compiled(self.losses, self.compile_mode)
        return self._compiled

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Step, then clamp and average: before any callback looks at the picture."""
        super().optimizer_step(*args, **kwargs)
        with torch.no_grad():
            if self.clamp == "step":
                self.image.clamp_(0, 1)
            if self.average_decay is not None:
                if self.average is None:
                    self.average = torch.zeros_like(self.image)
                self.average.lerp_(self.image.detach(), 1 - self.average_decay)
                self.average_steps += 1

    def configure_optimizers(self) -> Optimizer:
        """Build the optimiser on the picture alone.

        Raises:
            InputError: If the trainer would change the gradients under an L-BFGS.
        """
        optimizer = self.optimizer_factory([self.image])
        if isinstance(optimizer, BoundedLBFGS):
            optimizer.refine = self._refine
        if isinstance(optimizer, LBFGS | BoundedLBFGS):
            if self.trainer.gradient_clip_val:
                raise InputError(
                    "trainer.gradient_clip_val: clipped gradients make L-BFGS's curvature pairs "
                    "false; leave it out, or use Adam"
                )
            if self.trainer.accumulate_grad_batches != 1:
                raise InputError(
                    "trainer.accumulate_grad_batches: L-BFGS needs one whole gradient a step; "
                    "leave it at 1"
                )
        return optimizer

    def _refine(self) -> bool:
        """Have the encoder compute in float32 from here on; losses before are another objective's.

        Returns:
            Whether it did not already.
        """
        refined = bool(getattr(self.encoder, "refine", lambda: False)())
        if refined:
            self.best.clear()
        return refined

    # -- evaluation -------------------------------------------------------------------------------

    def test_step(self, batch: Any, batch_idx: int) -> None:
        """Log the measures of the picture, and of the untouched content as a control."""
        from nst_lightning.metrics.evaluate import STYLE_LAYERS, PictureMetrics

        pair = self._pair()
        content, styles = pair.content.to(self.device), [s.to(self.device) for s in pair.styles]
        encoder = VGG19Encoder(STYLE_LAYERS).to(self.device)
        measure = PictureMetrics(content, styles, encoder, pair.blend)
        self.unavailable_measures = measure.unavailable
        for prefix, picture in (("picture/", self.picture()), ("content/", content)):
            measures = {prefix + name: value for name, value in measure(picture).items()}
            self.log_dict(measures, batch_size=1)

    # -- checkpoints ------------------------------------------------------------------------------

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what a bit-for-bit resume needs beside the picture and the optimiser's state."""
        checkpoint[CHECKPOINT_KEY] = {
            "best": self.best.state_dict(),
            "average": self.average,
            "average_steps": self.average_steps,
            "scale": self._pair().scale,
            "refined": getattr(self.encoder, "refined", False),
            "settings": self.settings,
            "optimizer": next((type(o).__name__ for o in self.trainer.optimizers), None),
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Make room for the checkpoint's picture and take over the rest.

        Raises:
            InputError: If the checkpoint is not of this framework or of another picture size.
        """
        state: Mapping[str, Any] | None = checkpoint.get(CHECKPOINT_KEY)
        image = checkpoint.get("state_dict", {}).get("image")
        if state is None or image is None:
            raise InputError(
                "ckpt_path: the checkpoint holds no picture of nst_lightning; give another"
            )
        pair, scale = self._pair(), state.get("scale", 0)
        if scale != pair.scale:
            pair.use_scale(scale)
            self._look_at_colours()
            self.image = nn.Parameter(pair.content.clone().to(self.device))
        if self.image is not None and self.image.shape != image.shape:
            raise InputError(
                f"ckpt_path: the checkpoint holds a {image.shape[-1]}x{image.shape[-2]} picture "
                f"but this run is {self.image.shape[-1]}x{self.image.shape[-2]}; use the "
                "checkpoint's content and size, or start without --ckpt_path"
            )
        if self.image is None:
            self.image = nn.Parameter(torch.empty_like(image, device=self.device))
        self.best.load_state_dict(state["best"], self.device)
        average = state["average"]
        self.average = None if average is None else average.to(self.device)
        self.average_steps = state["average_steps"]
        self._resumed_optimizer = state.get("optimizer")
        if hasattr(self.encoder, "refined"):
            self.encoder.refined = state.get("refined", False)


def _for_term(term: nn.Module, features: dict[str, Tensor]) -> dict[str, Tensor]:
    if getattr(term, "takes_half", False):
        return features
    return {
        name: value.float() if value.dtype in (torch.float16, torch.bfloat16) else value
        for name, value in features.items()
    }


def _compiled(losses: Callable[[Tensor], dict[str, Tensor]], mode: str) -> Callable[..., Any]:
    compiled = torch.compile(losses, mode=mode)

    def call(picture: Tensor) -> dict[str, Tensor]:
        try:
            # A CUDA graph writes its next results over these.
            return {name: loss.clone() for name, loss in compiled(picture).items()}
        except torch._dynamo.exc.BackendCompilerFailed as error:
            said = str(error.inner_exception).strip().splitlines()[0]
            raise InputError(f"model.compile: torch.compile failed ({said}); use null") from error

    return call
