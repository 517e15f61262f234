"""The training data: reading it, and making a fresh variation of it for every epoch.

A line is `act<TAB>sentence`, its arguments bracketed in place: `fs.mkdir<TAB>make [path:/srv/a]`.
In the evaluation set acts may be `a|b` (either is right) or a chain `a > b`, whose second call's
arguments are `[2.path:/srv/a]`.
"""

import dataclasses
import pathlib
import random
import re

import masking
import values

HERE = pathlib.Path(__file__).parent
SPECIAL = ("ask", "done", "none")
ALIKE_MAX = 4  # sentences of one template
BRACKET = re.compile(r"\[(?:(\d)\.)?([a-z_]+):((?:[^\[\]]|\[[^\[\]]*\])*)\]")


@dataclasses.dataclass
class Sentence:
    """A text with its spans: (step, slot, start, end) in characters."""

    acts: list
    text: str
    spans: list

    def arguments(self, step):
        return {slot: self.text[start:end] for n, slot, start, end in self.spans if n == step}


def lines():
    """(tool or skill, its parameters, does it change anything) of each line of tools.txt."""
    for line in (HERE / "data/tools.txt").read_text().splitlines():
        name, parameters, effect = re.fullmatch(r"([a-z]+\.[a-z_]+)\((.*)\) (looks|changes)", line).groups()
        yield name, [part.strip(" ?") for part in re.split(r"[,|]", parameters) if part.strip()], effect == "changes"


def registry():
    """Tool or skill to its parameters, in their order."""
    return {name: parameters for name, parameters, _ in lines()}


def changing():
    """The tools and skills that change something."""
    return {name for name, _, changes in lines() if changes}


def parse(act, marked, tools):
    """One line; wrong labels are errors."""
    acts = [part.strip() for part in act.split(">")]
    for part in acts:
        for name in part.split("|"):
            assert name in tools or name in SPECIAL, f"unknown act {name}: {marked}"
    text, spans, at = "", [], 0
    for match in BRACKET.finditer(marked):
        text += marked[at : match.start()]
        step, slot = int(match[1] or 1) - 1, match[2]
        assert any(slot in tools.get(name, []) for name in acts[step].split("|")), f"{acts[step]} has no {slot}: {marked}"
        spans.append((step, slot, len(text), len(text) + len(match[3])))
        text += match[3]
        at = match.end()
    return Sentence(acts, text + marked[at:], spans)


def read(path, tools):
    sentences = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            act, marked = line.split("\t")
            sentences.append(parse({"NONE": "none"}.get(act, act), marked, tools))
    return sentences


def skeleton(sentence):
    """The sentence without its values: two with the same one are the same template."""
    text, at = "", 0
    for _, slot, start, end in sorted(sentence.spans, key=lambda span: span[2]):
        text += sentence.text[at:start] + "<" + slot + ">"
        at = end
    return re.sub(r"[^a-z<>]+", " ", (text + sentence.text[at:]).lower()).strip()


def load():
    """(training sentences, those of a writer who is held out); a few of each template, since what
    many say is what is said, and nothing whose template is in eval.tsv, fresh.tsv or the held-out writer's."""
    tools = registry()
    folder = lambda name: [s for path in sorted((HERE / "data" / name).glob("*.tsv")) for s in read(path, tools)]
    evaluation = {skeleton(s) for name in ("eval.tsv", "fresh.tsv") for s in read(HERE / "data" / name, tools)}
    held = {skeleton(s): s for s in folder("held")}
    train = {}
    for sentence in folder("train"):
        train.setdefault(skeleton(sentence), {})[sentence.text] = sentence
    kept = [s for key in sorted(train) if key not in evaluation and key not in held for s in list(train[key].values())[:ALIKE_MAX]]
    return kept, [held[key] for key in sorted(held)]


def history_entry(act, arguments, tools):
    """What one finished act looks like: as `history_entry` in src/operator.rs."""
    values_ = [arguments[name][:48] for name in tools[act] if name in arguments]
    return " ".join([act, *values_, "ok"])


# --- variation -------------------------------------------------------------------------------

OPENERS = ["please ", "hey, ", "hi, ", "can you ", "could you ", "could you please ", "ok, ", "now ", "I want you to ", "aios, ", "would you ", "pls ", "then "]
CLOSERS = [" please", " pls", " for me", " now", ", thanks", " thx", " and report", " and tell me", " and report back", " right away", " if you can", "!", ".", "..", " ?"]
GLUE = [(" and ", ""), (" and then ", ""), (", then ", ""), (". Then ", ""), (", and after that ", ""), ("; ", ""), (". After that ", ""), (". Afterwards ", ""), (" and also ", ""), (" followed by: ", ""), (". Also ", ""), (", afterwards ", ""), (", finally ", "")]


