"""ExponentialFamily: distributions whose entropy follows from the gradient of their log-normaliser."""
from __future__ import annotations

from typing import Any

import flambeau as torch
from flambeau.distributions.distribution import Distribution

__all__ = ["ExponentialFamily"]


class ExponentialFamily(Distribution):
    """Density exp(<t(x), theta> - F(theta) + k(x)) with natural parameters theta and log-normaliser F."""

    @property
    def _natural_params(self) -> tuple:
        raise NotImplementedError

    def _log_normalizer(self, *natural_params: Any) -> Any:
        raise NotImplementedError

    @property
    def _mean_carrier_measure(self) -> Any:
        raise NotImplementedError

    def entropy(self) -> Any:
        """F(theta) - <theta, grad F(theta)> - E[k(x)] (Nielsen and Nock, 2010)."""
        result = -self._mean_carrier_measure
        params = [p.detach().requires_grad_() for p in self._natural_params]
        with torch.enable_grad():
            normalizer = self._log_normalizer(*params)
            gradients = torch.autograd.grad(normalizer.sum(), params, create_graph=True)
        result = result + normalizer
        for param, grad in zip(params, gradients):
            result = result - (param * grad).reshape(self._batch_shape + (-1,)).sum(-1)
        return result
