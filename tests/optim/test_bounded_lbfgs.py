import copy
import io
import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from nst_lightning.errors import InputError
from nst_lightning.optim import BoundedLBFGS, FixedFourier, SecantFourier


def run(optimizer, image, loss, steps):
    """Return the losses that ``step`` returns."""

    def closure():
        optimizer.zero_grad()
        value = loss(image)
        value.backward()
        return value

    return [float(optimizer.step(closure)) for _ in range(steps)]


def reference(loss, x, steps, history, lower, upper, first_step, armijo, precondition=lambda v: v):
    """Projected L-BFGS in float64 with the two-loop recursion; every accepted iterate."""
    pairs: list[tuple[np.ndarray, np.ndarray]] = []
    x = np.clip(x, lower, upper)
    value, gradient = loss(x)
    path = []
    for _ in range(steps):
        free = ~(((x <= lower) & (gradient > 0)) | ((x >= upper) & (gradient < 0)))
        q = np.where(free, gradient, 0.0)
        alphas = []
        for s, y in reversed(pairs):
            alpha = s @ q / (s @ y)
            alphas.append(alpha)
            q = q - alpha * y
        r = precondition(q)
        if pairs:
            s, y = pairs[-1]
            r = r * (s @ y) / (y @ precondition(y))
        for (s, y), alpha in zip(pairs, reversed(alphas), strict=True):
            r = r + s * (alpha - y @ r / (s @ y))
        d = np.where(free, -r, 0.0)
        t = 1.0 if pairs else first_step / np.abs(d).max()
        while True:
            new = np.clip(x + t * d, lower, upper)
            new_value, new_gradient = loss(new)
            slope = gradient @ (new - x)
            if new_value <= value + armijo * min(slope, 0):
                break
            shrink = -slope / (2 * (new_value - value - slope)) if slope < 0 else 0.1
            t *= min(max(shrink, 0.1), 0.5)
        s, y = new - x, new_gradient - gradient
        if s @ y > 1e-10 * np.linalg.norm(s) * np.linalg.norm(y):
            pairs = [*pairs, (s, y)][-history:]
        x, value, gradient = new, new_value, new_gradient
        path.append(x)
    return path


def path_of(objective, dtype, steps, **settings):
    image = torch.tensor(objective.start, dtype=dtype, requires_grad=True)
    optimizer = BoundedLBFGS([image], **settings)
    path = []
    for _ in range(steps):
        run(optimizer, image, objective.torch_loss, 1)
        path.append(image.detach().double().numpy().copy())
    return path


@pytest.mark.parametrize("history", [1, 4, 7])
@pytest.mark.parametrize("bounds", [(0.0, 1.0), (-math.inf, math.inf), (0.25, math.inf)])
def test_same_trajectory_as_two_loop_recursion(bumpy, history, bounds):
    expected = reference(bumpy.numpy_loss, bumpy.start, 25, history, *bounds, 0.05, 1e-4)
    lower, upper = (None if math.isinf(b) else b for b in bounds)
    path = path_of(
        bumpy, torch.float64, 25, history=history, lower=lower, upper=upper, preconditioner=None
    )
    np.testing.assert_allclose(path, expected, rtol=0, atol=1e-7)


def test_float32_stays_with_the_float64_reference_to_rounding(bumpy):
    expected = reference(bumpy.numpy_loss, bumpy.start, 12, 5, 0.0, 1.0, 0.05, 1e-4)
    path = path_of(bumpy, torch.float32, 12, history=5, preconditioner=None)
    np.testing.assert_allclose(path, expected, rtol=0, atol=2e-4)


