#!/usr/bin/env python3
"""Writes catalogue.json, configs.json and hf_text_configs.json from open_clip's own tables.

    python3 make_catalogue.py --open-clip DIR                     from the small tables in sources/
    python3 make_catalogue.py --open-clip DIR --shapes FILE       sizes.csv made anew as well
    python3 make_catalogue.py --open-clip DIR --results FILE      openclip_results.csv made anew as well

DIR is the folder `open_clip` of an unpacked wheel. Of its code only the tables run, so torch is not needed.
README.md says where the other files come from.
"""

import argparse
import ast
import csv
import gzip
import json
import os
import re
from math import prod
from pathlib import Path

HERE = Path(__file__).parent
SOURCES = HERE / "sources"

# Architecture groups: id, what the image tower is and what takes it to the joint space, the same of the text tower,
# and how to tell. The first rule that fits wins; `v` and `t` are vision_cfg and text_cfg.
CLIP_TEXT = "causal transformer, pooled at the end of the text → matrix"
MOBILE_TEXT = "bidirectional transformer, pooled at the end of the text → matrix"
GROUPS = [
    ("coca", "ViT, attention pooler → square matrix", "causal transformer with a class token → matrix",
     lambda c, v, t: "multimodal_cfg" in c),
    ("resnet", "ResNet, attention pool → linear with bias", CLIP_TEXT,
     lambda c, v, t: isinstance(v.get("layers"), list)),
    ("clipa", "ViT, mean over patches, LayerNorm after it → matrix",
     "bidirectional transformer, pooled at the last position → matrix", lambda c, v, t: v.get("pool_type") == "avg"),
    ("metaclip2", "ViT, class token → matrix", "causal transformer, pooled at the end token's id → matrix",
     lambda c, v, t: t.get("pool_type") == "eos"),
    ("nllb-siglip", "timm ViT, attention-pooled → none", "NLLB, first token → linear",
     lambda c, v, t: "siglip" in trunk(v) and "nllb" in hf(t)),
    ("nllb", "ViT, class token → matrix", "NLLB, first token → linear", lambda c, v, t: "nllb" in hf(t)),
    ("hf-text", "ViT, class token → matrix", "RoBERTa or XLM-RoBERTa, mean over tokens → MLP",
     lambda c, v, t: "roberta" in hf(t)),
    ("siglip-i18n", "timm ViT, attention-pooled → none", "bidirectional transformer, last position → none",
     lambda c, v, t: "siglip" in trunk(v) and t.get("proj_type") == "none"),
    ("siglip2", "timm ViT, attention-pooled → none",
     "bidirectional transformer with tanh GELU, last position → linear with bias",
     lambda c, v, t: "siglip" in trunk(v) and "act_kwargs" in t),
    ("siglip", "timm ViT, attention-pooled → none", "bidirectional transformer, last position → linear with bias",
     lambda c, v, t: "siglip" in trunk(v)),
    ("vitamin", "timm ViTamin, mean → linear", CLIP_TEXT, lambda c, v, t: trunk(v).startswith("vitamin")),
    ("convnext-mlp", "timm ConvNeXt, mean → MLP", CLIP_TEXT,
     lambda c, v, t: trunk(v).startswith("convnext") and v.get("timm_proj") == "mlp"),
    ("convnext", "timm ConvNeXt, mean → linear", CLIP_TEXT, lambda c, v, t: trunk(v).startswith("convnext")),
    ("mobileclip-s", "timm FastViT, mean → linear with bias", MOBILE_TEXT,
     lambda c, v, t: trunk(v).startswith("fastvit")),
    ("mobileclip-b", "timm ViT with a convolutional stem, class token → linear with bias", CLIP_TEXT,
     lambda c, v, t: trunk(v) == "vit_base_mci_224"),
    ("mobileclip2-l", "timm ViT, class token → linear with bias", MOBILE_TEXT,
     lambda c, v, t: trunk(v) == "vit_large_patch14_clip_224"),
    ("pe-core", "timm Perception Encoder, rotary positions, attention-pooled → linear with bias", CLIP_TEXT,
     lambda c, v, t: trunk(v).startswith("vit_pe_core")),
    ("eva02", "timm EVA-02, rotary positions, class token → linear with bias", CLIP_TEXT,
     lambda c, v, t: trunk(v).startswith("eva02")),
    ("eva01", "timm EVA, class token → linear with bias", CLIP_TEXT, lambda c, v, t: trunk(v).startswith("eva_giant")),
    ("vit", "ViT, class token → matrix", CLIP_TEXT, lambda c, v, t: not trunk(v) and not hf(t)),
]

