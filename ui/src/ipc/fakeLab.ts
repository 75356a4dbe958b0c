// The bias lab of the made-up shell: seeded effects that follow the strengths, so that sliders, flips and undo behave as they will.
// `?edits=bias`, `many` or `stuck` begins with a stack, `?classes=none` puts all photos into one folder, `?export=refused` refuses.
import type {
  AblationOptions, AblationReport, ClassInfo, Edit, EditKind, EditProblem, Exported, ExportForm, ExportPlan, Flip, FlipArithmetic, GeometryFigures, LabEffect,
  LabelScore, LabState, Measures, ModelInfo, PhotoBest, PhotoStub, Problem, Replacement, SideBySide, SidePlan, TuneOptions, TuneReport, WorkbenchEvent,
} from "./bindings";
import { MODEL, random } from "./fakeData";
import { wait } from "./fakeModels";
import { hash, scoresOf } from "./fakeScores";
import { ablated, tuned, type FitStep } from "./fakeTuning";

/** What the lab sees of the made-up shell. */
export interface Bench {
  photos(): PhotoStub[];
  labels(): string[];
  model(): ModelInfo | null;
  /** Tells the scores of every photo again. */
  rescore(): void;
}

const COMPUTING_MS = 90;
const BEST_KEPT = 10;
/** Steps of one drag closer than this are one step of undo, as in the shell. */
const JOIN_MS = 800;
const LENGTH = 9.3;
const SHIPPED = ["linear", "linear-bias", "mlp", "mlp-bias"];
const FIRST_STACKS: Record<string, Edit[]> = {
  bias: [{ id: 1, enabled: true, strength: 1, what: { kind: "removeEffectiveBias", side: "text" } }],
  many: [
    { id: 1, enabled: true, strength: 1, what: { kind: "removeEffectiveBias", side: "text" } },
    { id: 2, enabled: true, strength: 0.35, what: { kind: "addBias", side: "image", along: { kind: "labels", plus: ["cat"], minus: ["dog", "pet"] } } },
    { id: 3, enabled: false, strength: 0.6, what: { kind: "centre", side: "image" } },
    { id: 4, enabled: true, strength: 1, what: { kind: "rankCut", side: "image", keep: { kind: "band", dropTop: 40, dropBottom: 60 } } },
  ],
  stuck: [{ id: 1, enabled: true, strength: 1, what: { kind: "dropBias", side: "image" } }, { id: 2, enabled: true, strength: 1, what: { kind: "gapShift" } }],
};

export class FakeLab {
  #edits: Edit[];
  #name: string | null = null;
  #past: Edit[][] = [];
  #future: Edit[][] = [];
  #lastChange = { key: "", at: 0 };
  #saved = new Map<string, Edit[]>([["Without the text bias", FIRST_STACKS.bias ?? []]]);
  #extra: Replacement[] = [];
  #isCancelled = false;

  constructor(
    readonly query: URLSearchParams,
    readonly send: (event: WorkbenchEvent) => void,
    readonly bench: Bench,
  ) {
    this.#edits = FIRST_STACKS[query.get("edits") ?? ""] ?? [];
  }