def test_preconditioned_trajectory_is_that_of_the_two_loop_recursion(bumpy):
    frequency = np.abs(np.fft.fftfreq(bumpy.start.size))
    response = (frequency**2 + 0.05**2) ** -0.4

    def precondition(v):
        return np.fft.ifft(np.fft.fft(v) * response).real

    # The response of the optimiser's is scaled otherwise; the scale must not matter.
    expected = reference(
        bumpy.numpy_loss, bumpy.start, 25, 6, 0.0, 1.0, 0.05, 1e-4, precondition=precondition
    )
    fourier = FixedFourier(exponent=0.8, cutoff=0.05)
    path = path_of(bumpy, torch.float64, 25, history=6, preconditioner=fourier)
    np.testing.assert_allclose(path, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("preconditioner", [None, "fixed_fourier", "secant_fourier"])
@pytest.mark.parametrize("seed", [0, 1])
def test_bounded_convex_quadratic_agrees_with_scipy(preconditioner, seed):
    from scipy.optimize import minimize

    rng = np.random.default_rng(seed)
    shape, size = (1, 3, 5, 4), 60
    factor = rng.normal(size=(size, size)) * np.logspace(0, 1, size)[:, None]
    matrix = factor.T @ factor / size + np.eye(size)
    linear = matrix @ rng.normal(0.5, 0.8, size)
    truth = minimize(
        lambda x: (x @ matrix @ x / 2 - linear @ x, matrix @ x - linear),
        np.full(size, 0.5),
        jac=True,
        method="L-BFGS-B",
        bounds=[(0, 1)] * size,
        options={"ftol": 0, "gtol": 1e-10, "maxiter": 10000, "maxfun": 100000},
    ).x
    assert ((truth == 0) | (truth == 1)).sum() > 10

    matrix_t, linear_t = torch.tensor(matrix), torch.tensor(linear)
    image = torch.full(shape, 0.5, dtype=torch.float64, requires_grad=True)
    optimizer = BoundedLBFGS([image], preconditioner=preconditioner)

    def loss(x: Tensor) -> Tensor:
        flat = x.reshape(-1)
        return flat @ matrix_t @ flat / 2 - linear_t @ flat

    losses = run(optimizer, image, loss, 600)
    found = image.detach().numpy().ravel()
    np.testing.assert_allclose(found, truth, atol=1e-5)
    assert ((found == 0) == (truth == 0)).all()
    assert ((found == 1) == (truth == 1)).all()
    assert all(b <= a for a, b in itertools.pairwise(losses))


def test_bounded_rosenbrock_ends_at_the_constrained_minimum():
    # With x ≤ 0.8 the minimum of the Rosenbrock function is at (0.8, 0.64).
    image = torch.tensor([-1.2, 0.7], dtype=torch.float64, requires_grad=True)
    optimizer = BoundedLBFGS([image], lower=-2.0, upper=0.8, preconditioner=None)
    losses = run(optimizer, image, lambda x: 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2, 100)
    assert image.tolist() == pytest.approx([0.8, 0.64], abs=1e-6)
    assert all(b <= a for a, b in itertools.pairwise(losses))


def test_never_rises_and_stays_within_the_bounds(blurry):
    image = torch.full((1, 3, 16, 19), 0.4, requires_grad=True)
    optimizer = BoundedLBFGS([image], lower=0.1, upper=0.9)
    losses = run(optimizer, image, lambda x: blurry(x) + 3 * torch.sin(20 * x).sum(), 80)
    assert all(b <= a for a, b in itertools.pairwise(losses))
    assert losses[-1] < losses[0]
    assert image.min() >= 0.1
    assert image.max() <= 0.9


def test_one_evaluation_a_step_and_the_last_is_the_accepted_point(blurry):
    image = torch.full((1, 3, 16, 16), 0.4, dtype=torch.float64, requires_grad=True)
    optimizer = BoundedLBFGS([image], preconditioner=None)
    seen = []

    def closure():
        optimizer.zero_grad()
        loss = blurry(image)
        loss.backward()
        seen.append((float(loss.detach()), image.detach().clone(), image.grad.clone()))
        return loss

    for _ in range(20):
        returned = optimizer.step(closure)
        loss, pixels, gradient = seen[-1]
        assert float(returned) == loss
        assert not returned.requires_grad
        assert torch.equal(pixels, image)
        assert torch.equal(gradient, image.grad)
    assert optimizer.evaluations == len(seen)
    assert optimizer.iterations == 20
    assert len(seen) == 21


def test_a_picture_outside_the_bounds_is_projected_first():
    image = torch.tensor([-3.0, 0.5, 7.0], dtype=torch.float64, requires_grad=True)
    optimizer = BoundedLBFGS([image], preconditioner=None)
    seen = []

    def closure():
        optimizer.zero_grad()
        seen.append(image.detach().clone())
        loss = ((image - 0.5) ** 2).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    assert seen[0].tolist() == [0.0, 0.5, 1.0]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_survives_regions_that_are_not_finite(bad):
    image = torch.full((1, 3, 8, 8), 0.45, requires_grad=True)
    optimizer = BoundedLBFGS([image], first_step=0.5)

    def loss(x: Tensor) -> Tensor:
        # The way down is steep and ends at a cliff just before the minimum.
        value = ((x - 0.62) ** 2).sum() * 100
        return value * bad if float(x.detach().max()) > 0.6 else value

    losses = run(optimizer, image, loss, 30)
    assert all(math.isfinite(value) for value in losses)
    assert all(b <= a for a, b in itertools.pairwise(losses))
    assert losses[-1] < losses[0]
    assert torch.isfinite(image).all()


def test_a_trial_with_finite_loss_and_broken_gradient_is_rejected():
    image = torch.full((4,), 0.2, requires_grad=True)
    optimizer = BoundedLBFGS([image], first_step=0.5, preconditioner=None)

    def closure():
        optimizer.zero_grad()
        loss = ((image - 0.9) ** 2).sum()
        loss.backward()
        if float(image.detach().max()) > 0.5:
            image.grad[0] = math.nan
        return loss

    for _ in range(10):
        optimizer.step(closure)
    assert torch.isfinite(image).all()
    assert float(image.max()) <= 0.5


def test_a_start_that_is_not_finite_is_left_alone():
    image = torch.full((4,), 0.2, requires_grad=True)
    optimizer = BoundedLBFGS([image], preconditioner=None)
    losses = run(optimizer, image, lambda x: (x * math.nan).sum(), 3)
    assert all(math.isnan(value) for value in losses)
    assert image.tolist() == pytest.approx([0.2] * 4)
    assert optimizer.evaluations == 3
    # It goes on as soon as the loss is a number again.
    losses = run(optimizer, image, lambda x: (x**2).sum(), 10)
    assert losses[-1] < 0.01


class Lying:
    """A loss whose gradient can be turned to point the wrong way."""

    def __init__(self):
        self.lies = False

    def __call__(self, x: Tensor) -> Tensor:
        loss = ((x - 0.9) ** 2 * torch.arange(1.0, x.numel() + 1)).sum()
        return loss.detach() + (loss.detach() - loss) if self.lies else loss


def test_failed_search_restarts_from_the_gradient_then_stops_and_wakes_again():
    image = torch.full((6,), 0.2, requires_grad=True)
    optimizer = BoundedLBFGS([image], preconditioner=None, max_evaluations=5)
    loss = Lying()
    run(optimizer, image, loss, 3)
    assert not optimizer.converged
    start = image.detach().clone()

    # The gradient at hand is sound, so from here on only the trials are bad.
    def uphill(x: Tensor) -> Tensor:
        return loss(x) if torch.equal(x.detach(), start) else loss(x) + 100

    before = optimizer.evaluations
    run(optimizer, image, uphill, 1)
    assert torch.equal(image.detach(), start)
    assert not optimizer.converged  # the memory may have been at fault
    assert optimizer.evaluations - before == 5 + 1
    # A run resumed at this very place gives up at the same step.
    twin_image = image.detach().clone().requires_grad_()
    twin = BoundedLBFGS([twin_image], preconditioner=None, max_evaluations=5)
    twin.load_state_dict(saved_and_loaded(optimizer.state_dict()))
    assert twin._search_failed
    stayed = run(optimizer, image, uphill, 1)
    assert run(twin, twin_image, uphill, 1) == stayed
    assert twin.converged
    assert optimizer.converged
    before = optimizer.evaluations
    assert run(optimizer, image, uphill, 4) == stayed * 4
    assert optimizer.evaluations - before == 4
    assert torch.equal(image.detach(), start)

    # Another objective: it moves again.
    after = run(optimizer, image, lambda x: 2 * loss(x), 5)
    assert not optimizer.converged
    assert after[-1] < after[0]


def test_minimum_reached_is_converged():
    image = torch.full((1, 3, 8, 8), 0.4, dtype=torch.float64, requires_grad=True)
    optimizer = BoundedLBFGS([image])
    run(optimizer, image, lambda x: ((x - 2) ** 2).sum(), 60)
    assert (image == 1).all()
    assert optimizer.converged


def test_steps_grow_until_the_curvature_is_positive():
    # cos falls faster and faster up to x = 1.57: no positive curvature before.
    image = torch.tensor([0.01], dtype=torch.float64, requires_grad=True)
    optimizer = BoundedLBFGS([image], upper=None, first_step=0.02, preconditioner=None)
    places = []
    for _ in range(4):
        run(optimizer, image, lambda x: torch.cos(x).sum(), 1)
        places.append(float(image.detach()))
    assert np.diff([0.01, *places]).tolist() == pytest.approx([0.02, 0.08, 0.32, 1.28])
    assert len(optimizer._memory) == 0 or places[-1] > math.pi / 2
    again = BoundedLBFGS([image.detach().clone().requires_grad_()], upper=None, preconditioner=None)
    again.load_state_dict(saved_and_loaded(optimizer.state_dict()))
    assert again._reach == optimizer._reach
    run(optimizer, image, lambda x: torch.cos(x).sum(), 20)
    assert float(image.detach()) == pytest.approx(math.pi, abs=1e-5)
    optimizer.reset()
    assert optimizer._reach == 1.0


def test_gradients_cleared_in_place_do_no_harm(blurry):
    def path(in_place):
        image = torch.full((1, 3, 8, 9), 0.4, requires_grad=True)
        optimizer = BoundedLBFGS([image])

        def closure():
            optimizer.zero_grad(set_to_none=not in_place)
            loss = blurry(image)
            loss.backward()
            return loss

        return [float(optimizer.step(closure)) for _ in range(10)]

    assert path(True) == path(False)


def saved_and_loaded(state):
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=True)


