"""all-MiniLM-L6-v2 in plain numpy: what the converted model must agree with.

BERT (Devlin et al. 2018, https://arxiv.org/abs/1810.04805) with post-norm
blocks, one sentence at a time, so that nothing needs a mask. In double
precision: the order in which a machine adds must not show in what is shipped.
"""

import math

import numpy as np

from minilm_gguf import HEADS, LAYERS, NORM_EPSILON


def embed(state: dict[str, np.ndarray], ids: list[int]) -> np.ndarray:
    """The sentence's vector: the mean of its tokens' last states, of length 1."""
    words = state["embeddings.word_embeddings.weight"][ids]
    places = state["embeddings.position_embeddings.weight"][: len(ids)]
    kind = state["embeddings.token_type_embeddings.weight"][0]
    words = words.astype(np.float64)
    x = _norm(state, "embeddings.LayerNorm", words + places + kind)
    for layer in range(LAYERS):
        x = _block(state, f"encoder.layer.{layer}", x)
    mean = x.mean(axis=0)
    return mean / np.linalg.norm(mean)


def _block(state: dict[str, np.ndarray], name: str, x: np.ndarray) -> np.ndarray:
    """One layer: attention, then the two matrices of the feed-forward."""
    query, key, value = (
        _linear(state, f"{name}.attention.self.{part}", x).reshape(len(x), HEADS, -1).swapaxes(0, 1)
        for part in ("query", "key", "value")
    )
    scores = query @ key.swapaxes(1, 2) / math.sqrt(query.shape[-1])
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    seen = (weights @ value).swapaxes(0, 1).reshape(x.shape)
    x = _norm(state, f"{name}.attention.output.LayerNorm",
              x + _linear(state, f"{name}.attention.output.dense", seen))
    inner = _gelu(_linear(state, f"{name}.intermediate.dense", x))
    return _norm(state, f"{name}.output.LayerNorm",
                 x + _linear(state, f"{name}.output.dense", inner))


def _linear(state: dict[str, np.ndarray], name: str, x: np.ndarray) -> np.ndarray:
    return x @ state[f"{name}.weight"].T.astype(np.float64) + state[f"{name}.bias"]


def _norm(state: dict[str, np.ndarray], name: str, x: np.ndarray) -> np.ndarray:
    x = x - x.mean(axis=-1, keepdims=True)
    x = x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + NORM_EPSILON)
    return x * state[f"{name}.weight"] + state[f"{name}.bias"]


def _gelu(x: np.ndarray) -> np.ndarray:
    """With the hyperbolic tangent, as llama.cpp does it."""
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
