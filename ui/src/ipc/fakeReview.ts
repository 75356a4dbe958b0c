// Review of the made-up shell: suggestions from made-up scores, and decisions that count, move the curves and can be undone.
// `?review=begun` starts with suggestions and some decisions, `few` with four decisions, `done` with nothing left, `outdated` with
// suggestions of another model; `failing` keeps every fourth decision from being kept; `slow` takes its time with each.
import type {
  Decided, EvaluationQuery, EvaluationReport, Example, LabelCard, Problem, Queue, QueueQuery, ReviewLabel, ReviewState, ReviewVerdict, StepDone, StepWords,
  Suggested, ThresholdEffect, WorkbenchEvent,
} from "./bindings";
import { curveOf, isOn, probabilityOf, scoreFor, scoreOf, type Curve } from "./fakeCalibration";
import { reported, type Judgement } from "./fakeEvaluation";
import { wait } from "./fakeModels";
import type { ReviewBackend } from "./reviewBackend";

/** What review sees of the made-up shell. */
export interface ReviewWorld {
  photos(): readonly number[];
  labels(): readonly string[];
  model(): string;
}

const DECIDING_MS = 15;
const SLOW_MS = 700;
const EFFECT_MS = 60;
const CARD_MS = 120;
const EVALUATING_MS = 900;
const SUGGESTING_BEATS = 12;
const BEAT_MS = 150;
const LOOKS = 20;
const LOOK_MS = 300;
/** Scores of more photos than this would keep the page busy. */
const MOST_PHOTOS = 4000;
const MOST_ITEMS = 1000;
const BINS = 60;
const EXAMPLES = 8;
const DEFAULT_THRESHOLD = 0.5;
const NOW_MS = 1_764_000_000_000;
const NOT_WRITTEN: Problem = { code: "diskSpace", params: { path: "/home/ada/Pictures/library", needed: "4 MB", free: "0 MB" }, message: "the disk is full" };
const STOPPED: Problem = { code: "cancelled", params: {}, message: "stopped" };
const NO_PHOTOS: Problem = { code: "nothingAtHand", params: { cause: "no photo has scores yet" }, message: "no photo has scores yet" };

/** Decisions by label, then by photo. */
type Decisions = Map<string, Map<number, boolean>>;

interface Step {
  words: StepWords;
  photos: number[];
  before: Decisions;
  after: Decisions;
}

export class FakeReview implements ReviewBackend {
  #decided: Decisions = new Map();
  #suggested = new Map<string, Map<number, Suggested>>();
  #thresholds = new Map<string, { value: number; by: string }>();
  #done: Step[] = [];
  #undone: Step[] = [];
  #scores = new Map<string, Map<number, number>>();
  #suggestedBy: string | null = null;
  #suggestedMs: number | null = null;
  #suggesting: number | null = null;
  #isStopped = false;
  #isBegun = false;
  #calls = 0;
  #scenario: string;

  constructor(
    query: URLSearchParams,
    readonly send: (event: WorkbenchEvent) => void,
    readonly world: ReviewWorld,
  ) {
    this.#scenario = query.get("review") ?? "";
  }

  async state(): Promise<ReviewState> {
    await this.#arrival();
    this.#begin();
    return this.#state();
  }

