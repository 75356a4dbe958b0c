#!/usr/bin/env python3
"""Compares an exported checkpoint with open_clip: the same pictures and texts must give the same embeddings and logits.

Optional; nothing that builds or tests Cliploupe runs it. It needs

    pip install open_clip_torch==3.3.0 timm transformers 'pillow<13'

(Pillow 13 resizes tall pictures in another order of passes, which moves pixels by up to three levels.) Give it PNG
files: decoders round the colours of a JPEG differently, which moves embeddings by some 1e-4, export or not.

With the command line of Cliploupe, on your own files:

    check_export.py FOLDER --cli target/release/cliploupe-cli --image a.png b.png --text "a cat" "a photo of a dog"

With what `cliploupe-cli embed --json` printed before, at its default stage:

    check_export.py FOLDER --image a.png --image-json image.json --text "a cat" --text-json text.json

With tensors instead of files (`input.pixels` f32 [batch, 3, height, width], `input.tokens` [batch, seq]), for a model
without a tokenizer:

    check_export.py FOLDER --inputs inputs.safetensors --image-json image.json --text-json text.json

The tests write such folders, inputs and JSON for several families of models:

    CLIPLOUPE_EXPORTS=DIR cargo test -p cliploupe-engine --test engine -- --ignored writes_exports_for_python

Prints the largest differences and ends with status 1 if one is above --tolerance (of unit vectors; logits may differ by
that times their scale).
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import open_clip
import torch
from PIL import Image
from safetensors.torch import load_file


def ours(args, kind, values):
    """Unit vectors of Cliploupe: from a file, or by running its command line."""
    path = getattr(args, f"{kind}_json")
    if path:
        text = Path(path).read_text()
    elif args.cli:
        command = [args.cli, "embed", "--json", "--model", args.folder]
        command += [f"--{kind}", *values] if values else [f"--{'pixels' if kind == 'image' else 'tokens'}", args.inputs]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    else:
        sys.exit(f"give --cli or --{kind}-json")
    answer = json.loads(text)
    if answer.get("failed"):
        sys.exit(f"Cliploupe could not read {answer['failed']}")
    if answer.get("stage", "embedding") != "embedding":
        sys.exit(f"{kind}: the vectors are of the stage {answer['stage']}, not of embedding")
    return torch.tensor(answer["vectors"])


def inputs(args, preprocess, source):
    """Pixels and tokens, from files and words or from tensors."""
    stored = load_file(args.inputs) if args.inputs else {}
    pixels, tokens = stored.get("input.pixels"), stored.get("input.tokens")
    if args.image:
        pixels = torch.stack([preprocess(Image.open(path)) for path in args.image])
    if args.text:
        tokens = open_clip.get_tokenizer(source)(args.text)
    if pixels is None or tokens is None:
        sys.exit("give pictures and texts: --image and --text, or --inputs")
    return pixels, tokens.long()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="the exported checkpoint")
    parser.add_argument("--cli", help="path of cliploupe-cli")
    parser.add_argument("--image", nargs="+", default=[], metavar="PATH")
    parser.add_argument("--text", nargs="+", default=[], metavar="TEXT")
    parser.add_argument("--inputs", metavar="FILE", help="a safetensors file with input.pixels and input.tokens")
    parser.add_argument("--image-json", metavar="FILE", help="what cliploupe-cli embed --json printed for the pictures")
    parser.add_argument("--text-json", metavar="FILE", help="the same for the texts")
    parser.add_argument("--tolerance", type=float, default=2e-5)
    args = parser.parse_args()
    # open_clip looks for a text tower named "." in the working directory, so that becomes the folder.
    for name in ("folder", "cli", "inputs", "image_json", "text_json"):
        value = getattr(args, name)
        setattr(args, name, value and str(Path(value).resolve()))
    args.image = [str(Path(path).resolve()) for path in args.image]
    os.chdir(args.folder)

    source = f"local-dir:{args.folder}"
    model, _, preprocess = open_clip.create_model_and_transforms(source)
    model.eval()
    pixels, tokens = inputs(args, preprocess, source)
    with torch.no_grad():
        image = model.encode_image(pixels, normalize=True)
        text = model.encode_text(tokens, normalize=True)
        scale = model.logit_scale.exp().item()
        bias = 0.0 if model.logit_bias is None else model.logit_bias.item()
    image_ours, text_ours = ours(args, "image", args.image), ours(args, "text", args.text)
    for kind, theirs, found in (("image", image, image_ours), ("text", text, text_ours)):
        if theirs.shape != found.shape:
            sys.exit(f"{kind}: open_clip has vectors of {list(theirs.shape)}, Cliploupe of {list(found.shape)}")
    logits, logits_ours = (scale * a @ b.T + bias for a, b in ((image, text), (image_ours, text_ours)))

    def worst(a, b):
        return (a - b).abs().max().item()

    figures = {
        "image embeddings": (worst(image, image_ours), args.tolerance),
        "text embeddings": (worst(text, text_ours), args.tolerance),
        "logits": (worst(logits, logits_ours), args.tolerance * scale),
    }
    for name, (difference, bound) in figures.items():
        print(f"{name:17} differ by at most {difference:.2e} (allowed {bound:.1e})")
    same = (logits.argmax(1) == logits_ours.argmax(1)).float().mean().item()
    print(f"best text the same for {same:.0%} of {len(image)} picture(s); scale {scale:.3f}, bias {bias:.3f}")
    # A NaN is no agreement.
    return 0 if all(difference <= bound for difference, bound in figures.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
