#!/usr/bin/env python3
"""Measures cliploupe-cli beside ONNX Runtime and PyTorch: the same checkpoint, the same pictures and texts, one machine.

Optional; nothing that builds or tests Cliploupe runs it. It needs

    pip install torch open_clip_torch onnxruntime onnx onnxscript safetensors

and a release build of the command line. A checkpoint in open_clip's layout is compared as it is; one of the right shape
with random weights is enough for speed, and needs no download:

    cargo build --release -p cliploupe-cli
    target/release/cliploupe-cli bench --only encode --shape vit-b-32 --keep /tmp/vit-b-32
    tests/bench/peers.py --cli target/release/cliploupe-cli --model /tmp/vit-b-32

How it is measured:

- open_clip loads the checkpoint into PyTorch; both towers are exported to ONNX with a free batch size.
- First all three must agree: unit vectors of the same pixels and the same tokens. What does not agree is not timed.
- In every round each of the three is timed, one after the other and never two at once, and the order turns from round
  to round, so that a machine that gets slower, or is shared, slows all of them. A time is the median of several runs
  after one that does not count, over at least a second; every round starts a new process of ours, which warms up inside.
- All have the same number of threads. A picture is timed from normalised pixels in memory to its unit vector in memory.
- Texts are 100 labels in one template. Ours computes only as far as the longest text of a batch reaches, since what
  comes after cannot change the result; ONNX Runtime and PyTorch compute all positions of the context, as exported
  models do. That is part of what is compared, so read these rows as "until the labels are there".
- A ratio above 1 means that ours is faster. It is the median of the ratios of each round; the range is that of the rounds.

On a GPU, `--device cuda` times PyTorch in f16 and f32 there, ONNX Runtime if it was built with CUDA, and ours with
`--device gpu` (ours as `--bench-arg` says, such as a precision). Whether both use the same card is for you to see: their
names are printed.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LABELS = 100
TEMPLATE = "a photo of a {}."
LABEL_SETS = ("everyday", "scenes", "animals", "objects", "food", "documents")
TEXT = f"{LABELS} labels"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cli", required=True, help="path of a release build of cliploupe-cli")
    parser.add_argument("--model", required=True, metavar="FOLDER", help="a checkpoint in open_clip's layout")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="for each of the three (default: all)")
    parser.add_argument("--batch", type=int, nargs="+", metavar="N", help="default: 1 16, on a GPU 1 32 256")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--bench-arg", action="append", default=[], metavar="ARG", help="also given to our bench")
    parser.add_argument("--agreement", type=float, default=0.9999, help="lowest cosine that counts as the same")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    args = parser.parse_args()
    args.batch = args.batch or ([1, 16] if args.device == "cpu" else [1, 32, 256])
    # open_clip looks for a text tower named "." in the working directory, and paths must survive that.
    args.cli, args.model = (str(Path(path).resolve()) for path in (args.cli, args.model))
    return args


def ours(args, *command):
    """What cliploupe-cli says."""
    environment = dict(os.environ, RAYON_NUM_THREADS=str(args.threads))
    done = subprocess.run([args.cli, *command, "--json"], capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        sys.exit(f"cliploupe-cli {' '.join(command)} failed: {done.stderr.strip()}")
    return json.loads(done.stdout)


def our_device(args):
    return "cpu" if args.device == "cpu" else "gpu"


def sentences():
    """The labels that `bench` encodes: the first hundred of the program's own."""
    folder = Path(__file__).resolve().parents[2] / "assets" / "labels"
    lines = [line.strip() for name in LABEL_SETS for line in (folder / f"{name}.txt").read_text().splitlines()]
    return [TEMPLATE.format(label) for label in lines if label][:LABELS]


def timed(work):
    """Seconds of one run: the median of at least three, over a second or more, after one that does not count."""
    work()
    begin, times = time.perf_counter(), []
    while len(times) < 3 or (time.perf_counter() - begin < 1 and len(times) < 50):
        run = time.perf_counter()
        work()
        times.append(time.perf_counter() - run)
    return statistics.median(times)


class Torch:
    """open_clip's model on a device in a precision."""

    def __init__(self, args, device, precision):
        import open_clip
        import torch

        self.torch, self.device = torch, device
        self.name = "PyTorch" if device == "cpu" else f"PyTorch {precision}"
        self.dtype = torch.float16 if precision == "f16" else torch.float32
        folder = os.getcwd()
        os.chdir(args.model)
        self.model, _, _ = open_clip.create_model_and_transforms(f"local-dir:{args.model}")
        os.chdir(folder)
        self.model = self.model.eval().to(device=device, dtype=self.dtype)

    def image(self, pixels):
        with self.torch.inference_mode():
            vectors = self.model.encode_image(pixels.to(self.device, self.dtype), normalize=True)
            return vectors.float().cpu().numpy()

    def text(self, tokens):
        with self.torch.inference_mode():
            return self.model.encode_text(tokens.to(self.device), normalize=True).float().cpu().numpy()


