"""How fast usual tools extract from the same documents.

    peer_speed.py EXAMPLE ENCODER

EXAMPLE is a folder with labels.json and documents/, from which spaCy's blank pipeline learns for a few passes. ENCODER is the
folder of the encoder: `transformers` gets it with a fresh head of as many tags as the label file needs, since a head's
weights change no speed. The first line of standard input is a JSON list of texts; the names of the peers come back as one, what
is not installed left out. Each further line asks for one measurement, `PEER alone SECONDS` (one text per call) or `PEER batched
SECONDS` (thirty-two), PEER being a place in that list, and is answered by one line of JSON. Asked by turns with something else,
both meet the same machine.
"""

import json
import pathlib
import random
import sys
import time

BATCH = 32
PASSES = 5


class Peer:
    """One tool: how it takes one text, and how many."""

    def __init__(self, name, texts, one, many):
        batch = [texts[at % len(texts)] for at in range(BATCH)]
        self.name = name
        self.calls = {"alone": one, "batched": many}
        self.inputs = {
            "alone": [(text, len(text.split())) for text in texts],
            "batched": [(batch, sum(len(text.split()) for text in batch))],
        }
        self.warm = set()

    def measure(self, how, seconds):
        """Calls with one input after another until the time is over, once a first call has warmed it up."""
        call, inputs = self.calls[how], self.inputs[how]
        if how not in self.warm:
            call(inputs[0][0])
            self.warm.add(how)
        words, milliseconds, begun = 0, [], time.perf_counter()
        while time.perf_counter() - begun < seconds:
            what, count = inputs[len(milliseconds) % len(inputs)]
            start = time.perf_counter()
            call(what)
            milliseconds.append((time.perf_counter() - start) * 1e3)
            words += count
        return {"words_per_second": words / (time.perf_counter() - begun), "milliseconds": milliseconds}


def spacy_pipeline(folder, labels):
    import spacy
    from spacy.training import Example

    random.seed(1)
    pipeline = spacy.blank("en")
    tagger = pipeline.add_pipe("ner")
    examples = []
    for document in labels["documents"]:
        text = (folder / "documents" / document["location"]).read_bytes().decode()
        found = [label for region in document["entities"] for label in region["labels"]]
        spans = [(label["offset"], label["offset"] + label["length"], label["category"]) for label in found]
        for *_, category in spans:
            tagger.add_label(category)
        doc = pipeline.make_doc(text)
        fitting = [span for span in spans if doc.char_span(*span)]
        examples.append(Example.from_dict(doc, {"entities": fitting}))
    optimizer = pipeline.initialize(lambda: examples)
    for _ in range(PASSES):
        random.shuffle(examples)
        for at in range(0, len(examples), 8):
            pipeline.update(examples[at : at + 8], sgd=optimizer)
    return f"spaCy {spacy.__version__}", pipeline


def transformers_pipeline(labels, encoder):
    import transformers

    transformers.logging.set_verbosity_error()
    tags = 1 + 2 * len(labels["entities"])
    model = transformers.AutoModelForTokenClassification.from_pretrained(encoder, num_labels=tags)
    tokenizer = transformers.AutoTokenizer.from_pretrained(encoder, model_max_length=512)
    pipeline = transformers.pipeline(
        "token-classification", model=model, tokenizer=tokenizer, aggregation_strategy="first", stride=64
    )
    return f"transformers {transformers.__version__}", pipeline


def main():
    folder, encoder = pathlib.Path(sys.argv[1]), sys.argv[2]
    labels = json.loads((folder / "labels.json").read_bytes())["assets"]
    texts = json.loads(sys.stdin.readline())
    peers = []
    try:
        name, spacy = spacy_pipeline(folder, labels)
        peers.append(Peer(name, texts, spacy, lambda batch: list(spacy.pipe(batch, batch_size=BATCH))))
    except ImportError as error:
        print(f"spaCy is left out: {error}", file=sys.stderr)
    try:
        name, pipeline = transformers_pipeline(labels, encoder)
        peers.append(Peer(name, texts, pipeline, lambda batch: pipeline(batch, batch_size=BATCH)))
    except ImportError as error:
        print(f"transformers is left out: {error}", file=sys.stderr)
    print(json.dumps([peer.name for peer in peers]), flush=True)
    for line in sys.stdin:
        peer, how, seconds = line.split()
        print(json.dumps(peers[int(peer)].measure(how, float(seconds))), flush=True)


main()
