"""Parameters that may be given as probabilities or as logits; the other form is computed when asked for."""
from __future__ import annotations

from numbers import Number
from typing import Any

from flambeau.distributions import constraints
from flambeau.distributions.distribution import Distribution
from flambeau.distributions.utils import broadcast_all, lazy_property, logits_to_probs, probs_to_logits

_ONE_OF = "Either `probs` or `logits` must be specified, but not both."


class BinaryParameter(Distribution):
    """probs in [0, 1] or logits, one number a draw."""

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    _parameters = {"probs": 0, "logits": 0}

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        if (probs is None) == (logits is None):
            raise ValueError(_ONE_OF)
        if probs is not None:
            scalar = isinstance(probs, Number)
            (self.probs,) = broadcast_all(probs)
        else:
            scalar = isinstance(logits, Number)
            (self.logits,) = broadcast_all(logits)
        self._param = self.probs if probs is not None else self.logits
        super().__init__(() if scalar else self._param.size(), validate_args=validate_args)

    def _new(self, *args: Any, **kwargs: Any) -> Any:
        return self._param.new(*args, **kwargs)

    def _expand_rest(self, new: Any, batch_shape: Any) -> None:
        new._param = new.__dict__["probs" if "probs" in new.__dict__ else "logits"]

    @lazy_property
    def logits(self) -> Any:
        """Log-odds."""
        return probs_to_logits(self.probs, is_binary=True)

    @lazy_property
    def probs(self) -> Any:
        """Probabilities of 1."""
        return logits_to_probs(self.logits, is_binary=True)

    @property
    def param_shape(self) -> Any:
        """The shape of the parameter."""
        return self._param.size()


class CountParameter(Distribution):
    """total_count with probs or logits."""

    _parameters = {"total_count": 0, "probs": 0, "logits": 0}

    def _set(self, total_count: Any, probs: Any, logits: Any) -> Any:
        """Store the parameters broadcast together; returns the one that was given."""
        if (probs is None) == (logits is None):
            raise ValueError(_ONE_OF)
        if probs is not None:
            self.total_count, self.probs = broadcast_all(total_count, probs)
            self.total_count = self.total_count.type_as(self.probs)
            self._param = self.probs
        else:
            self.total_count, self.logits = broadcast_all(total_count, logits)
            self.total_count = self.total_count.type_as(self.logits)
            self._param = self.logits
        return self._param

    def _new(self, *args: Any, **kwargs: Any) -> Any:
        return self._param.new(*args, **kwargs)

    def _expand_rest(self, new: Any, batch_shape: Any) -> None:
        new._param = new.__dict__["probs" if "probs" in new.__dict__ else "logits"]

    @lazy_property
    def logits(self) -> Any:
        """Log-odds."""
        return probs_to_logits(self.probs, is_binary=True)

    @lazy_property
    def probs(self) -> Any:
        """Probabilities of success."""
        return logits_to_probs(self.logits, is_binary=True)

    @property
    def param_shape(self) -> Any:
        """The shape of the parameter."""
        return self._param.size()
