"""all-MiniLM-L6-v2 as plain PyTorch, with the operator model's two heads."""

import json
import math
import struct

import numpy
import torch
from torch import nn
from torch.nn import functional as F

WIDTH, LAYERS, HEADS, INNER = 384, 6, 12, 1536
GELU = "none"  # llama.cpp evaluates "tanh"; evaluation does too


def read_safetensors(path):
    """Name to float32 array."""
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = file.read()
    header.pop("__metadata__", None)
    arrays = {}
    for name, entry in header.items():
        if entry["dtype"] == "F32":
            start, end = entry["data_offsets"]
            arrays[name] = numpy.frombuffer(data[start:end], "<f4").reshape(entry["shape"]).copy()
    return arrays


def write_safetensors(path, arrays):
    """Float32 arrays, in name order."""
    header, blob = {}, b""
    for name in sorted(arrays):
        raw = numpy.ascontiguousarray(arrays[name], "<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(arrays[name].shape), "data_offsets": [len(blob), len(blob) + len(raw)]}
        blob += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + blob)


class Dropout:
    """Masks cut out of one long random tape: drawing them anew costs a third of a step."""

    def __init__(self, rate, length=1 << 23):
        self.tape = torch.empty(length).bernoulli_(1 - rate) / (1 - rate)

    def __call__(self, x):
        start = int(torch.randint(0, len(self.tape) - x.numel(), ()))
        return x * self.tape[start : start + x.numel()].view(x.shape)


def keep(x):
    """No dropout: as the model runs."""
    return x


class Layer(nn.Module):
    """One BERT block (post-norm)."""

    def __init__(self):
        super().__init__()
        self.query, self.key, self.value, self.out = (nn.Linear(WIDTH, WIDTH) for _ in range(4))
        self.up, self.down = nn.Linear(WIDTH, INNER), nn.Linear(INNER, WIDTH)
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH, 1e-12), nn.LayerNorm(WIDTH, 1e-12)

    def forward(self, x, mask, drop, gelu):
        batch, length, _ = x.shape
        split = lambda y: y.view(batch, length, HEADS, -1).transpose(1, 2)
        scores = split(self.query(x)) @ split(self.key(x)).transpose(2, 3) / math.sqrt(WIDTH / HEADS)
        weights = torch.softmax(scores + mask, -1)
        y = (weights.to(x.dtype) @ split(self.value(x)).to(x.dtype)).transpose(1, 2).reshape(batch, length, WIDTH)
        x = self.norm1((x + drop(self.out(y))).float())
        y = self.down(F.gelu(self.up(x), approximate=gelu))
        return self.norm2((x + drop(y)).float())


class Model(nn.Module):
    """Trunk, act head on [mean; attention-weighted mean], tag head on every token."""

    def __init__(self, acts, tags):
        super().__init__()
        self.words = nn.Embedding(30522, WIDTH)
        self.positions = nn.Embedding(512, WIDTH)
        self.types = nn.Parameter(torch.zeros(2, WIDTH))
        self.norm = nn.LayerNorm(WIDTH, 1e-12)
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
        self.query = nn.Parameter(torch.randn(WIDTH) * 0.05)
        self.act, self.tag = nn.Linear(2 * WIDTH, acts), nn.Linear(WIDTH, tags)

    def states(self, ids, mask, drop=keep, gelu=GELU):
        """Token states; every token has type 0, as llama.cpp evaluates it."""
        x = self.words(ids) + self.positions.weight[: ids.shape[1]] + self.types[0]
        x = drop(self.norm(x))
        bias = ((1.0 - mask) * -1e4)[:, None, None, :]
        for layer in self.layers:
            x = layer(x, bias, drop, gelu)
        return x

    def heads(self, x, mask):
        """Act logits and tag logits."""
        x = x.float()
        mean = (x * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True)
        fit = (x @ self.query) / math.sqrt(WIDTH) + (1.0 - mask) * -1e4
        focus = (x * torch.softmax(fit, 1)[:, :, None]).sum(1)
        return self.act(torch.cat([mean, focus], 1)), self.tag(x)

    def trunk(self):
        """The trunk's weights under their names in the checkpoint all-MiniLM-L6-v2 is published as."""
        return {theirs: getattr_path(self, ours).detach().float().numpy() for theirs, ours in names()}

    def load_trunk(self, arrays):
        """Takes weights under those names."""
        with torch.no_grad():
            for theirs, ours in names():
                getattr_path(self, ours).copy_(torch.from_numpy(arrays[theirs]))


def getattr_path(module, path):
    for part in path.split("."):
        module = module[int(part)] if part.isdigit() else getattr(module, part)
    return module


def names():
    """(name in the checkpoint, name here)."""
    yield "embeddings.word_embeddings.weight", "words.weight"
    yield "embeddings.position_embeddings.weight", "positions.weight"
    yield "embeddings.token_type_embeddings.weight", "types"
    for kind in ("weight", "bias"):
        yield f"embeddings.LayerNorm.{kind}", f"norm.{kind}"
        for i in range(LAYERS):
            for theirs, ours in (
                ("attention.self.query", "query"), ("attention.self.key", "key"), ("attention.self.value", "value"),
                ("attention.output.dense", "out"), ("attention.output.LayerNorm", "norm1"),
                ("intermediate.dense", "up"), ("output.dense", "down"), ("output.LayerNorm", "norm2"),
            ):
                yield f"encoder.layer.{i}.{theirs}.{kind}", f"layers.{i}.{ours}.{kind}"


def q8_0(array):
    """What is left of a matrix after llama.cpp's Q8_0: blocks of 32 with one float16 scale."""
    blocks = array.reshape(-1, 32)
    scale = (numpy.abs(blocks).max(1, keepdims=True) / 127).astype(numpy.float32)
    inverse = numpy.where(scale > 0, 1 / numpy.where(scale > 0, scale, 1), 0)
    return (numpy.round(blocks * inverse) * scale.astype(numpy.float16).astype(numpy.float32)).reshape(array.shape).astype(numpy.float32)


def quantised(name):
    """Is this tensor stored as Q8_0? The word embeddings and the matrices of the layers."""
    return "word_embeddings" in name or (name.startswith("encoder") and name.endswith("weight") and "LayerNorm" not in name)
