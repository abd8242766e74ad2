"""ZeroRedundancyOptimizer: each process keeps the optimiser's state of its part of the parameters (Rajbhandari et al. 2020, stage 1)."""
from __future__ import annotations

from typing import Any

import flambeau as torch
from flambeau.distributed import distributed_c10d as c10d

__all__ = ["ZeroRedundancyOptimizer"]


class ZeroRedundancyOptimizer(torch.optim.Optimizer):
    """ZeroRedundancyOptimizer(params, optimizer_class=torch.optim.Adam, lr=...): steps a part, then sends it to the others.

    Parameters go to the process with the fewest elements so far, the largest first. `consolidate_state_dict(to)` gathers the state on
    one process, whose `state_dict` is then that of an ordinary optimiser.
    """

    def __init__(self, params: Any, optimizer_class: type[torch.optim.Optimizer], process_group: Any = None,
                 parameters_as_bucket_view: bool = False, overlap_with_ddp: bool = False, **defaults: Any) -> None:
        if overlap_with_ddp:
            raise NotImplementedError("ZeroRedundancyOptimizer: overlap_with_ddp is not offered; leave it False")
        self.process_group, self._optim_class, self._optim_defaults = process_group, optimizer_class, defaults
        self.rank, self.world_size = c10d.get_rank(process_group), c10d.get_world_size(process_group)
        self.optim: Any = None
        super().__init__(params, defaults)
        self._all_states: list[dict] | None = None
        self._build()

    def _build(self) -> None:
        """Divide the parameters and make the local optimiser."""
        load = [0] * self.world_size
        self._owner: dict[Any, int] = {}
        for p in sorted((p for group in self.param_groups for p in group["params"]), key=lambda p: p.numel(), reverse=True):
            rank = load.index(min(load))
            self._owner[p] = rank
            load[rank] += p.numel()
        groups = [{**{k: v for k, v in group.items() if k != "params"}, "params": [p for p in group["params"] if self._owner[p] == self.rank]}
                  for group in self.param_groups]
        before = self.optim
        self.optim = self._optim_class(groups, **self._optim_defaults)
        if before is not None:
            self.optim.state.update({p: value for p, value in before.state.items() if self._owner.get(p) == self.rank})
        for ours, theirs in zip(self.param_groups, self.optim.param_groups):
            for key, value in theirs.items():
                if key != "params":
                    ours.setdefault(key, value)

    def add_param_group(self, param_group: dict) -> None:
        """See Optimizer.add_param_group."""
        super().add_param_group(param_group)
        if self.optim is not None:
            self._build()

    def _pass_settings(self) -> None:
        for ours, theirs in zip(self.param_groups, self.optim.param_groups):
            theirs.update({key: value for key, value in ours.items() if key != "params"})

    def step(self, closure: Any = None, **kwargs: Any) -> Any:
        """One step of this process' part; every process then has all new values."""
        self._pass_settings()
        loss = self.optim.step(closure=closure, **kwargs) if closure is not None else self.optim.step(**kwargs)
        with torch.no_grad():
            for p, owner in self._owner.items():
                c10d.broadcast(p.data, group=self.process_group, group_src=owner)
        return loss

    def consolidate_state_dict(self, to: int = 0) -> None:
        """Gather all states on rank `to`."""
        states: list = [None] * self.world_size
        c10d.all_gather_object(states, self.optim.state_dict(), group=self.process_group)
        self._all_states = states if self.rank == to else None

    def state_dict(self) -> dict:
        """The state of an ordinary optimiser. RuntimeError unless consolidate_state_dict ran on this process."""
        if self._all_states is None:
            raise RuntimeError("Optimizer state has not been consolidated on this rank. Please call `consolidate_state_dict(to="
                               f"{self.rank})` on all ranks beforehand if you meant to save the global state.")
        result = super().state_dict()
        place = {p: i for i, p in enumerate(p for group in self.param_groups for p in group["params"])}
        for rank, state in enumerate(self._all_states):
            mine = [p for group in self.param_groups for p in group["params"] if self._owner[p] == rank]
            result["state"].update({place[mine[i]]: value for i, value in state["state"].items()})
        result["state"] = dict(sorted(result["state"].items()))
        return result

    def load_state_dict(self, state_dict: dict) -> None:
        """Take an ordinary optimiser's state: each process its part."""
        params = [p for group in self.param_groups for p in group["params"]]
        kept = {i: value for i, value in state_dict["state"].items() if self._owner[params[i]] == self.rank}
        super().load_state_dict({**state_dict, "state": kept})
        for p in [p for p in self.state if isinstance(p, torch.Tensor)]:
            self.optim.state[p] = self.state.pop(p)
        self._pass_settings()
