// What the made-up shell says about projections: spectra that fall as trained ones do, planes in which scenes keep together, and
// matrices whose entries are a hash of their place. `?model=mlp` has a picture head with two layers, `none` has no heads as SigLIP
// for pictures, `wide` widens both sides; `?inspect=fails` or `slow` shows a report that fails, or one that takes its time.
import type {
  Ask, CollectionReport, CompareWith, Comparison, Direction, EffectiveBias, ExplainAbilities, Explained, HeadKind, LabelValue, MapCard,
  MapFigures, MatrixFacts, MatrixSource, Meaning, PhotoStub, Plane, PriorRow, Problem, ProjectionCard, ProjectionReport, Side, SideFigures,
  TensorRow, Tile,
} from "./bindings";
import { FITTING, MODEL, random, SCENES } from "./fakeData";
import { explained } from "./fakeExplain";
import { histogramOf, matrixOf, type FakeMatrix } from "./fakeMatrix";
import { wait } from "./fakeModels";
import { pictureOf } from "./fakePictures";
import { scoresOf } from "./fakeScores";

/** What the inspector sees of the made-up shell. */
export interface Shelf {
  photos(): PhotoStub[];
  labels(): string[];
  isEdited(): boolean;
}

const COMPUTING_MS = 350;
const COMPARING_MS = 1500;
const MOST_AT_AN_END = 12;
const SIZES: Record<string, { image: [number, number]; text: [number, number] }> = { wide: { image: [384, 512], text: [192, 512] } };
const FAILED: Problem = { code: "analysis", params: { cause: "the decomposition did not converge" }, message: "the decomposition did not converge" };

export class FakeProjection {
  #open: FakeMatrix | null = null;
  #variant: string;
  #failures: number;

  constructor(
    readonly query: URLSearchParams,
    readonly shelf: Shelf,
  ) {
    this.#variant = query.get("model") ?? "";
    this.#failures = query.get("inspect") === "fails" ? 1 : 0;
  }

