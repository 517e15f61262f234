"""What the operator model reads instead of a goal: `path1` for its first path, and so on.

The reader that the appliance has does it (`reader/src/mask.rs`), so that training and use agree."""

import dataclasses
import json
import pathlib
import subprocess

COMMAND = ["cargo", "run", "--quiet", "-p", "aios-reader", "--example", "mask"]


def mask(sentences):
    """The sentences with their mentions masked; a span that touches a mention has all of it."""
    lines = "".join(json.dumps(s.text) + "\n" for s in sentences)
    ran = subprocess.run(COMMAND, input=lines, text=True, stdout=subprocess.PIPE, check=True, cwd=pathlib.Path(__file__).parent)
    rows = [json.loads(line) for line in ran.stdout.splitlines()]
    assert len(rows) == len(sentences)
    return [masked(sentence, row["text"], row["places"]) for sentence, row in zip(sentences, rows)]


def masked(sentence, text, places):
    """One of them: `places` are (start, end, start in the goal, end in the goal)."""
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