@pytest.mark.parametrize("preconditioner", [None, "fixed_fourier", "secant_fourier"])
@pytest.mark.parametrize("stop", [0, 1, 2, 4, 5, 6, 9, 13, 17, 30])
def test_resume_is_bit_identical(blurry, preconditioner, stop):
    def new(value=0.4):
        image = torch.full((1, 3, 13, 17), value, requires_grad=True)
        settings = {"history": 7, "preconditioner": preconditioner}
        return image, BoundedLBFGS([image], **settings)

    image, optimizer = new()
    whole = run(optimizer, image, blurry, stop + 25)
    first_image, first = new()
    run(first, first_image, blurry, stop)
    state = saved_and_loaded(first.state_dict())
    pixels = first_image.detach().clone()

    again_image, again = new(0.9)
    if stop % 2:  # a checkpoint may come into an optimiser that has run already
        run(again, again_image, blurry, 3)
    with torch.no_grad():
        again_image.copy_(pixels)
    again.load_state_dict(state)
    assert run(again, again_image, blurry, 25) == whole[stop:]
    assert torch.equal(image, again_image)
    assert again.evaluations == optimizer.evaluations
    assert again.iterations == optimizer.iterations


def test_small_matrices_stay_in_float64(blurry):
    image = torch.full((1, 3, 8, 9), 0.4, requires_grad=True)
    optimizer = BoundedLBFGS([image])
    run(optimizer, image, blurry, 8)
    state = saved_and_loaded(optimizer.state_dict())
    other_image = image.detach().clone().requires_grad_()
    other = BoundedLBFGS([other_image])
    other.load_state_dict(state)
    memory, copied = state["state"][0]["memory"], other.state_dict()["state"][0]["memory"]
    assert copied["sy"].dtype == torch.float64
    assert torch.equal(copied["sy"], memory["sy"])
    gain = other.state_dict()["state"][0]["preconditioner"]["state"]["rings_gain"]
    assert gain.dtype == torch.float64


