"""Scores an operator model: `evaluate.py` runs over the exported weights as llama.cpp would
(Q8_0 matrices, tanh GELU) and prints the table of brain/README.md."""

import json
import pathlib
import sys

import numpy
import torch

import masking
import minilm
import operator_io as io
import sentences
from wordpiece import WordPiece

HERE = pathlib.Path(__file__).parent
CHANGING = sentences.changing()
COST = {"look": 1, "change": 3}  # of a wrong call, in right ones; a change can be undone mostly


def states(group, tools):
    """(sentence, step, text, history, acts that are right, arguments) of every state before `done`."""
    for sentence in group:
        for step, (text, history, act, _) in enumerate(sentences.examples(sentence, tools)):
            wanted = {} if act == "done" else {k: io.clean(v) for k, v in sentence.arguments(step).items()}
            yield sentence, step, text, history, act.split("|"), wanted


def groups(held, tools):
    """What is scored: goals never seen while data was added, goals kept apart, another writer's sentences."""
    files = {name: sentences.read(HERE / "data" / name, tools) for name in ("fresh.tsv", "eval.tsv")}
    return {name: masking.mask(group) for name, group in {**files, "another writer": held}.items()}


def run(model, wordpiece, labels, group):
    """All states of a group with what the model says, at temperature 1."""
    cases = list(states(group, labels.tools))
    return list(zip(cases, io.decide(model, wordpiece, labels, [(c[2], c[3]) for c in cases])))


def at(results, temperature):
    """The same results at another temperature."""
    return list(zip([c for c, _ in results], io.soften([a for _, a in results], temperature)))


def judge(act, confidence, thresholds):
    """As `Operator::decide`: what is proposed."""
    limit = {"none": 0.0, "ask": 0.0, "done": thresholds["done"]}.get(act)
    if limit is None:
        limit = thresholds["change" if act in CHANGING else "look"]
    return act if confidence >= limit else "ask"


def score(results, thresholds):
    """The figures of one group."""
    single = [(c, a) for c, a in results if len(c[0].acts) == 1]
    goals = [(c, a) for c, a in single if c[1] == 0 and c[4][0] not in sentences.SPECIAL]
    none = [(c, a) for c, a in single if c[4] == ["none"]]
    ask = [(c, a) for c, a in single if c[4] == ["ask"]]
    done = [(c, a) for c, a in single if c[4] == ["done"]]
    first = [a[0][0][0] in c[4] for c, a in goals]
    third = [any(act in c[4] for act, _ in a[0][:3]) for c, a in goals]
    slots = [f and a[1] == c[5] for (c, a), f in zip(goals, first)]
    proposals = [judge(*a[0][0], thresholds) for c, a in goals]
    accepted = [p in c[4] and a[1] == c[5] for (c, a), p in zip(goals, proposals)]
    wrong = [p not in c[4] and p not in sentences.SPECIAL for (c, a), p in zip(goals, proposals)]
    none_called = [judge(*a[0][0], thresholds) not in sentences.SPECIAL for c, a in none]
    chains = {}
    for c, a in results:
        if len(c[0].acts) > 1:
            right = judge(*a[0][0], thresholds) in c[4] and (c[4] == ["done"] or a[1] == c[5])
            chains.setdefault(id(c[0]), []).append(right)
    rows = [
        ("goals: right act first", first), ("goals: right act in the first three", third),
        ("goals: right act and every argument exact", slots),
        ("goals: proposed, right and exact, at the threshold", accepted),
        ("goals: wrong call proposed (lower is better)", wrong),
        ("none: recognised as none", [judge(*a[0][0], thresholds) == "none" for c, a in none]),
        ("none: no call proposed", [not called for called in none_called]),
        ("ask: recognised as ask", [judge(*a[0][0], thresholds) == "ask" for c, a in ask]),
        ("one act in the history: done", [judge(*a[0][0], thresholds) == "done" for c, a in done]),
        ("chains: steps right and exact", [step for steps in chains.values() for step in steps]),
        ("chains: whole chain right and exact", [all(steps) for steps in chains.values()]),
    ]
    return [(name, sum(values), len(values)) for name, values in rows if values]


def table(columns):
    """A Markdown table of several groups' figures."""
    lines = ["| figure | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for name, _, _ in max(columns.values(), key=len):
        cells = []
        for rows in columns.values():
            hit = [(good, of) for row, good, of in rows if row == name]
            cells.append(f"{100 * hit[0][0] / hit[0][1]:.1f} % ({hit[0][0]}/{hit[0][1]})" if hit else "–")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def calibrate(results):
    """(temperature factor, thresholds) that fit a held-out group; results at temperature 1."""
    rows = [(a[0], c[4]) for c, a in results]

    def loss(t):
        total = 0.0
        for ranked, right in rows:
            p = numpy.array([p for _, p in ranked], "f8").clip(1e-12) ** (1 / t)
            good = sum(q for (act, _), q in zip(ranked, p) if act in right)
            total -= numpy.log(max(good / p.sum(), 1e-12))
        return total

    temperature = min((t / 20 for t in range(8, 61)), key=loss)
    calls = {"look": [], "change": []}
    for ranked, right in rows:
        p = numpy.array([p for _, p in ranked], "f8").clip(1e-12) ** (1 / temperature)
        act = ranked[0][0]
        if act not in sentences.SPECIAL:
            calls["change" if act in CHANGING else "look"].append((p[0] / p.sum(), act in right))
    thresholds = {"done": 0.4}
    for kind, made in calls.items():
        gain = lambda limit: sum((1 if good else -COST[kind]) for p, good in made if p >= limit)
        thresholds[kind] = max((t / 50 for t in range(5, 48)), key=gain)
    return temperature, thresholds


def misses(results):
    """What went wrong, one line each."""
    for c, a in results:
        right = a[0][0][0] in c[4] and (c[4][0] in sentences.SPECIAL or a[1] == c[5])
        if not right:
            yield f"{c[2]!r} {c[3] or ''}\n    wanted {'|'.join(c[4])} {c[5]}\n    got    {[(x, round(p, 2)) for x, p in a[0][:3]]} {a[1]}"


def load(folder, base):
    """The exported model; the trunk from the checkpoint that train.py keeps beside its log."""
    description = json.loads((folder / "operator.json").read_text())
    labels = io.Labels(sentences.registry(), sentences.SPECIAL)
    model = minilm.Model(len(labels.acts), labels.tags)
    trunk = minilm.read_safetensors(base)
    model.load_trunk({k: minilm.q8_0(v) if minilm.quantised(k) else v for k, v in trunk.items()})
    heads = minilm.read_safetensors(folder / "operator.heads.safetensors")
    with torch.no_grad():
        for name, parameter in (("pool.query", model.query), ("act.weight", model.act.weight), ("act.bias", model.act.bias),
                                ("tag.weight", model.tag.weight), ("tag.bias", model.tag.bias)):
            parameter.copy_(torch.from_numpy(heads[name]))
    return model.eval(), WordPiece(folder / "operator.vocab.txt"), labels, description


def main():
    torch.set_num_threads(1)
    model, wordpiece, labels, description = load(HERE / "weights", pathlib.Path(sys.argv[1]))
    columns = {}
    for name, group in groups(sentences.load()[1], labels.tools).items():
        results = at(run(model, wordpiece, labels, group), description["temperature"])
        columns[name] = score(results, description["thresholds"])
        print(name, *misses(results), sep="\n  ")
    print(table(columns))


if __name__ == "__main__":
    main()
