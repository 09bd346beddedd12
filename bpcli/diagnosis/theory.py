"""Mean-field theory of signals and gradients in wide networks, and bounds for recurrent ones.

In a wide chain of x ← φ(W x + b) with Var[Wᵢⱼ] = σ_w² / fan_in and Var[bᵢ] = σ_b², the variance q
of a pre-activation and the correlation c of two examples follow maps of their own (Poole et al.
2016), and the gradient's square is multiplied by χ₁ with every layer back (Schoenholz et al. 2017):

    q ← σ_w² E φ(√q z)² + σ_b²          χ₁ = σ_w² E φ'(√q z)²,  z ~ N(0, 1)

χ₁ < 1: gradients vanish, χ₁ > 1: they explode, χ₁ = 1 is critical.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from bpcli.diagnosis.expectation import Activation, moments, pair_moments
from bpcli.network.layer import Array, make_layer
from bpcli.spec.layers import LAYERS, LayerOptions

_MOST_ROUNDS = 5000
_HALVINGS = 40  # of an interval of correlations
_CONVERGED = 1e-12  # relative change
_SMALLEST, _LARGEST = 1e-24, 1e12  # a variance beyond these shrinks or grows without end


@dataclass(frozen=True)
class MeanField:
    """A chain of dense layers and one activation, at the fixed point of its variance.

    ``depth_scale`` ξ_∇ = -1 / ln χ₁ is the number of layers in which the gradient's square changes
    by a factor e; ``correlation_depth`` ξ_c = -1 / ln χ_c* that in which two examples forget how
    alike they were.
    """

    activation: Activation
    weight_variance: float  # σ_w²
    bias_variance: float  # σ_b²
    variance: float  # q*; 0 where it shrinks, inf where it grows without end

    @property
    def _finite_variance(self) -> float:
        return min(max(self.variance, _SMALLEST), _LARGEST)

    @property
    def chi(self) -> float:
        """χ₁."""
        return self.weight_variance * moments(self.activation, self._finite_variance).slope_square

    @property
    def gradient_slope(self) -> float:
        """½ ln χ₁: what ln ‖δ‖ gains with every layer back."""
        return 0.5 * math.log(self.chi) if self.chi > 0 else -math.inf

    @property
    def depth_scale(self) -> float:
        """ξ_∇, negative where gradients explode, inf at criticality."""
        return _depth_scale(self.chi)

    @property
    def correlation(self) -> float:
        """c*, to which the correlation of two different examples converges: the fixed point of its
        map below 1, where that lies above the diagonal left of it, or else 1."""
        low, high = 0.0, 1 - 1e-7
        if self._correlation_gain(high) >= 0:
            return 1.0
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if self._correlation_gain(middle) > 0 else (low, middle)
        return (low + high) / 2

    def _correlation_gain(self, c: float) -> float:
        """What one layer adds to the correlation c of two examples."""
        q = self._finite_variance
        product = pair_moments(self.activation, q, c).product
        return (self.weight_variance * product + self.bias_variance) / q - c

    @property
    def correlation_depth(self) -> float:
        """ξ_c; at c* = 1 it is the depth scale of the gradient."""
        c = self.correlation
        if c > 1 - 1e-6:
            return abs(self.depth_scale)
        slopes = pair_moments(self.activation, self._finite_variance, c).slope_product
        return _depth_scale(self.weight_variance * slopes)


def _depth_scale(chi: float) -> float:
    if chi <= 0:
        return 0.0
    return math.inf if chi == 1 else -1 / math.log(chi)


def activation_named(name: str) -> Activation:
    """The activation that a spec calls so, with its usual options."""
    options: LayerOptions = LAYERS[name]()
    return Activation(make_layer(options))


def mean_field(
    activation: Activation, weight_variance: float, bias_variance: float = 0.0
) -> MeanField:
    """The chain at its fixed point, found by iterating the map of q from 1."""
    q = 1.0
    for _ in range(_MOST_ROUNDS):
        new = weight_variance * moments(activation, q).square + bias_variance
        if not new < _LARGEST:
            q = math.inf
            break
        if new < _SMALLEST:
            q = 0.0
            break
        if abs(new - q) <= _CONVERGED * q:
            q = new
            break
        q = new
    return MeanField(activation, weight_variance, bias_variance, q)


def critical_weight_variance(activation: Activation, bias_variance: float = 0.0) -> float | None:
    """The σ_w² at which χ₁ = 1; None where there is none.

    Each q > σ_b² is the fixed point of one σ_w² = (q - σ_b²) / E φ², so that χ₁ is a function of
    q alone and its crossing of 1 is found by bisection.
    """

    def at(q: float) -> tuple[float, float]:
        m = moments(activation, q)
        if m.square == 0:
            return math.inf, math.inf
        weight = (q - bias_variance) / m.square
        return weight, weight * m.slope_square

    low, high = math.log(max(bias_variance * (1 + 1e-9), 1e-8)), math.log(1e6)
    weight, chi = at(math.exp(low))
    if abs(chi - 1) < 1e-6:  # scale-free, or critical in the limit of small signals
        return weight
    if (chi < 1) == (at(math.exp(high))[1] < 1):
        return None
    rising = chi < 1
    for _ in range(100):
        middle = (low + high) / 2
        weight, chi = at(math.exp(middle))
        low, high = (middle, high) if (chi < 1) == rising else (low, middle)
    return weight


def preserving_weight_variance(activation: Activation) -> float | None:
    """The σ_w² that keeps pre-activations of variance 1 at 1 without biases, 1 / E φ(z)²."""
    square = moments(activation, 1.0).square
    return 1 / square if square > 0 else None


def inverse_width_sum(widths: Iterable[int]) -> float:
    """β = Σ 1 / width over the hidden layers: the gradients of a ReLU network with He weights
    spread over seeds as e^β does, and E ln ‖∂y/∂x‖² ≈ -2.5 β (Hanin 2018)."""
    return math.fsum(1 / width for width in widths)


def spectral_radius(matrix: Array) -> float:
    """The largest |eigenvalue|: whether a linear recurrence decays or grows in the long run."""
    if not np.isfinite(matrix).all():
        return math.nan
    return float(np.abs(np.linalg.eigvals(matrix.astype(np.float64))).max(initial=0.0))


def largest_singular_value(matrix: Array) -> float:
    """σ_max: gradients through time vanish if σ_max < 1 / γ, and explode only if σ_max > 1 / γ,
    γ the largest slope of the activation: 1 for tanh, ¼ for sigmoid (Pascanu et al. 2013)."""
    if not np.isfinite(matrix).all():
        return math.nan
    return float(np.linalg.norm(matrix.astype(np.float64), 2))