def test_loading_copies(blurry):
    image = torch.full((1, 3, 8, 9), 0.4, requires_grad=True)
    optimizer = BoundedLBFGS([image], history=3)
    run(optimizer, image, blurry, 8)
    state = optimizer.state_dict()
    kept = copy.deepcopy(state)
    other_image = image.detach().clone().requires_grad_()
    other = BoundedLBFGS([other_image], history=3)
    other.load_state_dict(state)
    run(other, other_image, blurry, 20)
    for name in ("steps", "changes", "sy"):
        assert torch.equal(state["state"][0]["memory"][name], kept["state"][0]["memory"][name])
    assert torch.equal(state["state"][0]["gradient"], kept["state"][0]["gradient"])


def test_stopped_state_is_resumed_as_stopped():
    image = torch.full((4,), 0.4, requires_grad=True)
    optimizer = BoundedLBFGS([image], preconditioner=None)
    run(optimizer, image, lambda x: ((x - 2) ** 2).sum(), 60)
    again_image = image.detach().clone().requires_grad_()
    again = BoundedLBFGS([again_image], preconditioner=None)
    again.load_state_dict(saved_and_loaded(optimizer.state_dict()))
    assert again.converged
    run(again, again_image, lambda x: ((x - 2) ** 2).sum(), 1)
    assert again.evaluations == optimizer.evaluations + 1


