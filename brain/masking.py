"""What the operator model reads instead of a goal: `path1` for its first path, and so on.

The reader that the appliance has does it (`reader/src/mask.rs`), so that training and use agree."""

import dataclasses
import json
import pathlib
import subprocess

COMMAND = ["cargo", "run", "--quiet", "-p", "aios-reader", "--example", "mask"]


def read(texts):
    """For each text (masked text, places); a place is (start, end, start in the text, end in the text)."""
    lines = "".join(json.dumps(text) + "\n" for text in texts)
    ran = subprocess.run(COMMAND, input=lines, text=True, stdout=subprocess.PIPE, check=True, cwd=pathlib.Path(__file__).parent)
    rows = [json.loads(line) for line in ran.stdout.splitlines()]
    assert len(rows) == len(texts)
    return [(row["text"], row["places"]) for row in rows]


def mask(sentences):
    """The sentences with their mentions masked; a span that touches a mention has all of it."""
    rows = read([s.text for s in sentences])
    return [masked(sentence, *row) for sentence, row in zip(sentences, rows)]


def masked(sentence, text, places):
    """One of them."""
    spans = [(step, slot, moved(places, start, True), moved(places, end, False)) for step, slot, start, end in sentence.spans]
    return dataclasses.replace(sentence, text=text, spans=spans)


def moved(places, at, first):
    """Where a character of the goal is in the masked text, as the first of a span or behind its last."""
    shift = 0
    for start, end, was_start, was_end in places:
        if was_start <= at < was_end if first else was_start < at <= was_end:
            return start if first else end
        if was_start >= at:
            break
        shift = end - was_end
    return at + shift