  state(): LabState {
    const shipped = this.bench.model()?.embedded === false ? [] : SHIPPED.map((name): Replacement => ({ name, origin: "shipped" }));
    return {
      name: this.#name, edits: this.#edits, problems: this.#problems(), canUndo: this.#past.length > 0, canRedo: this.#future.length > 0,
      saved: [...this.#saved.keys()], replacements: [...shipped, ...this.#extra], classes: this.#classes(),
    };
  }

  /** Photos came or went: the classes are others. */
  tell(): void {
    this.send({ kind: "labChanged", lab: this.state() });
  }

  async setEdits(edits: Edit[]): Promise<LabEffect> {
    const key = edits.map(({ id, enabled, what }) => JSON.stringify([id, enabled, what])).join();
    const continues = key === this.#lastChange.key && performance.now() - this.#lastChange.at < JOIN_MS;
    if (!continues) this.#past.push(this.#edits);
    this.#lastChange = { key, at: performance.now() };
    this.#future = [];
    return this.#become(edits);
  }

  async undo(): Promise<LabEffect> {
    const before = this.#past.pop();
    if (!before) return this.effect();
    this.#future.push(this.#edits);
    this.#lastChange.key = "";
    return this.#become(before);
  }

  async redo(): Promise<LabEffect> {
    const next = this.#future.pop();
    if (!next) return this.effect();
    this.#past.push(this.#edits);
    this.#lastChange.key = "";
    return this.#become(next);
  }

  async save(name: string): Promise<void> {
    this.#saved.set(name, this.#edits);
    this.#name = name;
    this.tell();
  }

  async load(name: string): Promise<LabEffect> {
    this.#past.push(this.#edits);
    this.#future = [];
    return this.#become(this.#saved.get(name) ?? [], name);
  }

  async forget(name: string): Promise<void> {
    this.#saved.delete(name);
    if (this.#name === name) this.#name = null;
    this.tell();
  }

  async #become(edits: Edit[], name: string | null = null): Promise<LabEffect> {
    await wait(COMPUTING_MS);
    this.#edits = edits;
    this.#name = name;
    this.tell();
    this.bench.rescore();
    return this.effect();
  }

  async effect(): Promise<LabEffect> {
    const labels = this.bench.labels();
    const photos = labels.length > 0 ? this.bench.photos() : [];
    const flips = photos.flatMap(({ id }) => this.#flip(id, labels) ?? []).sort((a, b) => b.after.probability - a.after.probability);
    const [before, after] = this.#geometry(photos.length);
    const strength = this.#acting().reduce((sum, edit) => sum + Math.abs(edit.strength), 0);
    return {
      photos: photos.length, changed: flips.length, flips: flips.slice(0, 500), before, after,
      overlap: photos.length > 10 ? { k: 10, share: Math.exp(-0.22 * strength), chance: Math.min(1, 10 / photos.length) } : null,
      measures: this.#classes().length > 1 ? [this.#measures(false), this.#measures(true)] : null,
      elapsedMs: COMPUTING_MS + photos.length * 0.01,
    };
  }

  arithmetic(id: number): FlipArithmetic {
    const labels = this.bench.labels();
    const flip = this.#flip(id, labels);
    if (!flip) throw { code: "nothingAtHand", params: { cause: "this photo keeps its label" }, message: "this photo keeps its label" } satisfies Problem;
    const pair = [flip.before.label, flip.after.label];
    const [a, b] = scoresOf(id, pair, this.bench.model()?.name);
    const [a1, b1] = this.scores(id, pair);
    const lead = (((b?.logit ?? 0) - (a?.logit ?? 0)) / MODEL.logitScale) * LENGTH;
    const total = (((b1?.logit ?? 0) - (a1?.logit ?? 0)) / MODEL.logitScale) * LENGTH;
    return { before: flip.before.label, after: flip.after.label, lead, shift: total - lead, total, lengths: [LENGTH, LENGTH * 1.04], textEdited: this.#acting().some(({ what }) => what.kind === "gapShift" || ("side" in what && what.side === "text")) };
  }

  search(query: string, top: number): SideBySide {
    const ranked = (score: (id: number) => number) => this.bench.photos().map(({ id }) => ({ id, value: score(id) })).sort((a, b) => b.value - a.value).slice(0, top);
    return {
      before: ranked((id) => scoresOf(id, [query], this.bench.model()?.name)[0]?.cosine ?? 0),
      after: ranked((id) => this.scores(id, [query])[0]?.cosine ?? 0),
    };
  }

  isEdited(): boolean {
    return this.#acting().length > 0;
  }

  /** Scores with the edits in force. */
  scores(id: number, labels: readonly string[]): LabelScore[] {
    const acting = this.#acting();
    return scoresOf(id, labels, this.bench.model()?.name).map((score) => {
      const logit = score.logit + acting.reduce((sum, edit) => sum + shiftOf(edit, score.label, id), 0);
      return { label: score.label, logit, cosine: (logit - (MODEL.logitBias ?? 0)) / MODEL.logitScale, probability: sigmoid(logit) };
    });
  }

  best(id: number, labels: readonly string[]): PhotoBest {
    const ranked = this.scores(id, labels).map(({ probability }, label) => ({ label, score: probability }));
    return { id, best: ranked.sort((a, b) => b.score - a.score).slice(0, BEST_KEPT) };
  }

  async chooseVector(): Promise<string> {
    return "/home/ada/vectors/less-dog.json";
  }

  async chooseHead(): Promise<string> {
    const name = "/home/ada/heads/garden-birds.safetensors";
    this.#offer({ name, origin: "file" });
    return name;
  }

  async tune(options: TuneOptions): Promise<TuneReport> {
    this.#isCancelled = false;
    const classes = this.#needClasses();
    const report = await tuned(options, classes, `tuned-${this.#extra.length + 1}`, this.#measures(false), this.#step);
    if (report.replacement !== null) this.#offer({ name: report.replacement, origin: "tuned" });
    return report;
  }

  async ablation(options: AblationOptions): Promise<AblationReport> {
    this.#isCancelled = false;
    return ablated(options, this.#needClasses(), this.bench.model()?.name ?? MODEL.name, this.#step);
  }

  async cancelTune(): Promise<void> {
    this.#isCancelled = true;
  }

  plan(): ExportPlan {
    const side = (name: "image" | "text"): SidePlan => {
      const mine = this.#acting().filter(({ what }) => what.kind === "gapShift" || what.kind === "replace" || ("side" in what && what.side === name));
      if (mine.length === 0) return { kind: "unchanged" };
      if (this.query.get("export") === "refused" && name === "image") return { kind: "refused", problem: { code: "export", params: { cause: "the image head has an MLP without a bias field in open_clip" }, message: "the image head has an MLP without a bias field in open_clip" } };
      if (mine.every(({ what }) => what.kind === "rankCut")) return { kind: "weights" };
      return name === "image" ? { kind: "field", field: "vision_cfg.timm_proj_bias" } : { kind: "folded", key: "text.ln_final", residual: 3.1e-16, share: 1.2e-16 };
    };
    return { image: side("image"), text: side("text"), checkpointBytes: 33_906_112, headsBytes: 1_706_496 };
  }

  async export(form: ExportForm): Promise<Exported> {
    await wait(700);
    const { headsBytes, checkpointBytes } = this.plan();
    return form === "heads"
      ? { path: "/home/ada/heads/cliploupe-heads.safetensors", bytes: headsBytes, difference: 0 }
      : { path: "/home/ada/models/edited", bytes: checkpointBytes, difference: 2.4e-7 };
  }

  readonly #step: FitStep = async (progress) => {
    this.send({ kind: "tuneProgress", progress });
    await wait(25);
    return !this.#isCancelled;
  };

  #offer(replacement: Replacement): void {
    if (!this.#extra.some(({ name }) => name === replacement.name)) this.#extra.push(replacement);
    this.tell();
  }

  #needClasses(): ClassInfo[] {
    const classes = this.#classes();
    if (classes.length < 2) throw { code: "nothingAtHand", params: { cause: "there are no two classes" }, message: "there are no two classes" } satisfies Problem;
    return classes;
  }

  #acting(): Edit[] {
    const stuck = new Set(this.#problems().map(({ id }) => id));
    return this.#edits.filter(({ id, enabled }) => enabled && !stuck.has(id));
  }

  #problems(): EditProblem[] {
    const model = this.bench.model();
    return this.#edits.flatMap(({ id, what }): EditProblem[] => {
      const cause = model === null ? null : whyNot(what, model);
      return cause === null ? [] : [{ id, problem: { code: "edit", params: { cause }, message: cause } }];
    });
  }