# Licences of the weights: a pattern for `repository model/tag`, the licence, whether it forbids commercial use, and
# where that was read. Every entry must fit exactly one row.
LICENCES = [
    (r"/openai$", "MIT", False, "LICENSE of github.com/openai/CLIP; the mirrors under timm/ say Apache-2.0"),
    (r"/(laion400m_e3[12]|laion2b_e16|yfcc15m|cc12m)$", "MIT", False,
     "LICENSE of github.com/mlfoundations/open_clip, which released them"),
    (r"^laion/", "MIT", False, "model cards of LAION, CommonPool, DataComp, ConvNeXt and CoCa: license mit"),
    (r"/metaclip", "CC-BY-NC-4.0", True,
     "LICENSE of github.com/facebookresearch/MetaCLIP; model card of timm/vit_huge_patch14_clip_224.metaclip_2pt5b"),
    (r"^apple/DFN", "apple-amlr", True, "model cards of apple/DFN*, which said apple-sample-code-license before 2025"),
    (r"^(apple|timm)/MobileCLIP", "apple-amlr", True,
     "LICENSE_MODELS of github.com/apple/ml-mobileclip: research only; model cards of apple/MobileCLIP*"),
    (r"^timm/eva", "MIT", False, "model cards of timm/eva02_*_clip_*; open_clip docs/PRETRAINED.md"),
    (r"^timm/ViT-.*-SigLIP", "Apache-2.0", False, "model cards of timm/ViT-*-SigLIP*; open_clip docs/PRETRAINED.md"),
    (r"^timm/PE-Core", "Apache-2.0", False, "apps/pe/README.md of github.com/facebookresearch/perception_models"),
    (r"^UCSC-VLAA/", "Apache-2.0", False, "LICENSE.md of github.com/UCSC-VLAA/CLIPA; open_clip docs/PRETRAINED.md"),
    (r"^visheratin/", "CC-BY-NC-4.0", True, "model cards of visheratin/nllb-*; open_clip docs/PRETRAINED.md"),
    (r"^jienengchen/ViTamin", "MIT", False, "model cards of jienengchen/ViTamin-*"),
]

# Models whose texts may be in many languages: a pattern for `group model`.
MULTILINGUAL = re.compile(r"^(siglip2|metaclip2|nllb|nllb-siglip|siglip-i18n) |SigLIP-i18n|xlm-roberta")

# What to begin with. {size} is what the weights take in memory, {top1} the accuracy on ImageNet.
RECOMMENDED = {
    "MobileCLIP2-S0/dfndr2b": (
        "small", "Small and fast: {top1} on ImageNet with {size}, fine on any laptop. Apple's licence allows research "
        "only."),
    "PE-Core-S-16-384/meta": (
        "small", "Small, and under {licence}: {top1} on ImageNet with {size}. It looks at 384 pixels, so a photo takes "
        "longer than with the default."),
    "ViT-B-32-256/datacomp_s34b_b86k": (
        "default", "A good first choice on a laptop without a graphics card: {top1} on ImageNet with {size}, under "
        "{licence}."),
    "ViT-B-16-SigLIP2-256/webli": (
        "multilingual", "Takes labels in many languages; {top1} on ImageNet in English, under {licence}. Usable on a "
        "laptop, at four times the default's work for a photo. More than half of its {size} is the table of words."),
    "PE-Core-L-14-336/meta": (
        "best", "High accuracy, {top1} on ImageNet, at {size}, which a laptop with 16 GB of memory can hold; slow "
        "without a graphics card. Under {licence}."),
}