@pytest.mark.parametrize("history", [2, 5, 9])
@pytest.mark.parametrize("steps", [3, 6, 14])
def test_another_history_goes_on_with_the_newest_pairs(blurry, history, steps):
    image = torch.full((1, 3, 8, 9), 0.4, dtype=torch.float64, requires_grad=True)
    optimizer = BoundedLBFGS([image], history=5, preconditioner="fixed_fourier")
    run(optimizer, image, blurry, steps)
    other_image = image.detach().clone().requires_grad_()
    other = BoundedLBFGS([other_image], history=history, preconditioner="fixed_fourier")
    other.load_state_dict(optimizer.state_dict())
    steps_kept = min(history, 5, steps)
    for mine, theirs in zip(
        other._memory.newest(history), optimizer._memory.newest(steps_kept), strict=True
    ):
        assert torch.equal(torch.stack(mine), torch.stack(theirs))
    gradient = torch.randn(image.numel(), dtype=torch.float64)
    if history >= 5:
        torch.testing.assert_close(
            other._memory.multiply(gradient, other._precondition),
            optimizer._memory.multiply(gradient, optimizer._precondition),
        )
    losses = run(other, other_image, blurry, 20)
    assert all(b <= a for a, b in itertools.pairwise(losses))


def test_another_preconditioner_goes_on_with_the_pairs(blurry):
    image = torch.full((1, 3, 8, 9), 0.4, dtype=torch.float64, requires_grad=True)
    optimizer = BoundedLBFGS([image], preconditioner="fixed_fourier")
    run(optimizer, image, blurry, 9)
    other_image = image.detach().clone().requires_grad_()
    other = BoundedLBFGS([other_image], preconditioner="secant_fourier")
    other.load_state_dict(optimizer.state_dict())
    changes = torch.stack(other._memory.newest(20)[1])
    assert torch.equal(changes, torch.stack(optimizer._memory.newest(20)[1]))
    # The inverse Hessian still maps the newest gradient change to its step.
    step = other._memory.newest(1)[0][0]
    torch.testing.assert_close(other._memory.multiply(changes[-1], other._precondition), step)
    losses = run(other, other_image, blurry, 10)
    assert all(b <= a for a, b in itertools.pairwise(losses))


@pytest.mark.parametrize("overshoot", [1e-5, -1e-6])
def test_neither_a_slight_rise_nor_a_sliver_of_decrease_is_accepted(overshoot):
    # The first trial lands just beyond, or just short of, the mirror image of the start.
    image = torch.tensor([0.475 + overshoot], dtype=torch.float64, requires_grad=True)
    optimizer = BoundedLBFGS([image], first_step=0.05, preconditioner=None)
    run(optimizer, image, lambda x: ((x - 0.5) ** 2).sum(), 1)
    assert optimizer.evaluations == 3
    assert abs(float(image.detach()) - 0.5) < 0.02


def test_deep_copy_goes_on_bit_by_bit(blurry):
    image = torch.full((1, 3, 8, 9), 0.4, requires_grad=True)
    optimizer = BoundedLBFGS([image])
    run(optimizer, image, blurry, 9)
    twin_image, twin = copy.deepcopy((image, optimizer))
    assert run(twin, twin_image, blurry, 10) == run(optimizer, image, blurry, 10)


