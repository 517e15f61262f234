"""BERT's uncased WordPiece with offsets: the same as src/tokenizer.rs, in Python.

Both are tested against the ids and offsets of Hugging Face's `tokenizers`
(tests/fixtures/tokens.json, written by tests/tokens.py).
"""

import unicodedata

DROPPED = {"Cc", "Cf", "Co"}
CJK = [
    (0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F), (0x2B920, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F),
]
WHITE = set(" \t\n\r\x0b\x0c\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000") | {chr(c) for c in range(0x2000, 0x200B)}


def _punctuation(char):
    ascii_punctuation = char.isascii() and char.isprintable() and not char.isalnum() and char != " "
    return ascii_punctuation or unicodedata.category(char).startswith("P")


def _letters(text):
    """(character, start, end, stands alone, is space) of the normalised text."""
    for index, original in enumerate(text):
        if original in "\0\ufffd":
            continue
        if original not in "\t\n\r" and unicodedata.category(original) in DROPPED:
            continue
        alone = any(low <= ord(original) <= high for low, high in CJK)
        for part in unicodedata.normalize("NFD", original):
            if unicodedata.category(part) == "Mn":
                continue
            for char in part.lower():
                yield char, index, index + 1, alone or _punctuation(char), char in WHITE


class WordPiece:
    """The vocabulary: `encode` gives (id, start, end), offsets in characters."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            self.words = file.read().split("\n")
        self.ids = {word: number for number, word in enumerate(self.words) if word}
        self.cls, self.sep, self.unknown = self.ids["[CLS]"], self.ids["[SEP]"], self.ids["[UNK]"]

    def encode(self, text):
        pieces, word = [], []
        for char, start, end, alone, space in _letters(text):
            if alone or space:
                self._word(word, pieces)
                word = []
            if alone:
                self._word([(char, start, end)], pieces)
            elif not space:
                word.append((char, start, end))
        self._word(word, pieces)
        return pieces

    def _word(self, word, pieces):
        if not word:
            return
        found, at = [], 0
        text = "".join(letter[0] for letter in word)
        while at < len(word) and len(word) <= 100:
            prefix = "##" if at else ""
            for end in range(len(word), at, -1):
                number = self.ids.get(prefix + text[at:end])
                if number is not None:
                    found.append((number, word[at][1], word[end - 1][2]))
                    at = end
                    break
            else:
                break
        if at < len(word):
            found = [(self.unknown, word[0][1], word[-1][2])]
        pieces.extend(found)
