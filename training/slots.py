"""How `training.sampler` computes: many conversations in the slots of one cache, a token in each at a step.

Keys and values of all slots lie in one tensor a layer, which transformers writes and reads through `Layer`.
On a GPU a step is one recorded graph, so that Python does not launch its hundreds of kernels each time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface
from transformers.cache_utils import CacheLayerMixin
from transformers.integrations.sdpa_attention import sdpa_attention_forward

ATTENTION = "sdpa-grouped"


class Layer(CacheLayerMixin):
    """One layer's keys and values, each slots × heads × room × width."""

    def __init__(self, keys: torch.Tensor, values: torch.Tensor):
        super().__init__()
        self.keys, self.values = keys, values
        self.is_initialized = True
        self.rows: torch.Tensor  # the slots of this step's rows
        self.positions: torch.Tensor  # rows × tokens
        self.until = 0  # what lies behind is nobody's
        self.in_order = False  # whether the rows are the first slots, in their order

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any):
        """Stores this step's tokens; returns what its rows may look at."""
        seen = []
        for held, new in ((self.keys, key_states), (self.values, value_states)):
            held[self.rows[:, None], :, self.positions] = new.transpose(1, 2)
            part = held[:, :, : self.until]
            seen.append(part[: len(self.rows)] if self.in_order else part[self.rows])
        return tuple(seen)

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        pass

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.until, 0

    def get_seq_length(self) -> int:
        return self.until

    def get_max_length(self) -> int:
        return self.keys.shape[2]


def _attention(module, query, key, value, attention_mask, scaling=None, **_):
    """As transformers' "sdpa", which would copy each key and value for all of the heads that share it.

    With one token a row, the heads that share them are that many tokens of one head.
    """
    rows, heads, tokens, width = query.shape
    if tokens > 1:
        return sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling)
    grouped = query.reshape(rows, key.shape[1], -1, width)
    seen = scaled_dot_product_attention(grouped, key, value, attn_mask=attention_mask, scale=scaling)
    return seen.reshape(rows, 1, heads, width), None


AttentionInterface.register(ATTENTION, _attention)


class Steps:
    """One token more in every slot; on a GPU, a graph for each length that there is to look at.

    Args:
        compute: Called with ids and positions, both slots × 1, and that length; gives slots × 1 × width.
    """

    def __init__(self, compute: Callable[..., torch.Tensor], slots: int, device: torch.device):
        self._compute = compute
        self._ids = torch.zeros((slots, 1), dtype=torch.long, device=device)
        self._positions = torch.zeros_like(self._ids)
        self._graphs: dict[int, tuple[torch.cuda.CUDAGraph, torch.Tensor]] = {}

    def __call__(self, ids: list[int], positions: list[int], until: int) -> torch.Tensor:
        self._ids.copy_(torch.tensor(ids)[:, None])
        self._positions.copy_(torch.tensor(positions)[:, None])
        if self._ids.device.type != "cuda":
            return self._compute(self._ids, self._positions, until)
        if until not in self._graphs:
            self._graphs[until] = self._recorded(until)
        graph, states = self._graphs[until]
        graph.replay()
        return states

    def _recorded(self, until: int) -> tuple[torch.cuda.CUDAGraph, torch.Tensor]:
        # Once without recording, since libraries set themselves up then; it writes what the replay will.
        beside = torch.cuda.Stream()
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            self._compute(self._ids, self._positions, until)
        torch.cuda.current_stream().wait_stream(beside)
        pool = next((graph.pool() for graph, _ in self._graphs.values()), None)
        graph = torch.cuda.CUDAGraph()
        # Other threads use the GPU no more than before, but may ask it something.
        with torch.cuda.graph(graph, pool=pool, capture_error_mode="thread_local"):
            states = self._compute(self._ids, self._positions, until)
        return graph, states