  #classes(): ClassInfo[] {
    const counts = new Map<string, number>();
    for (const { path } of this.bench.photos()) {
      const name = path.split("/").at(-2) ?? "";
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    return counts.size < 2 ? [] : [...counts].map(([name, photos]) => ({ name, photos })).sort((a, b) => a.name.localeCompare(b.name));
  }

  #flip(id: number, labels: string[]): Flip | null {
    const [before, after] = [scoresOf(id, labels, this.bench.model()?.name), this.scores(id, labels)].map((scores) => scores.reduce((best, score) => (score.logit > best.logit ? score : best)));
    return !before || !after || before.label === after.label ? null : { id, before, after };
  }

  #measures(edited: boolean): Measures {
    const names = this.#classes().map(({ name }) => name);
    const photos = this.bench.photos();
    const right = photos.filter(({ id, path }) => {
      const scores = edited ? this.scores(id, names) : scoresOf(id, names, this.bench.model()?.name);
      // Folders hold some photos that a person would have put elsewhere.
      if (random(id * 13)() < 0.12) return false;
      return scores.reduce((best, score) => (score.logit > best.logit ? score : best)).label === path.split("/").at(-2);
    }).length;
    const accuracy = photos.length > 0 ? right / photos.length : 0;
    return { photos: photos.length, accuracy, macroF1: accuracy * 0.97, meanAveragePrecision: Math.min(1, accuracy * 0.6 + 0.38) };
  }

  #geometry(photos: number): [GeometryFigures, GeometryFigures] {
    const spectrum = (dim: number, rate: number) => Array.from({ length: dim }, (_, index) => 2.4 * Math.exp(-rate * index) + 0.25 * (1 - index / dim));
    const before: GeometryFigures = {
      gap: photos > 0 ? 0.83 : null, coneImage: photos > 1 ? 0.42 : null, coneText: 0.61, imageText: photos > 0 ? 0.18 : null,
      imageSpectrum: spectrum(256, 0.03), textSpectrum: spectrum(256, 0.05),
    };
    const after = { ...before, imageSpectrum: [...before.imageSpectrum], textSpectrum: [...before.textSpectrum] };
    for (const edit of this.#acting()) bend(after, edit);
    return [before, after];
  }
}