# Where open_clip's table names other weights than the tag does.
WRONG_HUB = {
    "ViT-B-16-plus-240/laion400m_e32": "open_clip's hub repository for this tag holds the weights of laion400m_e31.",
}

# config.json of the transformers text towers, as far as it defines the encoder. Read from the published files; sizes
# are checked against the shapes of the tensors.
ROBERTA = {
    "model_type": "roberta", "vocab_size": 50265, "hidden_size": 768, "num_hidden_layers": 12,
    "num_attention_heads": 12, "intermediate_size": 3072, "hidden_act": "gelu", "max_position_embeddings": 514,
    "type_vocab_size": 1, "layer_norm_eps": 1e-05, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2,
}
NLLB = {
    "model_type": "m2m_100", "vocab_size": 256206, "d_model": 1024, "encoder_layers": 12, "encoder_attention_heads": 16,
    "encoder_ffn_dim": 4096, "activation_function": "relu", "max_position_embeddings": 1024, "scale_embedding": True,
    "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2,
}
HF_TEXT_TOWERS = {
    "facebook/nllb-200-distilled-1.3B": {**NLLB, "encoder_layers": 24, "encoder_ffn_dim": 8192},
    "facebook/nllb-200-distilled-600M": NLLB,
    "roberta-base": ROBERTA,
    "xlm-roberta-base": {**ROBERTA, "model_type": "xlm-roberta", "vocab_size": 250002},
    "xlm-roberta-large": {
        **ROBERTA, "model_type": "xlm-roberta", "vocab_size": 250002, "hidden_size": 1024, "num_hidden_layers": 24,
        "num_attention_heads": 16, "intermediate_size": 4096,
    },
}


def trunk(vision_cfg):
    return vision_cfg.get("timm_model_name", "")


def hf(text_cfg):
    return text_cfg.get("hf_model_name", "")


def run_tables(path, functions, space):
    """Runs the assignments of a module and the functions whose names fit, and nothing else of it."""
    keep = [node for node in ast.parse(path.read_text("utf-8")).body
            if isinstance(node, ast.Assign) or isinstance(node, ast.FunctionDef) and re.fullmatch(functions, node.name)]
    exec(compile(ast.Module(keep, type_ignores=[]), path, "exec"), space)


def load_open_clip(folder):
    """What the tables define, by their names in open_clip, and the configurations by model."""
    space = {"Iterable": list}
    for file in ("version.py", "constants.py", "pretrained.py"):
        run_tables(folder / file, r"_\w*cfg|_get_safe_alternatives", space)
    configs = {path.stem: json.loads(path.read_text("utf-8")) for path in (folder / "model_configs").glob("*.json")}
    return space, configs


def sources(tag_cfg, open_clip):
    """Where the weights are, preferred first: the hub, as open_clip prefers it, then the address."""
    found = []
    if tag_cfg["hf_hub"]:
        # open_clip download_pretrained: `org/name/file`, or `org/name/` for the default file.
        repo, file = os.path.split(tag_cfg["hf_hub"])
        file = file or open_clip["HF_WEIGHTS_NAME"]
        found.append({"hub": {"repo": repo, "files": [*open_clip["_get_safe_alternatives"](file), file]}})
    if tag_cfg["url"]:
        # open_clip download_pretrained_from_url: the hash is in the address, whole or its beginning.
        address, prefix = tag_cfg["url"], None
        if "openaipublic" in address:
            prefix = address.split("/")[-2]
        elif "mlfoundations" in address:
            prefix = os.path.splitext(os.path.basename(address))[0].split("-")[-1]
        assert prefix is None or re.fullmatch(r"[0-9a-f]{8}|[0-9a-f]{64}", prefix), address
        found.append({"url": {"address": address, "sha256_prefix": prefix}})
    return found


