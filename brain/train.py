"""Trains the operator model: one command, one seed, weights and evaluation table out.

    python3 brain/train.py --base FOLDER --epochs 10

FOLDER holds all-MiniLM-L6-v2 (`model.safetensors`, `vocab.txt`). See brain/README.md.
"""

import argparse
import hashlib
import json
import pathlib
import random
import shutil
import time

import numpy
import torch
from torch.nn import functional as F

import evaluate
import masking
import minilm
import operator_io as io
import sentences
from minilm_gguf import read_vocab, write_gguf
from wordpiece import WordPiece

HERE = pathlib.Path(__file__).parent
SEED = 20
BATCH = 32
TRUNK_RATE, HEAD_RATE = 1.5e-4, 2e-3  # peak learning rates of AdamW
DROPOUT = 0.1
TAG_WEIGHT = 1.0  # of the tags' loss, beside the act's


def recipe(options):
    """A digest of all that makes the weights: data, code, settings."""
    digest = hashlib.sha256(json.dumps([SEED, BATCH, TRUNK_RATE, HEAD_RATE, DROPOUT, TAG_WEIGHT, options]).encode())
    for path in sorted([*HERE.glob("*.py"), *HERE.glob("data/**/*.t*")]):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def train(model, train_set, wordpiece, labels, epochs, chains):
    heads = [p for n, p in model.named_parameters() if n.startswith(("act.", "tag.", "query"))]
    # The embeddings stay as they were pretrained: words that no sentence here has keep their
    # meaning, and half of the optimiser's work is saved.
    model.words.requires_grad_(False), model.positions.requires_grad_(False), model.types.requires_grad_(False)
    trunk = [p for n, p in model.named_parameters() if n.startswith(("layers.", "norm."))]
    optimiser = torch.optim.AdamW([{"params": trunk, "lr": TRUNK_RATE}, {"params": heads, "lr": HEAD_RATE}], weight_decay=0.01)
    per_epoch = len(io.tensors(sentences.epoch(train_set, labels.tools, 0, chains), wordpiece, labels)) // BATCH + 1
    total = per_epoch * epochs
    shape = lambda step: min(1.0, (step + 1) / (0.08 * total)) * max(0.0, 1 - step / (total + 20))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, shape)
    barred = torch.stack([labels.barred(act) for act in labels.acts])
    dropout = minilm.Dropout(DROPOUT)
    started = time.time()
    for epoch in range(epochs):
        items = io.tensors(sentences.epoch(train_set, labels.tools, SEED * 1000 + epoch, chains), wordpiece, labels)
        rng = random.Random(epoch)
        items.sort(key=lambda item: len(item[0]) + rng.random() * 6)
        packs = list(io.batches(items, BATCH))
        rng.shuffle(packs)
        sums = [0.0, 0.0]
        model.train()
        for ids, mask, acts, tags in packs:
            with torch.autocast("cpu", torch.bfloat16):
                states = model.states(ids, mask, dropout)
            act_logits, tag_logits = model.heads(states, mask)
            act_loss = F.cross_entropy(act_logits, acts, label_smoothing=0.03)
            # The tags compete only with those that the act can have, as they will when it runs.
            tag_logits = tag_logits + barred[acts][:, None, :]
            tag_loss = F.cross_entropy(tag_logits[mask > 0], tags[mask > 0])
            optimiser.zero_grad(set_to_none=True)
            (act_loss + TAG_WEIGHT * tag_loss).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            sums = [sums[0] + act_loss.item(), sums[1] + tag_loss.item()]
        print(f"epoch {epoch + 1}/{epochs}: act {sums[0] / len(packs):.3f}, tags {sums[1] / len(packs):.4f}, {time.time() - started:.0f} s", flush=True)


def heads(model):
    """The heads under the names of their file."""
    return {"pool.query": model.query, "act.weight": model.act.weight, "act.bias": model.act.bias, "tag.weight": model.tag.weight, "tag.bias": model.tag.bias}


def export(model, base, labels, description, weights):
    """The files of brain/weights; returns the trunk as it was written."""
    weights.mkdir(parents=True, exist_ok=True)
    trunk = model.trunk()
    write_gguf(weights / "operator.gguf", trunk, read_vocab(base / "vocab.txt"), "Q8_0", "aiOS operator")
    minilm.write_safetensors(weights / "operator.heads.safetensors", {k: v.detach().numpy() for k, v in heads(model).items()})
    shutil.copyfile(base / "vocab.txt", weights / "operator.vocab.txt")
    (weights / "operator.json").write_text(json.dumps(description, indent=1) + "\n")