function sigmoid(logit: number): number {
  return 1 / (1 + Math.exp(-logit));
}

function whyNot(what: EditKind, { imageProjection, textProjection }: ModelInfo): string | null {
  const head = "side" in what ? (what.side === "image" ? imageProjection : textProjection) : null;
  if (what.kind === "dropBias" && head && !head.bias) return `${head.key} has no bias of its own`;
  if (what.kind === "removeEffectiveBias" && head && !head.bias && head.affineBefore === null) return `${head.key} has no bias, and no norm in front that would act as one`;
  if (what.kind !== "addBias" || (what.along.kind !== "labels" && what.along.kind !== "photos")) return null;
  return what.along.plus.length + what.along.minus.length === 0 ? "its direction points nowhere yet" : null;
}

/** In −1…1, always the same for the same words. */
function seeded(...words: (string | number)[]): number {
  return random(hash(words.join("|")))() * 2 - 1;
}

/** What an edit adds to the logit of one label of one photo. */
function shiftOf({ what, strength }: Edit, label: string, id: number): number {
  switch (what.kind) {
    case "addBias":
      if (what.along.kind === "labels") return strength * 9 * (Number(what.along.plus.includes(label)) - Number(what.along.minus.includes(label)));
      return strength * 5 * seeded("along", JSON.stringify(what.along), label);
    case "removeEffectiveBias":
    case "dropBias":
      return strength * 1.3 * seeded("bias", what.side, label);
    case "centre":
      return strength * 1.6 * seeded("centre", what.side, label);
    case "whiten":
      return strength * (1.2 * seeded("whiten", label) + 1.8 * seeded("whiten", label, id));
    case "rankCut":
      return strength * 1.9 * seeded("cut", JSON.stringify(what.keep), label, id);
    case "gapShift":
      return strength * 0.4 * seeded("gap", label);
    case "replace":
      return 1.7 * seeded("head", what.name, label, id);
  }
}

function bend(figures: GeometryFigures, { what, strength }: Edit): void {
  const scale = (by: number) => {
    figures.gap = figures.gap === null ? null : figures.gap * (1 - by * strength);
    figures.imageText = figures.imageText === null ? null : figures.imageText + by * 0.3 * strength;
  };
  if (what.kind === "gapShift") scale(0.92);
  if (what.kind === "centre" || what.kind === "whiten") scale(0.5);
  if (what.kind === "removeEffectiveBias" || what.kind === "dropBias") scale(0.2);
  if ("side" in what && what.kind !== "rankCut") {
    const cone = what.side === "image" ? "coneImage" : "coneText";
    figures[cone] = (figures[cone] ?? 0) * (1 - 0.5 * Math.min(1, Math.abs(strength)));
  }
  if (what.kind === "replace") figures.imageSpectrum = figures.imageSpectrum.map((value, index) => value * (1.1 + 0.1 * Math.sin(index / 9)));
  if (what.kind !== "rankCut") return;
  const { keep, side } = what;
  const spectrum = figures[`${side}Spectrum`];
  const kept = (index: number) => {
    if (keep.kind === "top") return index < keep.k;
    if (keep.kind === "bottom") return index >= spectrum.length - keep.k;
    return index >= keep.dropTop && index < spectrum.length - keep.dropBottom;
  };
  const cut = spectrum.map((value, index) => (kept(index) ? value : value * (1 - strength)));
  figures[`${side}Spectrum`] = cut.sort((a, b) => b - a);
}
