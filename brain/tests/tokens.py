"""Writes tests/fixtures/tokens.json: what Hugging Face's `tokenizers` makes of the evaluation
goals and of hostile texts. Run once, with `pip install tokenizers`: python3 tests/tokens.py VOCAB
"""

import json
import pathlib
import re
import sys

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

HERE = pathlib.Path(__file__).parent
HOSTILE = [
    "", " ", "[SEP] [CLS] [MASK] ##ing", "naïve café Ångström ÅNGSTRÖM İstanbul ß ẞ Œuvre", "日本語のテキスト and 中文",
    "a\u0000b\ufffdc\u200dd\u00ade\ufefff", "tab\there\nnew\r\nline\u00a0nbsp\u3000wide", "🙂👩‍👩‍👧 family 🏳️‍🌈", "e\u0301\u0301\u0301x \u0301alone",
    "a" * 100, "a" * 101, "/srv/My Pictures/été.jpg", "“quoted” ‘single’ «guillemets» – — …", "한국어 각 힣",
    "x\u0085y\u2028z", "Ⅷ ① ½ ﬁ ﬂ Ǆ ﷺ", "مرحبا بالعالم", "हिन्दी", "$100 + 5% ^ ` ~ | < = > €", "\u202eevil\u202c", "\ue000private", "ΣΑΣ ς",
]


def main():
    vocabulary = {word: number for number, word in enumerate(open(sys.argv[1], encoding="utf-8").read().split("\n")) if word}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    lines = (HERE.parent / "data/eval.tsv").read_text(encoding="utf-8").splitlines()
    goals = [re.sub(r"\[(?:\d\.)?[a-z_]+:([^\]]*)\]", r"\1", line.split("\t")[1]) for line in lines]
    cases = []
    for text in goals + HOSTILE:
        encoding = tokenizer.encode(text, add_special_tokens=False)
        cases.append({"text": text, "ids": encoding.ids, "offsets": encoding.offsets})
    out = "[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n"
    (HERE / "fixtures/tokens.json").write_text(out)


main()