# Few words: in an emulated machine each costs a tenth of a second of every boot.
TEST_PROMPT, TEST_ACT = "check disk usage", "storage.usage"
FIXTURES = [("show me the files in /srv/www", []), ("is port 9090 open on db1?", []),
            ("make '/srv/My a' and write hello to /srv/a/b", [("fs.mkdir", {"path": "/srv/My a"})])]


def fixtures(model, wordpiece, labels, temperature, weights):
    """The runtime's test prompt, and states with decisions for the test that Rust decides the same."""
    cases, blobs = [], {}
    rows = masking.read([text for text, _ in FIXTURES])
    # The paths of the fixtures' acts are the first mentions of their goals.
    entries = lambda done: [sentences.history_entry(act, dict.fromkeys(arguments, "path1"), labels.tools) for act, arguments in done]
    read = [(text, entries(done)) for (text, _), (_, done) in zip(rows, FIXTURES)]
    answers = io.decide(model, wordpiece, labels, read, temperature)
    for number, ((text, done), (masked, history), (_, places), (ranked, found)) in enumerate(zip(FIXTURES, read, rows, answers)):
        value = {masked[start:end]: io.clean(text[was_start:was_end]) for start, end, was_start, was_end in places}
        arguments = {name: value.get(words, words) for name, words in found.items()}
        ids, _ = io.encode(wordpiece, masked, history)
        with torch.no_grad():
            states = model.states(torch.tensor([ids]), torch.ones(1, len(ids)), gelu="tanh")
        blobs[f"states.{number}"] = states[0].numpy()
        cases.append({"text": text, "done": done, "token_ids": ids, "ranked": ranked[:5], "arguments": arguments})
    folder = HERE / "tests/fixtures"
    minilm.write_safetensors(folder / "states.safetensors", blobs)
    (folder / "decisions.json").write_text(json.dumps(cases, indent=1) + "\n")
    [(ranked, _)] = io.decide(model, wordpiece, labels, [(TEST_PROMPT, [])], temperature)
    assert ranked[0][0] == TEST_ACT, ranked
    ids, _ = io.encode(wordpiece, TEST_PROMPT, [])
    prompt = {"text": TEST_PROMPT, "token_ids": ids, "expected_act": TEST_ACT}
    (weights / "operator.test.json").write_text(json.dumps(prompt) + "\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--base", type=pathlib.Path, required=True)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--chains", type=int, default=1500, help="composed goals per epoch")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--weights", type=pathlib.Path, default=HERE / "weights")
    parser.add_argument("--keep", type=pathlib.Path, help="where to keep the trained model for evaluate.py")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    random.seed(SEED), numpy.random.seed(SEED), torch.manual_seed(SEED)
    identity = recipe([options.epochs, options.chains])
    labels = io.Labels(sentences.registry(), sentences.SPECIAL)
    wordpiece = WordPiece(options.base / "vocab.txt")
    train_set, held = sentences.load()
    print(f"{len(train_set)} sentences to train on, {len(held)} held out, {len(labels.acts)} acts, {len(labels.slots)} slots", flush=True)
    model = minilm.Model(len(labels.acts), labels.tags)
    model.load_trunk(minilm.read_safetensors(options.base / "model.safetensors"))
    model.train()
    train(model, train_set, wordpiece, labels, options.epochs, options.chains)
    model.eval()
    if options.keep:
        minilm.write_safetensors(options.keep, {**model.trunk(), **{k: v.detach().numpy() for k, v in heads(model).items()}})
    evaluated = minilm.Model(len(labels.acts), labels.tags).eval()
    evaluated.load_state_dict(model.state_dict())
    evaluated.load_trunk({k: minilm.q8_0(v) if minilm.quantised(k) else v for k, v in model.trunk().items()})
    results = {name: evaluate.run(evaluated, wordpiece, labels, group) for name, group in evaluate.groups(held, labels.tools).items()}
    temperature, thresholds = evaluate.calibrate(results["another writer"])
    description = {"format": 2, "recipe": identity, "width": minilm.WIDTH, "acts": labels.acts, "slots": labels.slots,
                   "parameters": labels.tools, "temperature": temperature, "thresholds": thresholds}
    export(model, options.base, labels, description, options.weights)
    fixtures(evaluated, wordpiece, labels, temperature, options.weights)
    columns = {}
    for name, group in results.items():
        group = evaluate.at(group, temperature)
        columns[name] = evaluate.score(group, thresholds)
        print(f"\n{name}, what went wrong:", *evaluate.misses(group), sep="\n  ")
    print(f"\ntemperature {temperature}, thresholds {thresholds}, recipe {identity[:16]}\n")
    print(evaluate.table(columns))


if __name__ == "__main__":
    main()