def splice(sentence, replace):
    """The sentence with each span's text given by `replace(slot, text)` -> (before, value, after)."""
    text, spans, at = "", [], 0
    for step, slot, start, end in sorted(sentence.spans, key=lambda span: span[2]):
        before, value, after = replace(slot, sentence.text[start:end])
        text += sentence.text[at:start] + before
        spans.append((step, slot, len(text), len(text) + len(value)))
        text += value + after
        at = end
    return Sentence(sentence.acts, text + sentence.text[at:], spans)


def around(sentence, before, after):
    return Sentence(sentence.acts, before + sentence.text + after,
                    [(n, slot, start + len(before), end + len(before)) for n, slot, start, end in sentence.spans])


def misspell(sentence, rng):
    """One slip of the fingers outside the arguments."""
    free = [i for i in range(1, len(sentence.text) - 2)
            if sentence.text[i : i + 2].isalpha() and not any(start - 1 <= i <= end for _, _, start, end in sentence.spans)]
    if not free:
        return sentence
    i = rng.choice(free)
    text = sentence.text
    kind = rng.random()
    if kind < 0.5:
        return Sentence(sentence.acts, text[:i] + text[i + 1] + text[i] + text[i + 2 :], sentence.spans)
    cut, put = (1, "") if kind < 0.75 else (0, text[i])
    shift = len(put) - cut
    return Sentence(sentence.acts, text[:i] + put + text[i + cut :],
                    [(n, s, a + shift * (a > i), b + shift * (a > i)) for n, s, a, b in sentence.spans])


def vary(sentence, pools, rng):
    """The same request with other values and other manners."""
    act = sentence.acts[0]
    copies = {}

    def replace(slot, text):
        start = rng.random()
        if start < 0.25:
            return "", text, ""
        if text in copies:
            return "", copies[text], ""
        value = values.make(act, slot, text, pools, rng)
        copies[text] = value
        quote = values.quote(slot, value, rng)
        return quote[0], value, quote[1]

    sentence = splice(sentence, replace)
    plain = sentence.text.rstrip("?.! ")
    if not any(end > len(plain) for *_, end in sentence.spans) and rng.random() < 0.3:
        sentence = Sentence(sentence.acts, plain, sentence.spans)
    if act != "none" and rng.random() < 0.12:
        sentence = around(sentence, rng.choice(OPENERS), "")
    if act not in SPECIAL and rng.random() < 0.12 and sentence.text[-1:].isalnum():
        sentence = around(sentence, "", rng.choice(CLOSERS))
    return misspell(sentence, rng) if rng.random() < 0.08 else sentence


def join(parts, rng):
    """Several requests as one goal; each part's spans belong to its step."""
    text, spans, acts = "", [], []
    first = rng.random() < 0.15
    if first:
        text = "first "
    for step, part in enumerate(parts):
        if step:
            text += rng.choice(GLUE)[0] if len(parts) == 2 or step == len(parts) - 1 else rng.choice([", ", ", then ", " and ", ". "])
        body = part.text
        stripped = body.rstrip("?.! ")
        if step < len(parts) - 1 and all(end <= len(stripped) for *_, end in part.spans):
            body = stripped
        spans += [(step, slot, start + len(text), end + len(text)) for _, slot, start, end in part.spans]
        text += body
        acts += part.acts
    return Sentence(acts, text, spans)


def examples(sentence, tools):
    """(text, history, act, spans) for every state that the sentence passes through."""
    history = []
    for step, act in enumerate(sentence.acts):
        spans = [(slot, start, end) for n, slot, start, end in sentence.spans if n == step]
        yield sentence.text, list(history), act, spans
        if act in SPECIAL:
            return
        act = act.split("|")[0]
        history.append(history_entry(act, sentence.arguments(step), tools))
    yield sentence.text, list(history), "done", []


def epoch(train, tools, seed, chains=1500):
    """One epoch's examples: all sentences varied, their `done` for some, and composed goals."""
    rng = random.Random(seed)
    pools = values.pools(train)
    singles = [s for s in train if s.acts[0] not in SPECIAL and len(s.acts) == 1]
    varied = [vary(sentence, pools, rng) for sentence in train]
    composed = []
    for _ in range(chains):
        count = 2 if rng.random() < 0.8 else 3
        parts = [vary(rng.choice(singles), pools, rng) for _ in range(count)]
        if sum(len(part.text) for part in parts) <= 260:
            composed.append(join(parts, rng))
    both = masking.mask(varied + composed)
    out = []
    for sentence in both[: len(varied)]:
        states = list(examples(sentence, tools))
        out.append(states[0])
        if len(sentence.acts) > 1:
            out += states[1:]
        elif len(states) > 1 and rng.random() < 0.12:
            out.append(states[1])
    for sentence in both[len(varied) :]:
        states = list(examples(sentence, tools))
        if rng.random() < 0.7:
            out.append(states[0])
        out.append(states[rng.randrange(1, len(states))])
    rng.shuffle(out)
    return out