@pytest.mark.parametrize("steps", [0, 1, 7])
def test_reset_is_a_fresh_start(blurry, steps):
    image = torch.full((1, 3, 8, 9), 0.7, requires_grad=True)
    optimizer = BoundedLBFGS([image])
    run(optimizer, image, blurry, steps)
    with torch.no_grad():
        image.fill_(0.4)
    optimizer.reset()
    fresh_image = torch.full((1, 3, 8, 9), 0.4, requires_grad=True)
    fresh = BoundedLBFGS([fresh_image])
    assert run(optimizer, image, blurry, 12) == run(fresh, fresh_image, blurry, 12)


def test_a_changed_objective_needs_reset_and_then_holds():
    image = torch.full((5,), 0.5, dtype=torch.float64, requires_grad=True)
    optimizer = BoundedLBFGS([image], preconditioner=None)
    run(optimizer, image, lambda x: ((x - 0.9) ** 2).sum(), 4)
    optimizer.reset()
    losses = run(optimizer, image, lambda x: 1000 * ((x - 0.1) ** 2).sum(), 30)
    assert losses[-1] < 1e-6


class Rounded:
    """A loss told to three digits only, until `refine` is called."""

    def __init__(self, loss):
        self.loss, self.exact, self.refined_at = loss, False, []

    def __call__(self, image):
        loss = self.loss(image)
        if self.exact:
            return loss
        coarse = float(f"{float(loss):.2e}")
        return loss + (coarse - loss.detach())

    def refine(self):
        self.refined_at.append(float(self.loss(self.image).detach()))
        changed, self.exact = not self.exact, True
        return changed


@pytest.mark.parametrize("helped", [False, True])
def test_noise_ends_the_search_unless_the_closure_can_be_refined(blurry, helped):
    image = torch.full((3, 16, 16), 0.5, dtype=torch.float64, requires_grad=True)
    optimizer, loss = BoundedLBFGS([image]), Rounded(blurry)
    loss.image = image
    if helped:
        optimizer.refine = loss.refine
    run(optimizer, image, loss, 150)
    exact = torch.full((3, 16, 16), 0.5, dtype=torch.float64, requires_grad=True)
    best = run(BoundedLBFGS([exact]), exact, blurry, 150)[-1]
    reached = float(blurry(image).detach())
    if not helped:
        assert optimizer.converged
        assert reached > 1.001 * best
        return
    # Once is enough, nothing is lost by it, and the pairs were kept.
    assert loss.refined_at[0] > 1.001 * best
    assert reached == pytest.approx(best, rel=1e-5)


def test_a_similar_objective_keeps_the_pairs(blurry):
    image = torch.full((3, 16, 16), 0.5, dtype=torch.float64, requires_grad=True)
    optimizer = BoundedLBFGS([image])
    run(optimizer, image, blurry, 10)
    pairs = optimizer.state_dict()["state"][0]["memory"]["count"]
    optimizer.objective_changed()
    assert optimizer.state_dict()["state"][0]["memory"]["count"] == pairs
    evaluations = optimizer.evaluations
    losses = run(optimizer, image, lambda x: 2 * blurry(x), 3)
    assert losses == sorted(losses, reverse=True)
    # The loss and gradient there were are not believed.
    assert optimizer.evaluations >= evaluations + 4


def test_a_picture_written_to_from_outside_is_evaluated_afresh(blurry):
    image = torch.full((1, 3, 8, 9), 0.4, requires_grad=True)
    optimizer = BoundedLBFGS([image])
    run(optimizer, image, blurry, 6)
    with torch.no_grad():
        image.fill_(0.9)
    seen = []

    def watched(x):
        seen.append(x.detach().clone())
        return blurry(x)

    losses = run(optimizer, image, watched, 1)
    assert (seen[0] == 0.9).all()
    assert losses[0] <= float(blurry(seen[0]))