  async suggest(): Promise<void> {
    if (this.world.photos().length === 0) throw NO_PHOTOS;
    this.#isStopped = false;
    for (let beat = 0; beat < SUGGESTING_BEATS; beat++) {
      this.#suggesting = beat / SUGGESTING_BEATS;
      this.#tell();
      await wait(BEAT_MS);
      if (!this.#isStopped) continue;
      this.#suggesting = null;
      this.#tell();
      throw STOPPED;
    }
    this.#suggesting = null;
    this.#suggestAll();
    this.#tell();
  }

  async cancelSuggest(): Promise<void> {
    this.#isStopped = true;
  }

  async queue({ label, order }: QueueQuery): Promise<Queue> {
    await wait(DECIDING_MS * 2);
    this.#begin();
    const items = this.#waiting().filter((item) => label === null || item.label === label);
    const rank = (item: Suggested) => (order === "likely" ? -item.by.probability : order === "doubtful" ? item.by.probability : Math.abs(item.by.probability - 0.6));
    items.sort((a, b) => rank(a) - rank(b) || a.photo - b.photo || a.label.localeCompare(b.label));
    return { total: items.length, items: items.slice(0, MOST_ITEMS) };
  }

  async decide(photos: number[], label: string, verdict: ReviewVerdict): Promise<void> {
    await this.#takeTime();
    this.#calls += 1;
    if (this.#scenario === "failing" && this.#calls % 4 === 0) throw NOT_WRITTEN;
    this.#decide(photos, label, verdict);
    this.#tell();
  }

  async decideAll(label: string, minProbability: number, verdict: ReviewVerdict): Promise<number> {
    await wait(CARD_MS);
    const photos = this.#waiting().filter((item) => item.label === label && item.by.probability >= minProbability).map(({ photo }) => photo);
    if (photos.length > 0) this.#decide(photos, label, verdict);
    this.#tell();
    return photos.length;
  }

  async undo(): Promise<StepDone | null> {
    return this.#turn(this.#done, this.#undone, "before");
  }

  async redo(): Promise<StepDone | null> {
    return this.#turn(this.#undone, this.#done, "after");
  }

  async labelCard(label: string): Promise<LabelCard> {
    await wait(CARD_MS);
    const scores = this.#scoresOf(label);
    const curve = this.#curve(label);
    const values = [...scores.values()];
    const [least, most] = values.length > 0 ? [Math.min(...values), Math.max(...values)] : [-0.05, 0.25];
    const edges = Array.from({ length: BINS + 1 }, (_, index) => least + ((most - least) * index) / BINS);
    const bins = (photos: Iterable<number>) => this.#binned(photos, scores, least, most);
    const decided = [...(this.#decided.get(label) ?? [])];
    return {
      label, prompts: [`a photo of a ${label}`], edges, counts: bins(scores.keys()),
      accepted: bins(decided.filter(([, isRight]) => isRight).map(([photo]) => photo)),
      rejected: bins(decided.filter(([, isRight]) => !isRight).map(([photo]) => photo)),
      probabilities: edges.map((edge) => probabilityOf(curve, edge)), decisions: decided.length, at: this.#effect(label, this.#threshold(label)),
      thresholdBy: this.#thresholds.get(label)?.by ?? null, bestF1: this.#bestF1(label),
    };
  }

  async thresholdEffect(label: string, threshold: number): Promise<ThresholdEffect> {
    await wait(EFFECT_MS);
    return this.#effect(label, threshold);
  }

  async setThreshold(label: string, threshold: number | null): Promise<void> {
    await wait(CARD_MS);
    if (threshold === null) this.#thresholds.delete(label);
    else this.#thresholds.set(label, { value: threshold, by: Math.abs(threshold - (this.#bestF1(label)?.[0] ?? -1)) < 0.0006 ? "f1" : "person" });
    if (this.#suggestedBy !== null) this.#suggestLabel(label);
    this.#tell();
  }

  async renameTag(from: string, to: string): Promise<void> {
    await wait(CARD_MS);
    const moved = this.#decided.get(from) ?? new Map<number, boolean>();
    const before: Decisions = new Map([[from, new Map(moved)], [to, new Map(this.#decided.get(to))]]);
    const joined = new Map([...moved, ...(this.#decided.get(to) ?? [])]);
    const after: Decisions = new Map([[from, new Map()], [to, joined]]);
    this.#put(after);
    this.#push({ words: { kind: "rename", label: to, photos: moved.size }, photos: [...moved.keys()], before, after });
    this.#tell();
  }

  async evaluate(query: EvaluationQuery): Promise<EvaluationReport> {
    await wait(query.compare?.kind === "model" ? EVALUATING_MS * 3 : EVALUATING_MS);
    const { compare } = query;
    const other = compare && this.#judged(compare.kind === "unedited" ? "unedited" : compare.name);
    return reported(query, this.world.model(), this.#judged(this.world.model()), other, (label) => this.#threshold(label));
  }

  async saveEvaluation(format: "markdown" | "json"): Promise<string | null> {
    return `/home/ada/evaluation.${format === "json" ? "json" : "md"}`;
  }

  /** A scenario begins when the photos of the start are all there. */
  async #arrival(): Promise<void> {
    await wait(DECIDING_MS);
    if (this.#isBegun || this.#scenario === "") return;
    let before = -1;
    for (let look = 0; look < LOOKS && (before <= 0 || before !== this.world.photos().length); look++) {
      before = this.world.photos().length;
      await wait(LOOK_MS);
    }
  }

  /** The scenario, once there are photos. */
  #begin(): void {
    if (this.#isBegun || this.world.photos().length === 0) return;
    this.#isBegun = true;
    const { decisions, leaves } = { begun: { decisions: 400, leaves: 1 }, outdated: { decisions: 60, leaves: 1 }, failing: { decisions: 0, leaves: 1 }, slow: { decisions: 0, leaves: 1 }, few: { decisions: 4, leaves: 1 }, done: { decisions: Infinity, leaves: 0 } }[this.#scenario] ?? { decisions: -1, leaves: 1 };
    if (decisions < 0) return;
    this.#suggestAll();
    // Most suggestions are decided as the photo has it; some below the threshold were tagged by hand.
    for (const { photo, label } of this.#waiting().filter((_, index) => leaves === 0 || index % 3 === 0).slice(0, decisions)) this.#value(label).set(photo, isOn(photo, label));
    this.send({ kind: "photosChanged", ids: [] });
    if (this.#scenario === "outdated") this.#suggestedBy = "ViT-B-32-256/datacomp_s34b_b86k";
  }

  async #takeTime(): Promise<void> {
    await wait(this.#scenario === "slow" ? SLOW_MS : DECIDING_MS);
  }

  #suggestAll(): void {
    this.#suggestedBy = this.world.model();
    this.#suggestedMs = NOW_MS + this.#calls * 60_000;
    this.#suggested.clear();
    this.#scores.clear();
    for (const label of this.world.labels()) this.#suggestLabel(label);
  }

  #suggestLabel(label: string): void {
    const curve = this.#curve(label);
    const threshold = this.#threshold(label);
    const found = new Map<number, Suggested>();
    for (const [photo, score] of this.#scoresOf(label)) {
      const probability = probabilityOf(curve, score);
      if (probability < threshold) continue;
      const by = { model: this.world.model(), prompt: `a photo of a ${label}`, cosine: score + 0.19, score, probability, suggestedMs: this.#suggestedMs ?? NOW_MS };
      found.set(photo, { photo, label, by });
    }
    this.#suggested.set(label, found);
  }

  #waiting(): Suggested[] {
    return [...this.#suggested].flatMap(([label, found]) => [...found.values()].filter(({ photo }) => !this.#decided.get(label)?.has(photo)));
  }

  #decide(photos: number[], label: string, verdict: ReviewVerdict): void {
    const now = this.#value(label);
    const before: Decisions = new Map([[label, new Map(now)]]);
    for (const photo of photos) {
      if (verdict === "clear") now.delete(photo);
      else now.set(photo, verdict === "accept");
    }
    this.send({ kind: "photosChanged", ids: photos });
    this.#push({ words: { kind: verdict, label, photos: photos.length }, photos, before, after: new Map([[label, new Map(now)]]) });
  }

  #push(step: Step): void {
    this.#done.push(step);
    this.#undone = [];
  }

  async #turn(from: Step[], to: Step[], which: "before" | "after"): Promise<StepDone | null> {
    await this.#takeTime();
    const step = from.pop();
    if (!step) return null;
    to.push(step);
    this.#put(step[which]);
    this.send({ kind: "photosChanged", ids: step.photos });
    this.#tell();
    return { step: step.words, photos: step.photos, skipped: 0 };
  }

  #put(values: Decisions): void {
    for (const [label, photos] of values) this.#decided.set(label, new Map(photos));
  }

  #value(label: string): Map<number, boolean> {
    const known = this.#decided.get(label) ?? new Map<number, boolean>();
    this.#decided.set(label, known);
    return known;
  }

  #scoresOf(label: string, model = this.world.model()): Map<number, number> {
    const key = `${model}\n${label}\n${this.world.photos().length}`;
    const known = this.#scores.get(key) ?? new Map(this.world.photos().slice(0, MOST_PHOTOS).map((photo) => [photo, scoreOf(photo, label, model)]));
    this.#scores.set(key, known);
    return known;
  }

  #curve(label: string, model = this.world.model()): Curve {
    const scores = this.#scoresOf(label, model);
    const decided = [...(this.#decided.get(label) ?? [])].flatMap(([photo, isRight]) => {
      const score = scores.get(photo);
      return score === undefined ? [] : [{ score, isRight }];
    });
    return curveOf([...scores.values()], decided);
  }

  #threshold(label: string): number {
    return this.#thresholds.get(label)?.value ?? DEFAULT_THRESHOLD;
  }

  #binned(photos: Iterable<number>, scores: Map<number, number>, least: number, most: number): number[] {
    const bins = Array.from({ length: BINS }, () => 0);
    for (const photo of photos) {
      const score = scores.get(photo);
      if (score === undefined) continue;
      const bin = Math.max(0, Math.min(BINS - 1, Math.floor(((score - least) / Math.max(1e-9, most - least)) * BINS)));
      bins[bin] = (bins[bin] ?? 0) + 1;
    }
    return bins;
  }

  #effect(label: string, threshold: number): ThresholdEffect {
    const curve = this.#curve(label);
    const sorted = [...this.#scoresOf(label)].map(([photo, score]) => [photo, probabilityOf(curve, score)] as const).sort((a, b) => a[1] - b[1]);
    const first = sorted.findIndex(([, probability]) => probability >= threshold);
    const cut = first < 0 ? sorted.length : first;
    const example = ([photo, probability]: readonly [number, number]): Example => ({ photo, probability, accepted: this.#decided.get(label)?.get(photo) ?? null });
    return {
      threshold, score: scoreFor(curve, Math.max(1e-6, Math.min(1 - 1e-6, threshold))), tagged: sorted.length - cut,
      above: sorted.slice(cut, cut + EXAMPLES).map(example), below: sorted.slice(Math.max(0, cut - EXAMPLES), cut).toReversed().map(example),
    };
  }

  #judged(model: string): Judgement[] {
    return [...this.#decided].flatMap(([label, photos]) => {
      const curve = this.#curve(label, model);
      return [...photos].map(([photo, isRight]) => ({ photo, label, isRight, probability: probabilityOf(curve, scoreOf(photo, label, model)) }));
    });
  }

  #bestF1(label: string): [number, number] | null {
    const judged = this.#judged(this.world.model()).filter((one) => one.label === label);
    const positives = judged.filter(({ isRight }) => isRight).length;
    if (judged.length < 10 || positives === 0 || positives === judged.length) return null;
    const f1 = (at: number) => {
      const suggested = judged.filter(({ probability }) => probability >= at);
      return (2 * suggested.filter(({ isRight }) => isRight).length) / (suggested.length + positives);
    };
    return judged.map(({ probability }): [number, number] => [Math.max(0.001, Math.floor(probability * 1000) / 1000), f1(Math.floor(probability * 1000) / 1000)]).reduce((best, one) => (one[1] > best[1] ? one : best));
  }

  #state(): ReviewState {
    const inSet = this.world.labels();
    const others = [...this.#decided].filter(([label, photos]) => photos.size > 0 && !inSet.includes(label)).map(([label]) => label);
    const labels = [...inSet, ...others].map((label): ReviewLabel => {
      const decided = this.#decided.get(label) ?? new Map<number, boolean>();
      const accepted = [...decided.values()].filter(Boolean).length;
      const waiting = [...(this.#suggested.get(label)?.keys() ?? [])].filter((photo) => !decided.has(photo)).length;
      return { label, accepted, rejected: decided.size - accepted, waiting, threshold: this.#threshold(label), thresholdBy: this.#thresholds.get(label)?.by ?? null, inSet: inSet.includes(label) };
    });
    return {
      labels, waiting: labels.reduce((sum, { waiting }) => sum + waiting, 0), decided: labels.reduce((sum, row) => sum + row.accepted + row.rejected, 0),
      suggestedBy: this.#suggestedBy, suggestedMs: this.#suggestedMs, outdated: this.#suggestedBy !== null && this.#suggestedBy !== this.world.model(),
      undo: this.#done.at(-1)?.words ?? null, redo: this.#undone.at(-1)?.words ?? null, suggesting: this.#suggesting,
    };
  }

  /** Tags that photos have from the start. */
  seed(label: string, photos: readonly number[]): void {
    const known = this.#value(label);
    for (const photo of photos) known.set(photo, true);
  }

  tagsOf(photo: number): string[] {
    return [...this.#decided].filter(([, photos]) => photos.get(photo) === true).map(([label]) => label);
  }

  decisionsOf(photo: number): Decided[] {
    return [...this.#decided].flatMap(([label, photos]) => {
      const accepted = photos.get(photo);
      const suggested = this.#suggested.get(label)?.get(photo)?.by ?? null;
      return accepted === undefined ? [] : [{ label, accepted, decidedMs: NOW_MS - photo * 1000, origin: suggested || photo % 2 === 0 ? "person" as const : "sidecar" as const, suggested }];
    });
  }

  suggestionsOf(photo: number): Suggested[] {
    return this.#waiting().filter((item) => item.photo === photo);
  }

  /** Photos with each tag. */
  tagged(): Map<string, Set<number>> {
    return new Map([...this.#decided].map(([label, photos]) => [label, new Set([...photos].filter(([, isRight]) => isRight).map(([photo]) => photo))]));
  }

  #tell(): void {
    this.send({ kind: "reviewChanged", review: this.#state() });
  }
}

