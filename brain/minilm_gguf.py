"""Writes an all-MiniLM-L6-v2 trunk as a GGUF file that llama.cpp runs.

Used by convert.py (the untuned model) and by the export of the operator model.
The facts it rests on were found by trying them against llama.cpp:

* Tensors keep their stored [out, in] order. Only the token embeddings and the
  36 layer matrices are quantised; biases, norms, positions and types stay F32.
* The vocabulary is rewritten: ``##x`` becomes ``x``, every other word gets
  U+2581 in front, the five specials stay as they are. With raw WordPiece
  strings every word becomes [UNK], silently.
* The pooler and the position ids are not used and not written.
"""

from pathlib import Path

import gguf
import numpy as np

LAYERS = 6
WIDTH = 384
FEED_FORWARD = 1536
HEADS = 12
CONTEXT = 512
TOKEN_TYPES = 2
NORM_EPSILON = 1e-12
SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")

_OUTSIDE = {
    "embeddings.word_embeddings.weight": "token_embd.weight",
    "embeddings.position_embeddings.weight": "position_embd.weight",
    "embeddings.token_type_embeddings.weight": "token_types.weight",
    "embeddings.LayerNorm.weight": "token_embd_norm.weight",
    "embeddings.LayerNorm.bias": "token_embd_norm.bias",
}
_IN_LAYER = {
    "attention.self.query": "attn_q",
    "attention.self.key": "attn_k",
    "attention.self.value": "attn_v",
    "attention.output.dense": "attn_output",
    "attention.output.LayerNorm": "attn_output_norm",
    "intermediate.dense": "ffn_up",
    "output.dense": "ffn_down",
    "output.LayerNorm": "layer_output_norm",
}


def tensor_names() -> dict[str, str]:
    """All 101 tensors: the name in the state dict of a BertModel, and in GGUF."""
    names = dict(_OUTSIDE)
    for layer in range(LAYERS):
        for theirs, ours in _IN_LAYER.items():
            for part in ("weight", "bias"):
                names[f"encoder.layer.{layer}.{theirs}.{part}"] = f"blk.{layer}.{ours}.{part}"
    return names


def read_vocab(path: Path) -> list[str]:
    """The words of a WordPiece ``vocab.txt``: the line's number is the token's id."""
    return path.read_text(encoding="utf-8").rstrip("\n").split("\n")


def llama_word(word: str) -> str:
    """A WordPiece entry the way llama.cpp's tokenizer looks it up."""
    if word in SPECIALS:
        return word
    return word[2:] if word.startswith("##") else "\u2581" + word


def write_gguf(
    path: Path | str,
    state: dict[str, np.ndarray],
    vocab: list[str],
    quant: str = "Q8_0",
    name: str = "all-MiniLM-L6-v2",
) -> None:
    """Writes the model; ``quant`` (a ggml type: Q8_0, F16, F32) is that of the big matrices.

    ``state`` is a BertModel's state dict as numpy arrays; what the trunk does
    not have (pooler, position ids, heads) is left out. Raises ValueError when
    a tensor is missing or has a shape that is not MiniLM's.
    """
    matrix_type = gguf.GGMLQuantizationType[quant]
    _check(state, vocab)
    writer = gguf.GGUFWriter(str(path), "bert")
    _write_keys(writer, vocab, name, quant)
    for theirs, ours in tensor_names().items():
        data = np.ascontiguousarray(state[theirs], dtype=np.float32)
        if _is_matrix(ours):
            writer.add_tensor(ours, gguf.quants.quantize(data, matrix_type), raw_dtype=matrix_type)
        else:
            writer.add_tensor(ours, data)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _is_matrix(name: str) -> bool:
    """Is it one of the matrices worth quantising?"""
    in_layer = name.startswith("blk.") and name.endswith(".weight") and "norm" not in name
    return in_layer or name == "token_embd.weight"


def _write_keys(writer: gguf.GGUFWriter, vocab: list[str], name: str, quant: str) -> None:
    writer.add_name(name)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0 if quant == "Q8_0"
                         else gguf.LlamaFileType.MOSTLY_F16 if quant == "F16"
                         else gguf.LlamaFileType.ALL_F32)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_layer_norm_eps(NORM_EPSILON)
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.MEAN)
    writer.add_tokenizer_model("bert")
    writer.add_token_list([llama_word(word) for word in vocab])
    writer.add_token_types([
        gguf.TokenType.CONTROL if word in SPECIALS else gguf.TokenType.NORMAL for word in vocab
    ])
    writer.add_token_type_count(TOKEN_TYPES)
    pad, unknown, first, separator, mask = (vocab.index(word) for word in SPECIALS)
    writer.add_pad_token_id(pad)
    writer.add_unk_token_id(unknown)
    writer.add_bos_token_id(first)  # llama.cpp's WordPiece puts BOS in front: [CLS]
    writer.add_eos_token_id(separator)
    writer.add_sep_token_id(separator)
    writer.add_mask_token_id(mask)


def _check(state: dict[str, np.ndarray], vocab: list[str]) -> None:
    missing = sorted(set(tensor_names()) - set(state))
    if missing:
        raise ValueError(f"tensors missing from the state dict: {', '.join(missing)}")
    shapes = {
        "embeddings.word_embeddings.weight": (len(vocab), WIDTH),
        "embeddings.position_embeddings.weight": (CONTEXT, WIDTH),
        "embeddings.token_type_embeddings.weight": (TOKEN_TYPES, WIDTH),
        f"encoder.layer.{LAYERS - 1}.intermediate.dense.weight": (FEED_FORWARD, WIDTH),
        f"encoder.layer.{LAYERS - 1}.output.dense.weight": (WIDTH, FEED_FORWARD),
    }
    for name, shape in shapes.items():
        if tuple(state[name].shape) != shape:
            raise ValueError(f"{name} has the shape {tuple(state[name].shape)}, not {shape}")
    absent = [word for word in SPECIALS if word not in vocab]
    if absent:
        raise ValueError(f"the vocabulary lacks {', '.join(absent)}")