def test_layout_of_the_picture_does_not_matter(blurry):
    plain = torch.rand((1, 3, 9, 10), generator=torch.Generator().manual_seed(1))
    last = plain.clone().to(memory_format=torch.channels_last).requires_grad_()
    plain.requires_grad_()
    losses = run(BoundedLBFGS([plain]), plain, blurry, 15)
    torch.testing.assert_close(
        losses, run(BoundedLBFGS([last]), last, blurry, 15), rtol=1e-4, atol=0
    )
    assert last.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    "shape",
    [(1, 3, 16, 16), (1, 3, 17, 15), (1, 3, 20, 300), (2, 3, 9, 8), (1, 1, 8, 8), (3, 7), (5,)],
)
def test_odd_shapes_get_nearer_the_minimum(shape):
    image = torch.full(shape, 0.2, requires_grad=True)
    optimizer = BoundedLBFGS([image])
    losses = run(optimizer, image, lambda x: ((x - 0.7) ** 2).sum() + (x**4).sum(), 12)
    assert all(math.isfinite(value) for value in losses)
    assert losses[-1] < losses[0] / 1.5


def test_takes_exactly_one_tensor_of_floats():
    tensor = torch.zeros(3, requires_grad=True)
    other = torch.zeros(3, requires_grad=True)
    for params in ([tensor, other], [{"params": [tensor]}, {"params": [other]}]):
        with pytest.raises(ValueError, match="exactly one"):
            BoundedLBFGS(params)
    with pytest.raises(ValueError, match="float32 or float64"):
        BoundedLBFGS([torch.zeros(3, dtype=torch.float16)])
    with pytest.raises(ValueError, match="closure"):
        BoundedLBFGS([tensor]).step()
    with pytest.raises(ValueError, match="backward"):
        BoundedLBFGS([tensor]).step(lambda: tensor.sum())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("history", 0),
        ("history", 2.5),
        ("lower", math.nan),
        ("lower", 1.0),
        ("upper", -0.5),
        ("first_step", 0.0),
        ("first_step", math.inf),
        ("armijo", 0.5),
        ("armijo", -0.1),
        ("max_evaluations", 0),
        ("preconditioner", "magic"),
        ("preconditioner", 3),
    ],
)
def test_bad_settings_are_named(name, value):
    with pytest.raises(InputError, match=name):
        BoundedLBFGS([torch.zeros(3, requires_grad=True)], **{name: value})


def test_a_state_of_another_optimiser_or_shape_is_refused(blurry):
    image = torch.full((1, 3, 8, 9), 0.4, requires_grad=True)
    with pytest.raises(InputError, match="BoundedLBFGS"):
        BoundedLBFGS([image]).load_state_dict(torch.optim.Adam([image]).state_dict())
    optimizer = BoundedLBFGS([image])
    run(optimizer, image, blurry, 2)
    # Same number of values, other shape.
    with pytest.raises(InputError, match=r"\[1, 3, 8, 9\].*\[1, 3, 9, 8\]"):
        BoundedLBFGS([image.detach().transpose(2, 3).clone().requires_grad_()]).load_state_dict(
            optimizer.state_dict()
        )


def test_a_preconditioner_given_as_an_instance_is_copied(blurry):
    mine = SecantFourier()
    image = torch.full((1, 3, 8, 9), 0.4, requires_grad=True)
    run(BoundedLBFGS([image], preconditioner=mine), image, blurry, 8)
    with pytest.raises(RuntimeError, match="bind"):
        mine.apply(torch.zeros(216))


def test_can_be_named_in_yaml(blurry):
    from collections.abc import Callable, Iterable

    from jsonargparse import ArgumentParser
    from torch.optim import Optimizer

    parser = ArgumentParser()
    parser.add_argument("--optimizer", type=Callable[[Iterable[Tensor]], Optimizer])
    path = "nst_lightning.optim"
    for preconditioner in ({"class_path": f"{path}.SecantFourier"}, None, "fixed_fourier"):
        config = parser.parse_object(
            {
                "optimizer": {
                    "class_path": f"{path}.BoundedLBFGS",
                    "init_args": {"history": 6, "preconditioner": preconditioner},
                }
            }
        )
        parser.dump(config)
        factory = parser.instantiate_classes(config).optimizer
        image = torch.full((1, 3, 8, 9), 0.4, requires_grad=True)
        optimizer = factory([image])
        assert isinstance(optimizer, BoundedLBFGS)
        losses = run(optimizer, image, blurry, 8)
        assert losses[-1] < losses[0]
        kind = type(optimizer._preconditioner).__name__
        assert kind == {None: "NoneType", "fixed_fourier": "FixedFourier"}.get(
            preconditioner if not isinstance(preconditioner, dict) else "", "SecantFourier"
        )
