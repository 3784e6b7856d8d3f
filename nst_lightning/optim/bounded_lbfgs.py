"""L-BFGS for a picture whose values stay within bounds."""

import math
from collections.abc import Callable, Iterable
from typing import Any, Literal

import torch
from torch import Tensor
from torch.optim import Optimizer

from nst_lightning.checks import choice, number, whole_number
from nst_lightning.errors import InputError
from nst_lightning.optim.line_search import Accepted, Bounds, Point, search
from nst_lightning.optim.preconditioner import Preconditioner
from nst_lightning.optim.secant_fourier import make_preconditioner
from nst_lightning.optim.secant_memory import SecantMemory

_STATE_FORMAT = 1


class BoundedLBFGS(Optimizer):
    """Monotone L-BFGS projected onto bounds; one accepted iteration a step.

    The free set is every value but those at a bound which the gradient pushes outwards. The
    direction is -P·H·P·g with P the mask of the free set and H the L-BFGS inverse Hessian, which
    descends because P·H·P is positive semi-definite; trial points x⁺ = clip(x + t·d) are accepted
    on Armijo's condition f⁺ ≤ f + armijo·g·(x⁺ - x), else t shrinks by quadratic interpolation
    within [0.1, 0.5]. A trial whose loss or gradient is not finite is a rejected one. Secant pairs
    come from the projected iterates, so the clipping never spoils the curvature that the memory
    sees.

    A step costs one call of the closure as a rule, two on the first: the accepted point's loss and
    gradient are the next step's start. So the closure's last call is at the accepted point, and a
    change of the objective from outside must be reported with :meth:`objective_changed` or, if it
    is another one altogether, :meth:`reset`. A loss that is random stalls it: what is drawn must be
    held between steps. A picture written to in place is noticed and evaluated
    afresh. After a failed line search :attr:`refine` is called; if that is no help the memory is
    cleared and the next step tries steepest descent; when that fails too, :attr:`converged` is true
    and a step only evaluates the picture where it is, until its loss changes.

    Memory: a history of m pairs costs 2·m pictures (94 MB for m = 20 at 512 × 384 in float32), the
    rest of the optimiser about 8. The state dict holds the same, and resuming from it is
    bit-identical.

    Args:
        params: Exactly one tensor, of float32 or float64 and any shape.
        history: Number of secant pairs kept.
        lower: Lower bound of every value; None for none.
        upper: Upper bound of every value; None for none.
        first_step: Largest change of a value in the first trial, in units of the picture. It is
            fourfold after every step that shows no positive curvature, until one does.
        armijo: Share of the predicted decrease that a step must reach, in [0, 0.5).
        max_evaluations: Calls of the closure at most in one line search.
        preconditioner: Initial inverse Hessian: a name, an instance (copied), or None for the
            identity.
        pairs: What they are kept in: the picture's own precision, or ``bfloat16``, half as large.

    Attributes:
        converged: Whether no step from the present picture lowers the loss, not even along the
            gradient.
        iterations: Accepted steps so far.
        evaluations: Calls of the closure so far.

    Raises:
        ValueError: If ``params`` is not exactly one float32 or float64 tensor.
        InputError: If a setting is out of range.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        history: int = 20,
        lower: float | None = 0.0,
        upper: float | None = 1.0,
        first_step: float = 0.05,
        armijo: float = 1e-4,
        max_evaluations: int = 10,
        preconditioner: Preconditioner
        | Literal["secant_fourier", "fixed_fourier"]
        | None = "secant_fourier",
        pairs: Literal["float32", "bfloat16"] = "float32",
    ) -> None:
        self._bounds = Bounds(lower, upper)
        settings = {
            "history": whole_number("history", history, least=1),
            "pairs": choice("pairs", pairs, ("float32", "bfloat16")),
            "lower": lower,
            "upper": upper,
            "first_step": number("first_step", first_step, above=0),
            "armijo": number("armijo", armijo, least=0, below=0.5),
            "max_evaluations": whole_number("max_evaluations", max_evaluations, least=1),
        }
        self._preconditioner = make_preconditioner(preconditioner)
        super().__init__(params, settings)
        if len(self.param_groups) != 1 or len(self.param_groups[0]["params"]) != 1:
            raise ValueError("BoundedLBFGS takes exactly one tensor, the picture")
        self._image: Tensor = self.param_groups[0]["params"][0]
        if self._image.dtype not in (torch.float32, torch.float64) or not self._image.numel():
            raise ValueError(
                "BoundedLBFGS takes a float32 or float64 tensor with at least one value,"
                f" not {self._image.dtype} of shape {tuple(self._image.shape)}"
            )
        self._bound = False  # whether memory and preconditioner know the picture
        self._memory: SecantMemory
        self._point: Point | None = None
        self._version: int | None = None
        self._search_failed = self.converged = False
        self._reach = 1.0  # of a trial without memory, in units of first_step
        self._age = 0  # accepted steps since the memory was last empty
        self.iterations = self.evaluations = 0
        self.refine: Callable[[], bool] | None = None
        """Called when a line search fails: makes the closure's arithmetic more exact, if it can.

        If it returns true the search is repeated from a new evaluation, with the pairs that there
        are, since it was not they that failed.
        """

    @property
    def pairs_kept(self) -> int:
        """The ``history``."""
        return int(self.defaults["history"])

    def keep_pairs(self, number: int, half: bool) -> None:
        """Keep so many secant pairs, in bfloat16 or not; before the first step."""
        settings = {"history": number, "pairs": "bfloat16" if half else "float32"}
        self.defaults |= settings
        self.param_groups[0] |= settings

    def objective_changed(self) -> None:
        """Forget the picture's loss and gradient, but keep the pairs and the preconditioner.

        For an objective that became a similar one, as when a weight moved: curvature moves little,
        and the line search guards against what has become false.
        """
        self._point = None
        self._search_failed = self.converged = False

    def reset(self) -> None:
        """Forget all, when the picture or the objective was changed from outside."""
        if self._bound:
            self._forget_curvature()
        self.objective_changed()

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Tensor:  # type: ignore[override]
        """Do one iteration; return the loss of the picture as it is now, a detached scalar.

        Raises:
            ValueError: Without a closure that clears the gradient, computes the loss of the
                picture, calls ``backward`` and returns the loss.
        """
        if closure is None:
            raise ValueError("BoundedLBFGS.step needs a closure that returns the loss")
        closure = torch.enable_grad()(closure)
        self._bind()
        if self._point is not None and self._version is None:  # just loaded
            self._point.pixels, self._version = self._pixels(), self._image._version
        if self._version != self._image._version:  # written to from outside
            self._point = None
        if self._point is None or self.converged:
            known = self._point
            self._point = self._evaluate_start(closure)
            if self._point is None or (known is not None and known.loss == self._point.loss):
                return self._current_loss
            # The first call, or not the objective or picture where the search ended.
            self.converged = self._search_failed = False
        start = self._point
        accepted = self._search(start, closure)
        if accepted is None and self.refine is not None and self.refine():
            self._write(start.pixels)
            refined = self._evaluate_start(closure)
            if refined is not None:
                start = self._point = refined
                accepted = self._search(start, closure)
        if accepted is None:
            self._give_up(start, closure)
        else:
            self._accept(accepted)
        return self._current_loss

    def state_dict(self) -> dict[str, Any]:
        """Return everything that a run needs to go on bit by bit, as plain tensors and numbers.

        As with other optimisers the tensors are no copies: they change with the next step.
        """
        state: dict[str, Any] = {
            "format": _STATE_FORMAT,
            "iterations": self.iterations,
            "age": self._age,
            "reach": self._reach,
            "evaluations": self.evaluations,
            "search_failed": self._search_failed,
            "converged": self.converged,
        }
        if self._bound:
            state |= {"shape": list(self._image.shape), "memory": self._memory.state_dict()}
        if self._bound and self._preconditioner is not None:
            kind, learnt = type(self._preconditioner).__name__, self._preconditioner.state_dict()
            state["preconditioner"] = {"kind": kind, "state": learnt}
        if self._point is not None:
            state |= {"loss": self._point.loss, "gradient": self._point.gradient}
        return {"state": {0: state}, "param_groups": [{**self.param_groups[0], "params": [0]}]}

    @torch.no_grad()
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Copy a state in; the picture itself must be put back by the caller.

        The settings stay those of this optimiser. A shorter or longer history, or another
        preconditioner, goes on with the pairs that there are.

        Raises:
            InputError: If the state is not of this optimiser or of a picture of another shape.
        """
        state = state_dict.get("state", {}).get(0, {})
        if state.get("format") != _STATE_FORMAT:
            raise InputError("the checkpoint is of another optimiser than BoundedLBFGS; take that")
        if "memory" in state and list(state["shape"]) != list(self._image.shape):
            raise InputError(
                f"the checkpoint's optimiser state is of a picture of shape {list(state['shape'])},"
                f" this one is {list(self._image.shape)}; resume with the checkpoint's size"
            )
        self.reset()
        self._age, self._reach = int(state["age"]), float(state["reach"])
        self.iterations, self.evaluations = int(state["iterations"]), int(state["evaluations"])
        self._search_failed, self.converged = state["search_failed"], state["converged"]
        self._version = None
        if "memory" not in state:
            return
        self._bind()
        self._memory.load_state_dict(state["memory"])
        if "loss" in state:
            gradient = state["gradient"].to(self._image, copy=True)
            self._point = Point(self._pixels(), float(state["loss"]), gradient)
        saved = state.get("preconditioner", {"kind": "NoneType"})
        if self._preconditioner and saved["kind"] == type(self._preconditioner).__name__:
            self._preconditioner.load_state_dict(saved["state"])

    def __getstate__(self) -> dict[str, Any]:
        """Keep all of the optimiser in copies and pickles, not only torch's part of it."""
        return self.__dict__.copy()

    def _bind(self) -> None:
        """Allocate what depends on the picture's shape and device."""
        if self._bound:
            return
        like, half = self._image.detach().reshape(-1), self.defaults["pairs"] == "bfloat16"
        self._memory = SecantMemory(like, self.defaults["history"], half)
        if self._preconditioner is not None:
            self._preconditioner.bind(self._image.detach())
        self._bound = True

    def _forget_curvature(self) -> None:
        self._memory.clear()
        self._age, self._reach = 0, 1.0
        if self._preconditioner is not None:
            self._preconditioner.reset()

    def _precondition(self, vector: Tensor) -> Tensor:
        return vector if self._preconditioner is None else self._preconditioner.apply(vector)

    def _pixels(self) -> Tensor:
        return self._image.detach().reshape(-1).clone()

    def _write(self, pixels: Tensor) -> None:
        self._image.copy_(pixels.view(self._image.shape))
        self._version = self._image._version

    def _evaluate(self, closure: Callable[[], Any]) -> tuple[Tensor, Tensor]:
        """Return loss and flat gradient at the present picture, both safe from the next call."""
        loss = torch.as_tensor(closure(), device=self._image.device).detach().clone()
        self.evaluations += 1
        gradient = self._image.grad
        if gradient is None:
            raise ValueError("the closure left no gradient on the picture; it must call backward()")
        return loss, gradient.detach().reshape(-1).clone()

    def _evaluate_start(self, closure: Callable[[], Any]) -> Point | None:
        """Evaluate the present picture, projected; None if its loss or gradient is not finite."""
        pixels = self._bounds.clip(self._pixels())
        self._write(pixels)
        loss, gradient = self._evaluate(closure)
        self._current_loss = loss
        value, power = torch.stack([loss.double(), gradient.dot(gradient).double()]).tolist()
        finite = math.isfinite(value) and math.isfinite(power)
        return Point(pixels, value, gradient) if finite else None

    def _direction(self, point: Point) -> Tensor:
        """Return the search direction, scaled so that 1 is the first step length to try."""
        free = self._bounds.free(point)
        direction = -self._memory.multiply(point.gradient * free, self._precondition) * free
        if not len(self._memory):
            largest = direction.abs().max().clamp_min(torch.finfo(direction.dtype).tiny)
            direction *= self._reach * self.defaults["first_step"] / largest
        return direction

    def _search(self, start: Point, closure: Callable[[], Any]) -> Accepted | None:
        def try_at(pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            pixels = self._bounds.clip(pixels)
            self._write(pixels)
            return pixels, *self._evaluate(closure)

        armijo, evaluations = self.defaults["armijo"], self.defaults["max_evaluations"]
        return search(start, self._direction(start), try_at, armijo, evaluations)

    def _accept(self, accepted: Accepted) -> None:
        if accepted.useful:
            self._memory.push(accepted.step, accepted.change)
        elif not len(self._memory):
            # The loss falls faster and faster along the step: go further.
            self._reach *= 4.0
        self.iterations += 1
        self._age += 1
        if self._preconditioner is not None:
            self._preconditioner.update(self._age, self._memory.newest)
        self._point, self._current_loss = accepted.point, accepted.loss
        self._search_failed = False

    def _give_up(self, start: Point, closure: Callable[[], Any]) -> None:
        """Go back to the start; forget the memory, or stop if there was none to blame."""
        self._write(start.pixels)
        # Leaves the picture's own gradient, and what the closure records, as the last word.
        self._current_loss, _ = self._evaluate(closure)
        self.converged = self._search_failed or not len(self._memory)
        self._search_failed = True
        self._forget_curvature()
