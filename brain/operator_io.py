"""Between sentences and tensors: encoding, batches, decoding. Decoding is that of src/decode.rs."""

import numpy
import torch

LIMIT = 128  # tokens of a training example; longer ones are left out


class Labels:
    """Numbers of acts, slots and tags."""

    def __init__(self, tools, special):
        self.tools = tools
        self.acts = sorted([*tools, *special])
        self.slots = sorted({slot for slots in tools.values() for slot in slots})
        self.act = {name: number for number, name in enumerate(self.acts)}
        self.slot = {name: number for number, name in enumerate(self.slots)}
        self.tags = 1 + 2 * len(self.slots)

    def allowed(self, act):
        """Tags that an act can have."""
        return [0] + [2 * self.slot[s] + k for s in sorted(self.tools.get(act, []), key=self.slot.get) for k in (1, 2)]

    def barred(self, act):
        """Added to tag logits: nothing for tags that the act can have, minus infinity for the others."""
        row = torch.full((self.tags,), -torch.inf)
        row[self.allowed(act)] = 0.0
        return row


def encode(wordpiece, text, history):
    """(ids, pieces): `[CLS] text [SEP] entry [SEP] …`, and for each id (start, end) in the text or None."""
    ids, pieces = [wordpiece.cls], [None]
    for index, part in enumerate([text, *history]):
        for number, start, end in wordpiece.encode(part):
            ids.append(number)
            pieces.append((start, end) if index == 0 else None)
        ids.append(wordpiece.sep)
        pieces.append(None)
    return ids, pieces


def tensors(examples, wordpiece, labels):
    """(ids, act, tags) of each example that is short enough."""
    out = []
    for text, history, act, spans in examples:
        ids, pieces = encode(wordpiece, text, history)
        if len(ids) > LIMIT:
            continue
        tags = [0] * len(ids)
        for slot, start, end in spans:
            inside = [i for i, piece in enumerate(pieces) if piece and piece[0] < end and piece[1] > start]
            for i in inside:
                tags[i] = 2 * labels.slot[slot] + (1 if i == inside[0] else 2)
        out.append((ids, labels.act[act.split("|")[0]], tags))
    return out


def batches(items, size):
    """Padded batches of items of similar length: (ids, mask, acts, tags)."""
    for at in range(0, len(items), size):
        part = items[at : at + size]
        length = max(len(ids) for ids, _, _ in part)
        pad = lambda rows: torch.tensor([row + [0] * (length - len(row)) for row in rows])
        mask = pad([[1.0] * len(ids) for ids, _, _ in part])
        yield pad([p[0] for p in part]), mask, torch.tensor([p[1] for p in part]), pad([p[2] for p in part])


def viterbi(scores, usable):
    """Runs (slot, start, end) of the likeliest legal tags; `scores` are log probabilities, tokens x tags."""
    usable = numpy.array(usable)
    inside = (usable > 0) & (usable % 2 == 0)
    legal = numpy.where(inside[:, None], (usable[None] == usable[:, None]) | (usable[None] == usable[:, None] - 1), True)
    best = numpy.where(inside, -numpy.inf, scores[0, usable])
    back = []
    for row in scores[1:, usable]:
        table = numpy.where(legal, best[None], -numpy.inf)
        step = table.argmax(1)
        back.append(step)
        best = table[numpy.arange(len(usable)), step] + row
    index, path = int(best.argmax()), []
    for step in [*reversed(back), None]:
        path.append(int(usable[index]))
        if step is not None:
            index = int(step[index])
    runs = []
    for token, tag in enumerate(reversed(path)):
        if tag == 0:
            continue
        if tag % 2 == 0 and runs and runs[-1][2] == token:
            runs[-1][2] += 1
        else:
            runs.append([(tag - 1) // 2, token, token + 1])
    return runs


QUOTES = [('"', '"'), ("'", "'"), ("`", "`"), ("“", "”"), ("‘", "’"), ("«", "»")]


def clean(text):
    """As `clean` in src/operator.rs."""
    text = text.strip()
    while True:
        before = len(text)
        for opening, closing in QUOTES:
            quotes = sum(char in (opening, closing) for char in text)
            if quotes == 2 and len(text) >= 2 and text[0] == opening and text[-1] == closing:
                text = text[1:-1].strip()
            elif quotes == 1:
                text = text.lstrip(opening).rstrip(closing)
        text = text.rstrip(",;:").strip()
        if len(text) == before:
            return text


def decide(model, wordpiece, labels, cases, temperature=1.0, gelu="tanh"):
    """For each (text, history): (ranked acts with probabilities, arguments)."""
    encoded = [encode(wordpiece, text, history) for text, history in cases]
    order = sorted(range(len(cases)), key=lambda i: len(encoded[i][0]))
    out = [None] * len(cases)
    with torch.no_grad():
        for at in range(0, len(order), 32):
            part = order[at : at + 32]
            length = max(len(encoded[i][0]) for i in part)
            pad = lambda row, fill: row + [fill] * (length - len(row))
            ids = torch.tensor([pad(encoded[i][0], 0) for i in part])
            mask = torch.tensor([pad([1.0] * len(encoded[i][0]), 0.0) for i in part])
            acts, tags = model.heads(model.states(ids, mask, gelu=gelu), mask)
            for i, logits, tag in zip(part, acts, tags):
                ranked = rank(logits, temperature, labels)
                pieces = encoded[i][1]
                score = torch.log_softmax(tag[: len(pieces)] + labels.barred(ranked[0][0]), 1).numpy().clip(-20.7)
                out[i] = (ranked, arguments(cases[i][0], pieces, score, labels, ranked[0][0]))
    return out


def rank(logits, temperature, labels):
    """Acts with their probabilities, likeliest first."""
    probabilities = torch.softmax(logits / temperature, 0).numpy()
    return [(labels.acts[i], float(probabilities[i])) for i in numpy.argsort(-probabilities, kind="stable")]


def soften(answers, temperature):
    """The same answers at another temperature."""
    out = []
    for ranked, found in answers:
        p = numpy.array([p for _, p in ranked], "f8").clip(1e-30) ** (1 / temperature)
        out.append(([(act, float(q)) for (act, _), q in zip(ranked, p / p.sum())], found))
    return out


def arguments(text, pieces, scores, labels, act):
    """Slot to text, the surest span of each."""
    found = {}
    for slot, start, end in viterbi(scores, labels.allowed(act)):
        first, last = pieces[start], pieces[end - 1]
        if first is None or last is None or any(p is None for p in pieces[start:end]):
            continue
        least = min(scores[start, 2 * slot + 1], *scores[start + 1 : end, 2 * slot + 2], 0.0)
        value = clean(text[first[0] : last[1]])
        name = labels.slots[slot]
        if value and (name not in found or found[name][1] < least):
            found[name] = (value, least)
    return {name: value for name, (value, _) in found.items()}
