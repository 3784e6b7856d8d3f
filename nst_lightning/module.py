"""The LightningModule whose only parameter is the picture."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.optim import Optimizer

from nst_lightning import refusals
from nst_lightning.average import Average
from nst_lightning.best import BestPicture
from nst_lightning.budget import Budget
from nst_lightning.checks import number
from nst_lightning.data.image_pair import ImagePair, pictures_of
from nst_lightning.encoder import VGG19Encoder
from nst_lightning.fingerprint import Fingerprint, differences, of_objective
from nst_lightning.fit_memory import fit_memory
from nst_lightning.losses.term import LossTerm
from nst_lightning.objective import EncoderFactory, Objective, compiled, named_terms
from nst_lightning.optim import BoundedLBFGS
from nst_lightning.optim.protocols import AsksToRefine, forget_picture, objective_changed
from nst_lightning.say import say
from nst_lightning.view import View

OptimizerFactory = Callable[[Iterable[Tensor]], Optimizer]
Held = Mapping[str, Tensor | None]
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
        strength: How much of the painting: 0 is nearly the photograph, 1 the painting's own forms.
            It moves the terms' weights (`LossTerm.at_strength`); below 0.5 it lets the
            photograph's detail and colours in, where ``data`` keeps them out.
        compile: Mode of ``torch.compile`` for the loss and its gradient, null for none. Compiling
            takes half a minute and needs a C++ compiler; on a CPU it gains next to nothing. What is
            computed in tiles is not compiled.
        memory: How much the run may take: ``auto``, most of what the machine or the GPU has free,
            or such as ``8GB``. Where a picture needs more, it is computed in tiles, with the same
            losses and gradients. Null for as much as it takes.

    Attributes:
        objective: What is minimised.
        best: The picture with the lowest loss so far.
        settings: What a checkpoint says of the run; whoever opens the run fills it in.
        public_settings: The same for a picture's metadata.

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
        encoder: EncoderFactory | None = None,
        optimizer: OptimizerFactory | None = None,
        clamp: Literal["none", "step", "closure"] = "none",
        average: float | None = None,
        strength: float = 0.5,
        compile: Literal["default", "reduce-overhead", "max-autotune"] | None = None,
        memory: str | None = "auto",
    ) -> None:
        super().__init__()
        terms = named_terms({"content": content, "style": style, "tv": tv}, extra or {})
        self.strength = number("model.strength", strength, least=0, most=1)
        for term in terms.values():
            term.at_strength(self.strength)
        self.objective = Objective(terms, encoder or VGG19Encoder)
        self.optimizer_factory = optimizer or BoundedLBFGS
        self.clamp = clamp
        self.average = None if average is None else Average(average)
        self._compiled = None if compile is None else compiled(self.losses, compile)
        self._resumed: dict[str, Any] = {}  # what the checkpoint says beside the picture
        self._objective: Fingerprint = {}
        self.budget = Budget(memory)
        self.best = BestPicture()
        self.unavailable_measures: dict[str, str] = {}
        self._small = torch.empty(0)  # the painting of the scale before
        self.view = View()
        self.settings: dict[str, Any] = {}
        self.public_settings: dict[str, Any] = {}
        self.register_parameter("image", None)

    def setup(self, stage: str) -> None:
        """Create the picture, for a fit only; a test takes it from the checkpoint.

        A fit is a new run, whatever this model, its encoder or its pictures served before.
        """
        pair = pictures_of(self.trainer)
        if stage == "fit":
            pair.use_scale(0)
        refusals.check_pictures(pair, self.objective)
        self.view = View.of(pair, self.strength)
        if stage == "fit":
            refusals.check_trainer(self.trainer)
            self._forget()
            self._resumed = {}
            self.image = nn.Parameter(pair.initial().clone())
        elif self.image is not None:
            refusals.check_same_size(self.image, pair.content)

    @torch.no_grad()
    def picture(self) -> Tensor:
        """Return the picture as it would be shown: shape ``(1, 3, H, W)``, values in [0, 1]."""
        refusals.check_painted(self.image)
        return self.shown(self.painted)

    @property
    def painted(self) -> Tensor:
        """The picture before it is made ready to be shown: the optimiser's, or their average."""
        average = self.average.picture() if self.average is not None else None
        return self.image if average is None else average

    def shown(self, image: Tensor) -> Tensor:
        """Return the optimiser's ``(1, 3, H, W)`` as people see it: in [0, 1], its colours kept."""
        return self.view.of_people(image)

    def _forget(self) -> None:
        self.objective.refined = False  # another descent
        self.best.clear()
        if self.average is not None:
            self.average.clear()

    @torch.no_grad()
    def replace_picture(self, picture: Tensor) -> None:
        """Put another, ``(1, 3, H, W)`` in [0, 1], in place; the optimiser forgets the old."""
        self.image.copy_(picture)
        self.image.grad = None
        for optimizer in self.trainer.optimizers:
            forget_picture(optimizer)
        if self.average is not None:
            self.average.clear()

    def objective_changed(self) -> None:
        """Note that from here on the same picture has another loss, as when a weight changes.

        The best picture is cleared; what an optimiser keeps is for it to say.
        """
        self.best.clear()
        for optimizer in self.trainer.optimizers:
            objective_changed(optimizer)

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Go on at the next scale if its turn has come; let terms renew what they hold."""
        refusals.check_step(self.trainer, self.image)
        pair, step = pictures_of(self.trainer), self.trainer.global_step
        if pair.scale_at(step) != pair.scale:
            self._climb(pair, pair.scale_at(step))
        if self.objective.redraw(step, self.view.of_encoder(self.image.detach())):
            self.objective_changed()

    @torch.no_grad()
    def _climb(self, pair: ImagePair, scale: int) -> None:
        """Carry the picture up to a larger scale, with a new optimiser and new targets."""
        self._small = self.view.carried(self.painted)
        pair.use_scale(scale)
        enlarged = self._enlarged(pair)
        self.image = nn.Parameter(enlarged.clone())
        self._forget()
        self.view = View.of(pair, self.strength)
        self.trainer.optimizers = [self.configure_optimizers(first=False)]
        self.set_targets(enlarged=enlarged)

    def _enlarged(self, pair: ImagePair) -> Tensor:
        return pair.enlarged(self._small.to(self.device), min(1.0, max(0.0, 2 - 4 * self.strength)))

    def on_fit_start(self) -> None:
        """Compute the targets where the picture is; raises ``InputError`` for what cannot run."""
        refusals.check_goes_on(self.trainer)
        refusals.check_optimizer(self.trainer.optimizers[0], self._resumed.get("optimizer"))
        pair, decides = pictures_of(self.trainer), {"strength": self.strength}
        refusals.check_scales(pair, self.trainer.estimated_stepping_batches)
        self._objective = of_objective(self.objective, pair, self.trainer.precision) | decides
        if changes := differences(self._objective, self._resumed.get("objective")):
            say(f"note: the checkpoint's loss was another ({changes}): best picture forgotten")
            self._resumed["held"] = None
            self.objective.refined = False
            self.best.clear()
        self.set_targets(self._resumed.pop("held", None))
        if self._resumed.get("optimizer") is None:
            refusals.check_steady(self.trainer.optimizers[0], self.losses, self.image)

    def on_train_start(self) -> None:
        """Have the optimiser, whose state is there by now, forget another objective's loss."""
        if differences(self._objective, self._resumed.get("objective")):
            self.objective_changed()

    def on_test_start(self) -> None:
        """Compute the targets, so that the losses of a finished picture can be computed."""
        refusals.check_painted(self.image)
        self._fit_memory()
        self.set_targets(self._resumed.get("held") or self.objective.held())

    @torch.no_grad()
    def set_targets(self, held: Held | None = None, enlarged: Tensor | None = None) -> None:
        """Take every term's targets from the scale's pictures (and ``enlarged``, if at hand)."""
        pair = pictures_of(self.trainer)
        masks = None if pair.regions is None else pair.regions.on(self.device)
        content = pair.content.to(self.device)
        if pair.repaints:
            content = self._enlarged(pair) if enlarged is None else enlarged
        content = self.view.of_encoder(content)
        styles = [style.to(self.device) for style in pair.style_targets]
        self.objective.set_targets(content, styles, pair.blend, masks)
        self.objective.hold(held or {})

    def losses(self, picture: Tensor) -> dict[str, Tensor]:
        """Return weighted losses of a picture, ``(1, 3, H, W)`` in [0, 1], and their sum."""
        return self.objective.losses(self.view.of_encoder(picture))

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Return the loss of the picture; the optimiser calls this as often as it evaluates."""
        if self.clamp == "closure":
            with torch.no_grad():
                self.image.clamp_(0, 1)
        compiled = None if self.objective.tiles else self._compiled
        losses = (compiled or self.losses)(self.image)
        self.best.update(losses["loss"], self.image)
        self.log_dict({name: loss.detach() for name, loss in losses.items()}, batch_size=1)
        return losses["loss"]

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Step, then clamp and average: before any callback looks at the picture."""
        super().optimizer_step(*args, **kwargs)
        refusals.check_loss(self.best.loss)
        with torch.no_grad():
            if self.clamp == "step":
                self.image.clamp_(0, 1)
            if self.average is not None:
                self.average.add(self.image)

    def configure_optimizers(self, first: bool = True) -> Optimizer:
        """Build the optimiser on the picture; raises ``InputError`` if the trainer spoils it."""
        optimizer = self.optimizer_factory([self.image])
        if isinstance(optimizer, AsksToRefine):
            optimizer.refine = self._refine
        refusals.check_gradients(optimizer, self.trainer)
        self._fit_memory(optimizer, first=first)
        return optimizer

    def _fit_memory(self, keeper: Optimizer | None = None, **when: bool) -> None:
        pair, steps = pictures_of(self.trainer), self.trainer.estimated_stepping_batches
        fit_memory(self.budget, self.objective, pair, self.image, steps, keeper, **when)

    def _refine(self) -> bool:
        """Compute more exactly from here on; losses before are another objective's."""
        if not self.objective.refine():
            return False
        self.best.clear()
        self._fit_memory(self.trainer.optimizers[0], first=False, refined=True)
        return True

    def on_train_end(self) -> None:
        """Refuse to hand over a picture that is not finite, whatever callbacks there are."""
        refusals.check_finite(self.image)

    def test_step(self, batch: Any, batch_idx: int) -> None:
        """Log the measures of the picture, and of the untouched content as a control."""
        from nst_lightning.metrics.evaluate import with_control

        pair = pictures_of(self.trainer)
        measures, self.unavailable_measures = with_control(pair, self.picture())
        self.log_dict(measures, batch_size=1)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what a bit-for-bit resume needs beside the picture and the optimiser's state."""
        optimizers = self.trainer.optimizers if checkpoint.get("optimizer_states") else []
        checkpoint[CHECKPOINT_KEY] = {
            "best": self.best.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
            "scale": pictures_of(self.trainer).scale,
            "small": self._small if pictures_of(self.trainer).repaints else torch.empty(0),
            "refined": self.objective.refined,
            "memory": self.budget.state_dict(),
            "held": self.objective.held(),
            "settings": self.settings,
            "objective": self._objective,
            "optimizer": next((type(o).__name__ for o in optimizers), None),
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Make room for the checkpoint's picture and take over the rest.

        Raises:
            InputError: If the checkpoint is not of this framework or of another picture size.
        """
        image, state = refusals.picture_in(checkpoint, CHECKPOINT_KEY)
        pair = pictures_of(self.trainer) if self._trainer is not None else None
        if pair is not None:  # as it is when load_from_checkpoint opens it
            pair.use_scale(state["scale"])
            self.view = View.of(pair, self.strength)
            refusals.check_checkpoint_size(pair.content, image)
        self.image = nn.Parameter(torch.empty_like(image, device=self.device))
        self.best.load_state_dict(state["best"], self.device)
        if self.average is not None and state["average"] is not None:
            self.average.load_state_dict(state["average"], self.device)
        self._small = state["small"]
        self.objective.refined = state["refined"]
        # The same tiles as before, whatever is free now: they round in their own way.
        self.budget.load_state_dict(state["memory"])
        self._resumed = {key: state[key] for key in ("optimizer", "held", "objective")}