class Onnx:
    """Both towers, exported from PyTorch in f32, in ONNX Runtime."""

    def __init__(self, args, torch_model, pixels, tokens, folder):
        import onnxruntime
        import torch

        self.name = "ONNX Runtime"
        provider = "CPUExecutionProvider" if args.device == "cpu" else "CUDAExecutionProvider"
        if provider not in onnxruntime.get_available_providers():
            raise RuntimeError(f"this ONNX Runtime has no {provider}")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = args.threads, 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL

        class Tower(torch.nn.Module):
            def __init__(self, model, encode):
                super().__init__()
                self.model, self.encode = model, encode

            def forward(self, x):
                return getattr(self.model, self.encode)(x, normalize=True)

        self.sessions = {}
        for encode, example in (("encode_image", pixels[:2]), ("encode_text", tokens[:2])):
            path = str(Path(folder) / f"{encode}.onnx")
            torch.onnx.export(
                Tower(torch_model, encode).eval(),
                (example,),
                path,
                input_names=["x"],
                output_names=["vectors"],
                dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=4096)},),
                dynamo=True,
                verbose=False,
            )
            self.sessions[encode] = onnxruntime.InferenceSession(path, options, providers=[provider])

    def image(self, pixels):
        return self.sessions["encode_image"].run(None, {"x": pixels.numpy()})[0]

    def text(self, tokens):
        return self.sessions["encode_text"].run(None, {"x": tokens.numpy()})[0]


def pictures(torch, count, side):
    """Normalised pixels of pictures that differ in large and in small: slopes, waves and grain."""
    random = torch.Generator().manual_seed(1)
    y, x = torch.meshgrid(torch.linspace(-1, 1, side[0]), torch.linspace(-1, 1, side[1]), indexing="ij")
    waves = torch.rand(count, 3, 4, generator=random) * 12 - 6
    a, b, c, d = (waves[:, :, i, None, None] for i in range(4))
    grain = torch.randn(count, 3, *side, generator=random) * 0.3
    return (torch.sin(a * x + b * y + c) + d / 6 * x + grain).contiguous()


def agreement(args, peers, pixels, tokens, folder):
    """The lowest cosine of each peer's vectors with ours; ends the program where they are not the same."""
    import numpy
    from safetensors.torch import save_file

    path = str(Path(folder) / "inputs.safetensors")
    save_file({"input.pixels": pixels, "input.tokens": tokens}, path)
    found = {}
    for kind, values in (("pixels", pixels), ("tokens", tokens)):
        answer = ours(args, "embed", f"--{kind}", path, "--model", args.model, "--device", our_device(args))
        vectors = numpy.array(answer["vectors"])
        # If all vectors were alike, to agree would show nothing.
        others = (vectors @ vectors.T)[numpy.triu_indices(len(vectors), 1)]
        found[kind] = {"two of ours, median": float(numpy.median(others))}
        for peer in peers:
            theirs = peer.image(values) if kind == "pixels" else peer.text(values)
            cosines = (vectors * theirs).sum(1) / numpy.linalg.norm(theirs, axis=1) / numpy.linalg.norm(vectors, axis=1)
            lowest = float(cosines.min())
            found[kind][peer.name] = lowest
            # A NaN is no agreement.
            if not lowest >= args.agreement:
                sys.exit(f"{kind}: {peer.name} and ours do not agree: lowest cosine {lowest:.6f}")
    return found


def our_rates(args):
    """Images and labels a second, by batch size, in a process of its own; and what it says of itself."""
    batch = ",".join(map(str, args.batch))
    options = ["--model", args.model, "--device", our_device(args), "--batch", batch, *args.bench_arg]
    report = ours(args, "bench", "--only", "encode", *options)
    figures = {figure["what"]: figure["value"] for figure in report["models"][0]["figures"]}
    rates = {f"batch {n}": figures[f"encode images, batch {n}"] for n in args.batch}
    rates[TEXT] = figures.get(f"encode {LABELS} labels, 1 template")
    return rates, report


def peer_rates(args, peer, pixels, tokens):
    rates = {}
    for n in args.batch:
        batch = pixels[:1].repeat(n, 1, 1, 1)
        rates[f"batch {n}"] = n / timed(lambda: peer.image(batch))
    rates[TEXT] = len(tokens) / timed(lambda: peer.text(tokens))
    return rates


