// The threshold of one label: its card, and what another threshold would come to while it is dragged.
import type { ReviewBackend } from "../ipc/reviewBackend";
import type { LabelCard, Problem, ReviewLabel, ReviewState, ThresholdEffect } from "../ipc/bindings";
import { problemFrom } from "../model/problems";
import { SET_ORDER, sortedLabels, type LabelOrder } from "../model/review";
import { inRange, type CountAxis } from "../model/reviewCurve";
import { Asked } from "./asked.svelte";

/** A drag is many values; the shell is asked when the hand rests so long, or each time it has answered. */
const REST_MS = 50;
/** Decisions move the curve; the card follows when it has been quiet so long. */
const QUIET_MS = 400;

export class Thresholds {
  readonly card = new Asked<LabelCard>();
  label: string | null = $state(null);
  search = $state("");
  order: LabelOrder = $state.raw(SET_ORDER);
  countAxis: CountAxis = $state("log");
  /** A threshold that is tried and not in force. */
  tried: number | null = $state(null);
  /** What the newest answer says of a tried threshold; it may be behind the hand. */
  effect: ThresholdEffect | null = $state.raw(null);
  isSetting = $state(false);

  #wanted: number | null = null;
  #isAsking = false;
  #rest: ReturnType<typeof setTimeout> | undefined;
  #quiet: ReturnType<typeof setTimeout> | undefined;
  /** Rises when answers under way are of no use any more. */
  #version = 0;
  #seen = "";

  constructor(
    readonly backend: ReviewBackend,
    readonly state: () => ReviewState,
    readonly onProblem: (problem: Problem) => void,
  ) {}

  rows: readonly ReviewLabel[] = $derived.by(() => sortedLabels(this.state().labels, this.order, this.search));
  row: ReviewLabel | null = $derived.by(() => this.state().labels.find(({ label }) => label === this.label) ?? null);
  /** What the card and the examples are about: the tried threshold, as far as its answer is here, or the one in force. */
  shown: ThresholdEffect | null = $derived.by(() => (this.tried === null ? null : this.effect) ?? this.card.value?.at ?? null);
  threshold: number | null = $derived.by(() => this.tried ?? this.card.value?.at.threshold ?? null);
  /** Whether what is shown is not yet of the threshold under the hand. */
  isBehind: boolean = $derived.by(() => this.tried !== null && this.effect?.threshold !== this.tried);

  choose(label: string): void {
    if (label === this.label) return;
    this.label = label;
    this.letGo();
    this.card.clear();
    void this.refresh();
  }

  refresh(): Promise<void> {
    const label = this.label;
    if (label === null) return Promise.resolve();
    clearTimeout(this.#quiet);
    this.#seen = this.#counted();
    return this.card.ask(() => this.backend.labelCard(label));
  }

  /** Tries a threshold: seen at once, asked about a moment later. */
  try(threshold: number): void {
    this.tried = inRange(threshold);
    this.#wanted = this.tried;
    if (this.#isAsking) return;
    clearTimeout(this.#rest);
    this.#rest = setTimeout(() => void this.#ask(), REST_MS);
  }

  /** Back to the threshold in force. */
  letGo(): void {
    clearTimeout(this.#rest);
    this.#version += 1;
    this.#wanted = null;
    this.tried = null;
    this.effect = null;
  }

  /** Puts a threshold in force; null is the default. What is suggested follows. */
  async use(threshold: number | null, label = this.label): Promise<void> {
    if (label === null) return;
    this.isSetting = true;
    try {
      await this.backend.setThreshold(label, threshold);
      if (label === this.label) {
        await this.refresh();
        this.letGo();
      }
    } catch (reason) {
      this.onProblem(problemFrom(reason));
    } finally {
      this.isSetting = false;
    }
  }

  /** The label has other decisions, or another threshold, than when its card was asked for. */
  compare(): void {
    if (this.label === null || this.#counted() === this.#seen) return;
    if (this.row === null) return this.#drop();
    clearTimeout(this.#quiet);
    this.#quiet = setTimeout(() => void this.refresh(), QUIET_MS);
  }

  /** There is no such label any more. */
  #drop(): void {
    this.letGo();
    this.label = null;
    this.card.clear();
  }

  #counted(): string {
    const row = this.row;
    const { suggestedMs } = this.state();
    return row ? JSON.stringify([row.accepted, row.rejected, row.threshold, suggestedMs]) : "";
  }

  /** One question is under way; of those that come meanwhile, the newest is next. Answers of before are dropped. */
  async #ask(): Promise<void> {
    const [label, version] = [this.label, this.#version];
    this.#isAsking = true;
    while (this.#wanted !== null && label !== null && version === this.#version) {
      const threshold = this.#wanted;
      this.#wanted = null;
      try {
        const effect = await this.backend.thresholdEffect(label, threshold);
        // What was asked for is what it is the answer to, whatever the shell makes of its last digit.
        if (version === this.#version) this.effect = { ...effect, threshold };
      } catch (reason) {
        if (version === this.#version) this.onProblem(problemFrom(reason));
      }
    }
    this.#isAsking = false;
    if (this.#wanted !== null) void this.#ask();
  }
}
