"""L-BFGS for a picture whose values stay within bounds."""

import copy
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from torch import Tensor
from torch.optim import Optimizer

from nst_lightning.checks import number, whole_number
from nst_lightning.errors import InputError
from nst_lightning.optim.preconditioner import FixedFourier, Preconditioner, SecantFourier
from nst_lightning.optim.secant_memory import SecantMemory

PRECONDITIONERS: dict[str, type[Preconditioner]] = {
    "secant_fourier": SecantFourier,
    "fixed_fourier": FixedFourier,
}
_STATE_FORMAT = 1
_LEAST_CURVATURE = 1e-10
_REACH_GROWTH = 4.0


@dataclass
class _Point:
    """A picture with its loss and gradient."""

    pixels: Tensor  # flat
    loss: float
    gradient: Tensor  # flat


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
    change of the objective from outside must be told with :meth:`objective_changed` or, if it is
    another one altogether, :meth:`reset`. A picture written to in place is noticed and evaluated
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
    ) -> None:
        settings = {
            "history": whole_number("history", history, least=1),
            "lower": None if lower is None else number("lower", lower),
            "upper": None if upper is None else number("upper", upper),
            "first_step": number("first_step", first_step, above=0),
            "armijo": number("armijo", armijo, least=0, below=0.5),
            "max_evaluations": whole_number("max_evaluations", max_evaluations, least=1),
        }
        if lower is not None and upper is not None and not lower < upper:
            raise InputError(f"lower must be below upper, not {lower!r} and {upper!r}")
        super().__init__(params, settings)
        if len(self.param_groups) != 1 or len(self.param_groups[0]["params"]) != 1:
            raise ValueError("BoundedLBFGS takes exactly one tensor, the picture")
        self._image: Tensor = self.param_groups[0]["params"][0]
        if self._image.dtype not in (torch.float32, torch.float64) or not self._image.numel():
            raise ValueError(
                "BoundedLBFGS takes a float32 or float64 tensor with at least one value,"
                f" not {self._image.dtype} of shape {tuple(self._image.shape)}"
            )
        self._history = cast(int, settings["history"])
        self._lower, self._upper = settings["lower"], settings["upper"]
        self._first_step = cast(float, settings["first_step"])
        self._armijo = cast(float, settings["armijo"])
        self._max_evaluations = cast(int, settings["max_evaluations"])
        self._preconditioner = _preconditioner(preconditioner)
        self._bound = False  # whether memory and preconditioner know the picture
        self._memory: SecantMemory
        self._point: _Point | None = None
        self._version: int | None = None
        self._search_failed = False
        self._converged = False
        self._reach = 1.0  # of a trial without memory, in units of first_step
        self._age = 0  # accepted steps since the memory was last empty
        self._iterations = 0
        self._evaluations = 0
        self.refine: Callable[[], bool] | None = None
        """Called when a line search fails: makes the closure's arithmetic more exact, if it can.

        True says that it did; loss and gradient are then evaluated anew and the search is repeated
        with the pairs that there are, since it was not they that failed.
        """

    @property
    def converged(self) -> bool:
        """Whether no step from the present picture lowers the loss, not even along the gradient."""
        return self._converged

    @property
    def iterations(self) -> int:
        """Accepted steps so far."""
        return self._iterations

    @property
    def evaluations(self) -> int:
        """Calls of the closure so far."""
        return self._evaluations

    def objective_changed(self) -> None:
        """Forget the picture's loss and gradient, but keep the pairs and the preconditioner.

        To be called when the objective became a similar one, as when a weight moved: curvature
        moves little, and the line search guards against what has become false.
        """
        self._point = None
        self._search_failed = self._converged = False

    def reset(self) -> None:
        """Forget the run: pairs, preconditioner, and the picture's loss and gradient.

        To be called when the picture or the objective was changed from outside.
        """
        if self._bound:
            self._forget_curvature()
        self.objective_changed()

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Tensor:  # type: ignore[override]
        """Do one iteration.

        Args:
            closure: Clears the gradient, computes the loss of the picture, calls ``backward`` and
                returns the loss.

        Returns:
            The loss of the picture as it is now, a detached scalar.

        Raises:
            ValueError: Without a closure.
        """
        if closure is None:
            raise ValueError("BoundedLBFGS.step needs a closure that returns the loss")
        closure = torch.enable_grad()(closure)
        self._bind()
        if self._point is not None and self._version is None:  # just loaded
            self._point.pixels, self._version = self._pixels(), self._image._version
        if (
            self._point is not None and self._version != self._image._version
        ):  # written to from outside
            self._point = None
        if self._point is None or self._converged:
            known = self._point
            self._point = self._evaluate_start(closure)
            if self._point is None or (known is not None and known.loss == self._point.loss):
                return self._current_loss
            # The first call, or the objective or picture is another one than where the search
            # ended.
            self._converged = self._search_failed = False
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
            self._accept(start, accepted)
        return self._current_loss

    def state_dict(self) -> dict[str, Any]:
        """Return everything that a run needs to go on bit by bit, as plain tensors and numbers.

        As with other optimisers the tensors are not copies: copy the dict before the next step if
        it is to outlive that.
        """
        state: dict[str, Any] = {
            "format": _STATE_FORMAT,
            "iterations": self._iterations,
            "age": self._age,
            "reach": self._reach,
            "evaluations": self._evaluations,
            "search_failed": self._search_failed,
            "converged": self._converged,
        }
        if self._bound:
            state["shape"] = list(self._image.shape)
            state["memory"] = self._memory.state_dict()
        if self._bound and self._preconditioner is not None:
            state["preconditioner"] = {
                "kind": type(self._preconditioner).__name__,
                "state": self._preconditioner.state_dict(),
            }
        if self._point is not None:
            state["loss"] = self._point.loss
            state["gradient"] = self._point.gradient
        group = {key: value for key, value in self.param_groups[0].items() if key != "params"}
        return {"state": {0: state}, "param_groups": [{**group, "params": [0]}]}

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
            raise InputError(
                "the checkpoint's optimiser state is not of BoundedLBFGS; resume with the optimiser"
                " that wrote it"
            )
        if "memory" in state and list(state["shape"]) != list(self._image.shape):
            raise InputError(
                f"the checkpoint's optimiser state is of a picture of shape {list(state['shape'])},"
                f" this one is {list(self._image.shape)}; resume with the checkpoint's size"
            )
        self.reset()
        self._age = int(state["age"])
        self._reach = float(state["reach"])
        self._iterations, self._evaluations = int(state["iterations"]), int(state["evaluations"])
        self._search_failed = bool(state["search_failed"])
        self._converged = bool(state["converged"])
        self._version = None
        if "memory" not in state:
            return
        self._bind()
        self._memory.load_state_dict(state["memory"])
        if "loss" in state:
            gradient = state["gradient"].to(self._image, copy=True)
            self._point = _Point(self._pixels(), float(state["loss"]), gradient)
        saved = state.get("preconditioner", {"kind": "NoneType"})
        if self._preconditioner and saved["kind"] == type(self._preconditioner).__name__:
            self._preconditioner.load_state_dict(saved["state"])

    def __getstate__(self) -> dict[str, Any]:
        """Keep all of the optimiser in copies and pickles, not only torch's part of it."""
        return self.__dict__.copy()

    def _bind(self) -> None:
        """Allocate what depends on the picture's shape and device, and put it within the bounds."""
        if self._bound:
            return
        flat = self._image.detach().reshape(-1)
        self._memory = SecantMemory(flat, self._history)
        if self._preconditioner is not None:
            self._preconditioner.bind(self._image.detach())
        self._bound = True

    def _forget_curvature(self) -> None:
        self._memory.clear()
        self._age = 0
        self._reach = 1.0
        if self._preconditioner is not None:
            self._preconditioner.reset()

    def _precondition(self, vector: Tensor) -> Tensor:
        return vector if self._preconditioner is None else self._preconditioner.apply(vector)

    def _clip(self, pixels: Tensor) -> Tensor:
        if self._lower is None and self._upper is None:
            return pixels
        return pixels.clamp_(self._lower, self._upper)

    def _pixels(self) -> Tensor:
        return self._image.detach().reshape(-1).clone()

    def _write(self, pixels: Tensor) -> None:
        self._image.copy_(pixels.view(self._image.shape))
        self._version = self._image._version

    def _evaluate(self, closure: Callable[[], Any]) -> tuple[Tensor, Tensor]:
        """Return loss and flat gradient at the present picture, both safe from the next call."""
        loss = torch.as_tensor(closure(), device=self._image.device).detach().clone()
        self._evaluations += 1
        gradient = self._image.grad
        if gradient is None:
            raise ValueError("the closure left no gradient on the picture; it must call backward()")
        return loss, gradient.detach().reshape(-1).clone()

    def _evaluate_start(self, closure: Callable[[], Any]) -> _Point | None:
        """Evaluate the present picture, projected; None if its loss or gradient is not finite."""
        pixels = self._clip(self._pixels())
        self._write(pixels)
        loss, gradient = self._evaluate(closure)
        self._current_loss = loss
        value, power = torch.stack([loss.double(), gradient.dot(gradient).double()]).tolist()
        if not math.isfinite(value) or not math.isfinite(power):
            return None
        return _Point(pixels, value, gradient)

    def _direction(self, point: _Point) -> Tensor:
        """Return the search direction, scaled so that 1 is the first step length to try."""
        free = self._free(point)
        masked = point.gradient if free is None else point.gradient * free
        direction = -self._memory.multiply(masked, self._precondition)
        if free is not None:
            direction *= free
        if not len(self._memory):
            largest = direction.abs().max().clamp_min(torch.finfo(direction.dtype).tiny)
            direction *= self._reach * self._first_step / largest
        return direction

    def _free(self, point: _Point) -> Tensor | None:
        """Return the mask of the free set, or None without bounds."""
        held = None
        if self._lower is not None:
            held = (point.pixels <= self._lower) & (point.gradient > 0)
        if self._upper is not None:
            above = (point.pixels >= self._upper) & (point.gradient < 0)
            held = above if held is None else held | above
        return None if held is None else held.logical_not_()

    def _search(self, start: _Point, closure: Callable[[], Any]) -> "_Accepted | None":
        """Look along the projected path for a point that satisfies Armijo's condition."""
        direction = self._direction(start)
        length = 1.0
        for _ in range(self._max_evaluations):
            pixels = self._clip(start.pixels + length * direction)
            self._write(pixels)
            loss, gradient = self._evaluate(closure)
            step, change = pixels - start.pixels, gradient - start.gradient
            # The only wait for the device in an iteration.
            value, slope, curvature, step_power, change_power = torch.stack(
                [
                    loss.double(),
                    start.gradient.dot(step).double(),
                    step.dot(change).double(),
                    step.dot(step).double(),
                    change.dot(change).double(),
                ]
            ).tolist()
            if step_power == 0:
                return None
            finite = math.isfinite(value) and math.isfinite(change_power)
            if finite and value <= start.loss + self._armijo * min(slope, 0.0):
                self._current_loss = loss
                useful = curvature > _LEAST_CURVATURE * math.sqrt(step_power * change_power)
                return _Accepted(_Point(pixels, value, gradient), step, change, useful)
            excess = value - start.loss - slope
            best = -slope / (2 * excess) if finite and slope < 0 and excess > 0 else 0.1
            length *= min(max(best, 0.1), 0.5)
        return None

    def _accept(self, start: _Point, accepted: "_Accepted") -> None:
        if accepted.useful:
            self._memory.push(accepted.step, accepted.change)
        elif not len(self._memory):
            # The loss falls faster and faster along the step: go further.
            self._reach *= _REACH_GROWTH
        self._iterations += 1
        self._age += 1
        if self._preconditioner is not None:
            self._preconditioner.update(self._age, self._memory.newest)
        self._point = accepted.point
        self._search_failed = False

    def _give_up(self, start: _Point, closure: Callable[[], Any]) -> None:
        """Go back to the start; forget the memory, or stop if there was none to blame."""
        self._write(start.pixels)
        # Leaves the picture's own gradient, and what the closure records, as the last word.
        self._current_loss, _ = self._evaluate(closure)
        self._converged = self._search_failed or not len(self._memory)
        self._search_failed = True
        self._forget_curvature()


@dataclass
class _Accepted:
    point: _Point
    step: Tensor
    change: Tensor
    useful: bool  # enough curvature for the memory


def _preconditioner(choice: Preconditioner | str | None) -> Preconditioner | None:
    if isinstance(choice, str):
        if choice not in PRECONDITIONERS:
            raise InputError(
                f"unknown preconditioner {choice!r}; choose"
                f" one of {', '.join(PRECONDITIONERS)}, or null"
            )
        return PRECONDITIONERS[choice]()
    if choice is not None and not isinstance(choice, Preconditioner):
        raise InputError(f"preconditioner must be a Preconditioner, a name or None, not {choice!r}")
    # One that served another run would bring that run's picture along.
    return copy.deepcopy(choice)