def cpu_name():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def main():
    args = arguments()
    # Before torch is imported, which reads it once.
    os.environ["OMP_NUM_THREADS"] = str(args.threads)
    import onnxruntime
    import open_clip
    import torch

    torch.set_num_threads(args.threads)
    config = json.loads((Path(args.model) / "open_clip_config.json").read_text())["model_cfg"]
    side = config["vision_cfg"]["image_size"]
    pixels = pictures(torch, 4, [side, side] if isinstance(side, int) else side)
    tokens = torch.tensor(ours(args, "tokenize", "--model", args.model, *sentences())["ids"])

    notes = []
    with tempfile.TemporaryDirectory() as folder:
        reference = Torch(args, "cpu", "f32")
        peers = [reference] if args.device == "cpu" else [Torch(args, "cuda", "f16"), Torch(args, "cuda", "f32")]
        try:
            peers.insert(0, Onnx(args, reference.model, pixels, tokens, folder))
        except RuntimeError as error:
            notes.append(f"ONNX Runtime was left out: {error}")
        agreed = agreement(args, peers, pixels, tokens, folder)

    rounds, report = [], None
    for number in range(args.rounds):
        runs = [None, *peers]
        turn = number % len(runs)
        rates = {}
        for peer in runs[turn:] + runs[:turn]:
            if peer is None:
                rates["ours"], report = our_rates(args)
            else:
                rates[peer.name] = peer_rates(args, peer, pixels, tokens)
        rounds.append(rates)
        print(f"round {number + 1} of {args.rounds}", file=sys.stderr)

    rows = []
    for what in rounds[0]["ours"]:
        if rounds[0]["ours"][what] is None:
            continue
        row = {"what": what, "unit": "labels/s" if what == TEXT else "images/s", "rates": {}, "ours over": {}}
        for name in ["ours", *(peer.name for peer in peers)]:
            row["rates"][name] = statistics.median(rates[name][what] for rates in rounds)
        for peer in peers:
            ratios = [rates["ours"][what] / rates[peer.name][what] for rates in rounds]
            row["ours over"][peer.name] = {
                "median": statistics.median(ratios),
                "lowest": min(ratios),
                "highest": max(ratios),
            }
        rows.append(row)

    entry = report["models"][0]
    document = {
        "machine": {
            **report["machine"],
            "cpu": cpu_name(),
            "threads": args.threads,
            "device": args.device,
            "our device": f"{entry['device']} {entry.get('adapter', '')}".strip(),
            "their device": torch.cuda.get_device_name() if args.device == "cuda" else "CPU",
        },
        "versions": {
            "cliploupe-cli": f"{report['machine']['version']} ({report['machine']['profile']} build)",
            "onnxruntime": onnxruntime.__version__,
            "torch": torch.__version__,
            "open_clip_torch": open_clip.__version__,
            "python": platform.python_version(),
            "torch matmul in f32": torch.get_float32_matmul_precision(),
        },
        "model": args.model,
        "rounds": args.rounds,
        "lowest cosine with ours": agreed,
        "rows": rows,
        "notes": notes,
        "all rounds": rounds,
    }
    print(json.dumps(document, indent=2) if args.json else table(document))


def table(document):
    machine, versions = document["machine"], document["versions"]
    lines = [
        f"{machine['cpu']}, {machine['threads']} threads, {machine['os']}",
        f"ours on {machine['our device']}, the others on {machine['their device']}",
        ", ".join(f"{name} {version}" for name, version in versions.items()),
        f"{document['model']}, {document['rounds']} rounds",
    ]
    for kind, cosines in document["lowest cosine with ours"].items():
        lines.append(f"lowest cosine, {kind}: " + ", ".join(f"{name} {cosine:.6f}" for name, cosine in cosines.items()))
    lines += [*document["notes"], ""]
    names = list(document["rows"][0]["rates"])
    head = ["", *names, *(f"ours / {name}" for name in names[1:])]
    cells = [head]
    for row in document["rows"]:
        ratios = [row["ours over"][name] for name in names[1:]]
        cells.append(
            [f"{row['what']}, {row['unit']}"]
            + [f"{row['rates'][name]:.1f}" for name in names]
            + [f"{ratio['median']:.2f} ({ratio['lowest']:.2f}–{ratio['highest']:.2f})" for ratio in ratios]
        )
    widths = [max(len(row[at]) for row in cells) for at in range(len(head))]
    lines += ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in cells]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