def read_table(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write_table(path, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def reduce_results(path):
    """open_clip's docs/openclip_results.csv, without the columns that are not used."""
    columns = ("name", "pretrained", "ImageNet 1k")
    write_table(SOURCES / "openclip_results.csv", [{key: row[key] for key in columns} for row in read_table(path)])


def reduce_shapes(path, configs):
    """Counts what the tensors of each model hold, from {model: {"keys": {key: shape}}}."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        models = json.load(file)
    rows = []
    for model in sorted(models, key=natural):
        shapes = models[model]["keys"]
        check_text_tower(configs[model]["text_cfg"], shapes)
        size = {key: prod(shape) for key, shape in shapes.items()}
        # BatchNorm's statistics are stored, but are no parameters; its counter is a 64-bit number.
        counters = sum(n for key, n in size.items() if key.endswith("num_batches_tracked"))
        buffers = sum(n for key, n in size.items() if key.endswith(("running_mean", "running_var"))) + counters
        total = sum(size.values())
        rows.append({"model": model, "parameters": total - buffers, "bytes_f32": 4 * (total - counters) + 8 * counters})
    write_table(SOURCES / "sizes.csv", rows)


def check_text_tower(text_cfg, shapes):
    """The sizes of HF_TEXT_TOWERS are those of the tensors."""
    if hf(text_cfg) not in HF_TEXT_TOWERS:
        return
    tower, name = HF_TEXT_TOWERS[hf(text_cfg)], hf(text_cfg)
    block = re.compile(r"text\.transformer\.(?:encoder\.layer|layers)\.(\d+)\.")
    layers = {match[1] for key in shapes if (match := block.match(key))}
    if tower["model_type"] == "m2m_100":
        width, ffn = tower["d_model"], tower["encoder_ffn_dim"]
        expected = {"embed_tokens.weight": [tower["vocab_size"], width], "layers.0.fc1.weight": [ffn, width]}
        depth = tower["encoder_layers"]
    else:
        width, ffn = tower["hidden_size"], tower["intermediate_size"]
        expected = {
            "embeddings.word_embeddings.weight": [tower["vocab_size"], width],
            "embeddings.position_embeddings.weight": [tower["max_position_embeddings"], width],
            "embeddings.token_type_embeddings.weight": [tower["type_vocab_size"], width],
            "encoder.layer.0.intermediate.dense.weight": [ffn, width],
        }
        depth = tower["num_hidden_layers"]
    assert len(layers) == depth, name
    for key, shape in expected.items():
        assert shapes[f"text.transformer.{key}"] == shape, (name, key)


def accuracies():
    """(name, pretrained) → (accuracy, who measured it); open_clip's own measurement comes first."""
    found = {}
    for file, who in (("authors_results.csv", "authors"), ("openclip_results.csv", "open_clip")):
        for row in read_table(SOURCES / file):
            top1 = float(row["ImageNet 1k"])
            assert 0.0 <= top1 <= 1.0, row
            found[row["name"], row["pretrained"]] = top1, who
    return found


def natural(text):
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", text.lower())]


def group_of(config):
    return next(id for id, _, _, fits in GROUPS if fits(config, config["vision_cfg"], config["text_cfg"]))


def licence_of(subject):
    rows = [row for row in LICENCES if re.search(row[0], subject)]
    assert len(rows) == 1, (subject, rows)
    return rows[0][1:3]


def human_size(size):
    size = int(size)
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def entry(model, tag, tag_cfg, config, found, size, accuracy):
    name, group = f"{model}/{tag}", group_of(config)
    note = WRONG_HUB.get(name)
    if note:
        found = [source for source in found if "hub" not in source]
    quick_gelu = tag_cfg.get("quick_gelu", False)
    # A tag that wants QuickGELU has its figure under the alias, where the table has one.
    rows = [f"{model}-quickgelu", model] if quick_gelu else [model]
    top1, measured_by = next((accuracy[row, tag] for row in rows if (row, tag) in accuracy), (None, None))
    licence, noncommercial = licence_of(f"{os.path.dirname(tag_cfg['hf_hub'])} {name}")
    purpose, why = RECOMMENDED.get(name, (None, None))
    return {
        "name": name,
        "model": model,
        "tag": tag,
        "group": group,
        "source": found[0],
        "alternates": found[1:],
        "tokenizer": config["text_cfg"].get("hf_tokenizer_name"),
        "config": model,
        "quick_gelu": quick_gelu,
        "preprocess": {key: tag_cfg[key] for key in ("mean", "std", "interpolation", "resize_mode")},
        "image_size": config["vision_cfg"]["image_size"],
        "embed_dim": config["embed_dim"],
        "parameters": int(size["parameters"]),
        "bytes_f32": int(size["bytes_f32"]),
        "imagenet_top1": top1,
        "measured_by": measured_by,
        "licence": licence,
        "noncommercial": noncommercial,
        "language": "multilingual" if MULTILINGUAL.search(f"{group} {model}") else "en",
        "recommended": purpose,
        "why": why and why.format(size=human_size(size["bytes_f32"]), top1=f"{100 * top1:.1f} %", licence=licence),
        "note": note,
    }


def dump(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def write_lines(path, head, pairs, tail):
    path.write_text(head + ",\n".join(pairs) + tail, "utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--open-clip", type=Path, required=True, metavar="DIR")
    parser.add_argument("--results", type=Path, metavar="CSV", help="open_clip's docs/openclip_results.csv")
    parser.add_argument("--shapes", type=Path, metavar="JSON.GZ", help="keys and shapes of every model's tensors")
    options = parser.parse_args()

    open_clip, configs = load_open_clip(options.open_clip)
    # The loop that adds the `-quickgelu` aliases has not run.
    version, pretrained = open_clip["__version__"], open_clip["_PRETRAINED"]
    if options.results:
        reduce_results(options.results)
    if options.shapes:
        reduce_shapes(options.shapes, configs)
    sizes = {row["model"]: row for row in read_table(SOURCES / "sizes.csv")}
    accuracy = accuracies()

    entries = []
    for model in sorted(pretrained, key=natural):
        for tag, tag_cfg in sorted(pretrained[model].items(), key=lambda item: natural(item[0])):
            found = sources(tag_cfg, open_clip)
            entries.append(entry(model, tag, tag_cfg, configs[model], found, sizes[model], accuracy))
            # An alias is the same configuration with one flag: the flag is all that has to be known.
            alias = configs.get(f"{model}-quickgelu")
            if entries[-1]["quick_gelu"] and alias:
                assert {**configs[model], "quick_gelu": True} == alias, model

    names = {e["name"] for e in entries}
    assert len(names) == len(entries)
    assert names >= RECOMMENDED.keys() | WRONG_HUB.keys()
    models = sorted({e["config"] for e in entries}, key=natural)
    towers = {hf(configs[model]["text_cfg"]) for model in models} - {""}
    assert towers == HF_TEXT_TOWERS.keys(), towers

    counts = {id: sum(e["group"] == id for e in entries) for id, *_ in GROUPS}
    groups = [dump({"id": id, "vision": vision, "text": text})
              for id, vision, text, _ in sorted(GROUPS, key=lambda group: -counts[group[0]])]
    write_lines(HERE / "catalogue.json", f'{{"open_clip":{dump(version)},"groups":[\n' + ",\n".join(groups)
                + '\n],"models":[\n', [dump(e) for e in entries], "\n]}\n")
    write_lines(HERE / "configs.json", "{\n", [f"{dump(model)}:{dump(configs[model])}" for model in models], "\n}\n")
    write_lines(HERE / "hf_text_configs.json", "{\n", [f"{dump(name)}:{dump(HF_TEXT_TOWERS[name])}"
                                                      for name in sorted(HF_TEXT_TOWERS)], "\n}\n")
    print(f"{len(entries)} tags of open_clip {version}, {len(models)} configurations; by group: {counts}")
    print(f"{sum(e['imagenet_top1'] is None for e in entries)} without a figure:",
          ", ".join(e["name"] for e in entries if e["imagenet_top1"] is None))


if __name__ == "__main__":
    main()