  async report(): Promise<ProjectionReport> {
    await wait(this.query.get("inspect") === "slow" ? 4000 : COMPUTING_MS);
    if (this.#failures-- > 0) throw FAILED;
    const [image, text] = [this.#card("image"), this.#card("text")];
    const bothLinear = image.kind === "linear" && text.kind === "linear";
    return {
      model: MODEL.name, edited: this.shelf.isEdited(), image, text,
      joint: {
        dim: image.outputDim,
        psi: image.kind === "mlp" ? null : { singularValues: psi(Math.min(image.inputDim, text.inputDim, image.outputDim)), band: [24, 168] },
        angles: bothLinear ? angles(Math.min(image.inputDim, text.inputDim, image.outputDim), this.#variant === "wide") : null,
        logitScale: MODEL.logitScale, logitBias: MODEL.logitBias,
      },
    };
  }

  async collection(): Promise<CollectionReport> {
    await wait(COMPUTING_MS * 2);
    const [photos, labels] = [this.shelf.photos().map(({ id }) => id), this.shelf.labels()];
    const image = photos.length > 0 ? this.#side("image", photos, []) : null;
    const text = labels.length > 0 ? this.#side("text", [], labels) : null;
    const shift = this.shelf.isEdited() ? 0.31 : 0;
    return { image, text, gap: image && text ? { norm: 0.83 - shift, imageText: 0.24, alongImageBias: image.nullSpace ? -0.41 : null, alongTextBias: 0.62 } : null };
  }

  async meaning(direction: Direction): Promise<Meaning> {
    await wait(120);
    const key = JSON.stringify(direction);
    const value = (name: string) => (random(hash(key + name))() - 0.5) * 0.5;
    const along = (label: string, scene: string) => (direction.kind === "label" ? fit(label, direction.label) * 0.4 : value(label) * 0.7 + value(scene) * 0.3);
    const labels: LabelValue[] = this.shelf.labels().map((label) => ({ label, value: along(label, sceneOf(label)) })).sort((a, b) => b.value - a.value);
    const photos = this.shelf.photos().map(({ id }) => {
      const { scene } = pictureOf(id);
      const likeness = direction.kind === "label" ? (FITTING[scene][direction.label] ?? -2) / 12 : value(scene);
      return { id, value: likeness + (random(id + hash(key))() - 0.5) * 0.12 };
    });
    photos.sort((a, b) => b.value - a.value);
    const ends = photos.length <= 2 * MOST_AT_AN_END ? photos : [...photos.slice(0, MOST_AT_AN_END), ...photos.slice(-MOST_AT_AN_END)];
    const mean = photos.reduce((sum, photo) => sum + photo.value, 0) / Math.max(1, photos.length);
    return { length: lengthOf(direction), labels, photos: ends, photoCount: photos.length, mean };
  }

  async prior(): Promise<PriorRow[]> {
    await wait(80);
    if (this.#kindOf("image") === "mlp") return [];
    const rows = this.shelf.labels().map((label) => ({ label, product: (random(hash(`prior${label}`))() - 0.45) * 0.9 }));
    return rows.map((row) => ({ ...row, logit: (row.product * MODEL.logitScale) / 9.3 })).sort((a, b) => b.product - a.product);
  }

  async tensors(): Promise<TensorRow[]> {
    await wait(60);
    const rows: [string, number[]][] = [["logit_bias", []], ["logit_scale", []], ["text.ln_final.bias", [384]], ["text.ln_final.weight", [384]], ["text.positional_embedding", [77, 384]], ["text.proj.weight", [256, 384]], ["text.token_embedding.weight", [30522, 384]]];
    for (let layer = 0; layer < 4; layer++) rows.push([`text.transformer.resblocks.${layer}.mlp.c_fc.weight`, [1536, 384]], [`text.transformer.resblocks.${layer}.attn.in_proj_weight`, [1152, 384]]);
    rows.push(["visual.conv_stem.weight", [32, 3, 3, 3]], ["visual.head.proj.weight", [256, 1280]], ["visual.blocks.5.conv_pw.weight", [4096, 1024]]);
    return rows.map(([name, shape]) => ({ name, shape, dtype: "F16", count: shape.reduce((a, b) => a * b, 1) })).sort((a, b) => a.name.localeCompare(b.name));
  }

  async open(source: MatrixSource): Promise<MatrixFacts> {
    await wait(150);
    this.#open = await this.#matrix(source);
    return this.#open.facts();
  }

  async tile(tile: Tile): Promise<Float32Array> {
    await wait(15);
    return (this.#open ?? (await this.#matrix(tile.source))).tile(tile);
  }

  async compare(other: CompareWith): Promise<Comparison> {
    await wait(COMPARING_MS);
    const name = other.kind === "unedited" ? MODEL.name : other.name;
    const isHead = other.kind !== "model";
    const labels = this.shelf.labels();
    const differing = this.shelf.photos().flatMap(({ id }) => {
      const [left, right] = [MODEL.name, `${name}+`].map((model) => scoresOf(id, labels, model).sort((a, b) => b.logit - a.logit)[0]);
      return left && right && left.label !== right.label ? [{ id, left: { label: left.label, value: left.probability }, right: { label: right.label, value: right.probability } }] : [];
    });
    const photos = this.shelf.photos().length;
    const side = (cka: number) => ({
      distance: isHead ? ([4.12, 0.26] as [number, number]) : null, biasDistance: isHead ? 1.37 : null, angles: isHead ? angles(256, false) : null,
      cka: photos > 1 ? cka : null, procrustes: photos > 1 ? 1 - cka * 0.93 : null, overlap: photos > 10 ? { k: 10, share: cka * 0.81, chance: Math.min(1, 10 / photos) } : null,
    });
    return {
      left: MODEL.name, right: name, photos, labels: labels.length, image: side(0.91), text: side(0.87),
      agreement: photos > 0 && labels.length > 0 ? 1 - differing.length / photos : null, disagreements: differing.slice(0, 200),
    };
  }

  async abilities(): Promise<ExplainAbilities> {
    await wait(40);
    const isConvolutional = this.query.get("tower") === "conv";
    const why = isConvolutional ? "convolutional" : null;
    return {
      layers: isConvolutional ? 0 : 12, heads: isConvolutional ? 0 : 12, poolHeads: this.#kindOf("image") === "none" ? 12 : 0, grid: isConvolutional ? [9, 9] : [14, 14], classToken: !isConvolutional,
      patchMap: null, valueMap: why, attention: why, poolAttention: this.#kindOf("image") === "none" ? null : "noAttentionPool", lens: why, directEffects: why,
    };
  }

  async explain(id: number, ask: Ask): Promise<Explained> {
    await wait(220);
    return { id, explanation: explained(id, ask, this.query.get("tower") === "conv" ? [9, 9] : [14, 14]) };
  }

  #kindOf(side: Side): HeadKind {
    if (side === "text") return "linear";
    return this.#variant === "mlp" || this.#variant === "none" ? this.#variant : "linear";
  }

  #sizes(side: Side): [input: number, output: number] {
    const named = SIZES[this.#variant]?.[side];
    if (named) return named;
    if (side === "text") return [384, 256];
    return this.#variant === "none" ? [256, 256] : [1280, 256];
  }

  #card(side: Side): ProjectionCard {
    const kind = this.#kindOf(side);
    const [inputDim, outputDim] = this.#sizes(side);
    const key = side === "text" ? "text.proj" : kind === "mlp" ? "visual.head.mlp" : kind === "none" ? "visual" : "visual.head.proj";
    const maps = kind === "none" ? [] : kind === "linear" ? [map(`${key}.weight`, inputDim, outputDim, side)] : [map(`${key}.fc1.weight`, inputDim, 2 * outputDim, side, "present"), map(`${key}.fc2.weight`, 2 * outputDim, outputDim, side)];
    const isEdited = this.shelf.isEdited() && side === "image";
    return {
      side, key, kind, inputDim, outputDim, maps,
      affine: kind === "none" ? null : { key: side === "text" ? "text.ln_final" : "visual.head.norm", ofValues: false, scaleNorm: 38.2, shiftNorm: side === "text" ? 3.06 : 6.41 },
      effectiveBias: kind === "linear" ? bias(side, outputDim, isEdited ? 0 : side === "text" ? 0.94 : 2.13, this.shelf) : null,
      biasField: side === "text" ? "text_cfg.proj_bias" : kind === "linear" ? "vision_cfg.timm_proj_bias" : null,
      upstream: kind === "mlp" ? "withField" : isEdited ? "noOption" : "asConfigured",
    };
  }

  #side(side: Side, ids: number[], labels: string[]): SideFigures {
    const next = random(side === "image" ? 5 : 6);
    const count = ids.length + labels.length;
    const [sample, names] = [ids.slice(0, 2000), labels];
    const groups = side === "image" ? sample.map((id) => SCENES.indexOf(pictureOf(id).scene)) : names.map((label) => SCENES.indexOf(sceneOf(label) as never));
    const values = sample.map((id) => ({ id, value: 0.18 + random(id * 3)() * 0.22 + (pictureOf(id).light - 0.5) * 0.1 }));
    const [input, output] = this.#sizes(side);
    const isEnough = count > 1;
    return {
      count, sample: count, ids: sample, labels: names, meanNorm: side === "image" ? 0.65 : 0.78,
      lengths: histogramOf(Array.from({ length: count }, () => 9.3 + (next() + next() + next() - 1.5) * 2.4), 24),
      cone: isEnough ? (side === "image" ? [0.56, 0.42] : [0.81, 0.61]) : null, cka: isEnough ? (side === "image" ? 0.86 : 0.93) : null,
      overlap: count > 11 ? { k: 10, share: 0.72, chance: 10 / (count - 1) } : null,
      covariance: isEnough ? [falling(Math.min(count, input), 0.93, 2.1), falling(Math.min(count, output), 0.96, 0.4)] : null,
      covarianceRank: isEnough ? [Math.min(count - 1, 41.3), Math.min(count - 1, 63.8)] : null,
      planes: isEnough ? [plane(groups, 11, 0.9), plane(groups, 12, 0.55)] : null,
      nullSpace: side === "image" && this.#kindOf("image") === "linear" && values.length > 0 && input > output
        ? { dim: input - output, mean: values.reduce((sum, { value }) => sum + value, 0) / values.length, histogram: histogramOf(values.map(({ value }) => value), 24), most: values.toSorted((a, b) => b.value - a.value).slice(0, 24) }
        : null,
    };
  }

  async #matrix(source: MatrixSource): Promise<FakeMatrix> {
    const named = (side: Side) => (side === "image" ? "W_image" : "W_text");
    if (source.kind === "psi") return matrixOf("W_imageᵀ W_text", [this.#sizes("image")[0], this.#sizes("text")[0]], "F64", 0.4);
    if (source.kind === "tensor") {
      const row = (await this.tensors()).find(({ name }) => name === source.name);
      if (!row) throw { code: "internal", params: { cause: `no tensor ${source.name}` }, message: `no tensor ${source.name}` } satisfies Problem;
      return matrixOf(row.name, row.shape, row.dtype, 0.05);
    }
    const card = this.#card(source.side).maps[source.map];
    const [input, output] = card ? [card.input, card.output] : [1, 1];
    if (source.kind === "weight") return matrixOf(card?.key ?? "", [output, input], "F16", 0.08);
    return source.kind === "outputGram" ? matrixOf(`${named(source.side)} ${named(source.side)}ᵀ`, [output, output], "F64", 0.3, true) : matrixOf(`${named(source.side)}ᵀ ${named(source.side)}`, [input, input], "F64", 0.2, true);
  }
}

function hash(text: string): number {
  let sum = 17;
  for (const char of text) sum = (Math.imul(sum, 33) + (char.codePointAt(0) ?? 0)) | 0;
  return sum;
}

function sceneOf(label: string): string {
  return SCENES.find((scene) => label in FITTING[scene]) ?? "beach";
}

/** How alike two labels are, −1…1. */
function fit(label: string, other: string): number {
  if (label === other) return 1;
  return sceneOf(label) === sceneOf(other) ? 0.45 : (random(hash(label + other))() - 0.5) * 0.4;
}

function lengthOf(direction: Direction): number {
  if (direction.kind === "singular") return falling(256, 0.985, 3.4)[direction.index] ?? 0;
  if (direction.kind === "effectiveBias") return direction.side === "image" ? 2.13 : 0.94;
  return direction.kind === "gap" ? 0.83 : 1;
}

function falling(count: number, factor: number, first: number): number[] {
  return Array.from({ length: count }, (_, index) => first * (0.25 * factor ** (index * 6) + 0.75 * factor ** index));
}

function psi(count: number): number[] {
  return Array.from({ length: count }, (_, index) => 1.9 * Math.exp(-index / 9) + 0.86 - 0.0006 * index - 0.68 / (1 + Math.exp((count * 0.78 - index) / 9)));
}

function angles(count: number, isProper: boolean): number[] {
  return isProper ? Array.from({ length: count }, (_, index) => 12 + 74 * Math.sqrt(index / count)) : Array.from({ length: count }, () => 0);
}

function map(key: string, input: number, output: number, side: Side, state: MapCard["bias"] = "absent"): MapCard {
  return { key, storedShape: [output, input], storedAs: "outIn", input, output, bias: state, biasNorm: state === "absent" ? null : 0.71, figures: figures(input, output, side) };
}

function figures(input: number, output: number, side: Side): MapFigures {
  const count = Math.min(input, output);
  const singularValues = falling(count, side === "image" ? 0.9905 : 0.994, 3.4);
  const squares = singularValues.map((value) => value * value);
  const total = squares.reduce((a, b) => a + b, 0);
  const sum = singularValues.reduce((a, b) => a + b, 0);
  let held = 0;
  const norms = (length: number, seed: number) => Array.from({ length }, (_, index) => (index === 41 ? 0.004 : index === 97 ? 3.9 : 0.8 + random(seed + index)() * 0.5));
  return {
    singularValues, energy: squares.map((square) => (held += square) / total), frobeniusNorm: Math.sqrt(total), rank: count,
    effectiveRank: Math.exp(-singularValues.reduce((entropy, value) => entropy + (value / sum) * Math.log(value / sum), 0)),
    stableRank: total / (squares[0] ?? 1), participationRatio: total ** 2 / squares.reduce((a, b) => a + b * b, 0),
    conditionNumber: (singularValues[0] ?? 1) / (singularValues.at(-1) ?? 1), distanceFromOrthogonal: 0.61, spannedShare: count / output,
    outputNorms: norms(output, 100), inputNorms: norms(input, 9000), deadOutputs: [41], loudOutputs: [97], deadInputs: [41], loudInputs: [97],
  };
}

function bias(side: Side, size: number, norm: number, shelf: Shelf): EffectiveBias {
  const next = random(hash(side));
  const raw = Array.from({ length: size }, () => next() - 0.5);
  const length = Math.hypot(...raw);
  const count = side === "image" ? shelf.photos().length : shelf.labels().length;
  return {
    norm, fromShift: norm, fromBias: 0, vector: raw.map((value) => (value / length) * norm),
    ofMean: count > 0 ? { count, meanNorm: side === "image" ? 4.2 : 5.1, meanLength: 9.3, cosine: norm > 0 ? (side === "image" ? 0.79 : 0.58) : 0, explained: norm > 0 ? (side === "image" ? 0.4 : 0.11) : 0 } : null,
  };
}

function plane(groups: readonly number[], seed: number, width: number): Plane {
  const centres = SCENES.map((_, index) => [Math.cos(index * 2.4 + seed), Math.sin(index * 2.4 + seed) * 0.7] as const);
  const points = groups.map((group, index): [number, number] => {
    const next = random(seed * 1000 + index);
    const [x, y] = centres[Math.max(0, group)] ?? [0, 0];
    return [x + (next() - 0.5) * width, y + (next() - 0.5) * width];
  });
  return { points, shares: seed === 11 ? [0.21, 0.12] : [0.14, 0.09] };
}
