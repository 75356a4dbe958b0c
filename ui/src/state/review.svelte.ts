// What the Review screen knows: where review stands, the queue, thresholds and the newest evaluation.
import type { Backend } from "../ipc/backend";
import type { CompareWith, EvaluationReport, PhotoRecord, Problem, ReviewState, ReviewVerdict, StepWords, WorkbenchEvent } from "../ipc/bindings";
import { problemFrom } from "../model/problems";
import { NO_REVIEW } from "../model/review";
import type { Measure } from "../model/reviewEvaluation";
import { Asked } from "./asked.svelte";
import { Decisions } from "./reviewDecisions.svelte";
import { ReviewNames } from "./reviewNames.svelte";
import { ReviewQueue } from "./reviewQueue.svelte";
import { Thresholds } from "./reviewThresholds.svelte";

export const REVIEW_TABS = ["queue", "thresholds", "evaluation"] as const;
export type ReviewTab = (typeof REVIEW_TABS)[number];

/** What was done last, to be said. */
export interface Told {
  way: "do" | "undo" | "redo";
  step: StepWords;
  /** Photos left as they are, because something newer was decided there. */
  skipped: number;
}

export class Review {
  state: ReviewState = $state.raw(NO_REVIEW);
  isLoaded = $state(false);
  /** Why there is no state, or why suggesting failed. */
  problem: Problem | null = $state.raw(null);
  tab: ReviewTab = $state("queue");
  told: Told | null = $state.raw(null);
  /** Whether suggesting has been asked for and has not ended. */
  isSuggesting = $state(false);

  readonly decisions: Decisions;
  readonly queue: ReviewQueue;
  readonly thresholds: Thresholds;
  readonly names: ReviewNames;
  readonly evaluation = new Asked<EvaluationReport>();
  measure: Measure = $state("f1");
  /** The decisions that the newest evaluation rests on, and its measure. */
  evaluated: { decided: number; measure: Measure } = $state.raw({ decided: 0, measure: "f1" });

  #isShown = false;
  #again: () => Promise<void> = () => this.load();

  constructor(
    readonly backend: Backend,
    readonly onProblem: (problem: Problem) => void,
  ) {
    this.decisions = new Decisions(backend.review, {
      onmade: ({ label, photos, verdict }) => (this.told = photos.length > 1 ? { way: "do", step: { kind: verdict, label, photos: photos.length }, skipped: 0 } : null),
      onvalue: (key, now, before) => this.queue.note(key, typeof now === "boolean", typeof before === "boolean"),
      onstep: (way, step, made) => {
        this.told = { way, step: step.step, skipped: step.skipped };
        if (step.step.kind === "rename") this.decisions.forget();
        if (!made) void this.queue.refresh();
      },
      onproblem: onProblem,
    });
    this.queue = new ReviewQueue(backend.review, this.decisions, () => this.state);
    this.thresholds = new Thresholds(backend.review, () => this.state, onProblem);
    this.names = new ReviewNames(backend);
  }

  canUndo: boolean = $derived.by(() => this.state.undo !== null || this.decisions.pending > 0);
  canRedo: boolean = $derived.by(() => this.state.redo !== null);

  /** The screen is there: brings it up to date. Returns what to call when it goes. */
  show(): () => void {
    this.#isShown = true;
    void this.load();
    return () => {
      this.#isShown = false;
    };
  }

  async load(): Promise<void> {
    try {
      this.#use(await this.backend.review.state());
      this.problem = null;
    } catch (reason) {
      this.#fail(problemFrom(reason), () => this.load());
    }
    await this.queue.refresh();
  }

  apply(event: WorkbenchEvent): void {
    if (event.kind === "reviewChanged") this.#use(event.review);
    if (event.kind === "photosChanged") this.names.forget(event.ids);
  }

  async suggest(): Promise<void> {
    if (this.isSuggesting) return;
    this.isSuggesting = true;
    this.problem = null;
    let failure: Problem | null = null;
    try {
      await this.backend.review.suggest();
    } catch (reason) {
      failure = problemFrom(reason);
    }
    this.isSuggesting = false;
    await this.load();
    if (failure && failure.code !== "cancelled") this.#fail(failure, () => this.suggest());
    void this.thresholds.refresh();
  }

  /** Tries again what failed. */
  retry(): void {
    void this.#again();
  }

  #fail(problem: Problem, again: () => Promise<void>): void {
    this.problem = problem;
    this.#again = again;
  }

  async cancelSuggest(): Promise<void> {
    try {
      await this.backend.review.cancelSuggest();
    } catch (reason) {
      this.onProblem(problemFrom(reason));
    }
  }

  /** One photo outside the queue, such as beside a threshold; the same verdict again takes it back. */
  mark(photo: number, label: string, verdict: "accept" | "reject", now: boolean | null): void {
    const isTakenBack = now === (verdict === "accept");
    void this.decisions.decide([photo], label, isTakenBack ? "clear" : verdict);
  }

  /** Every suggestion of a label from a probability on. */
  async decideAll(label: string, least: number, verdict: ReviewVerdict): Promise<void> {
    const count = await this.decisions.run(label, () => this.backend.review.decideAll(label, least, verdict));
    if (count === null) return;
    this.told = { way: "do", step: { kind: verdict, label, photos: count }, skipped: 0 };
    await this.queue.refresh();
  }

  async rename(from: string, to: string): Promise<boolean> {
    const isShown = this.thresholds.label === from;
    const done = await this.decisions.run(to, async () => {
      await this.backend.review.renameTag(from, to);
      return true;
    });
    if (done !== true) return false;
    this.decisions.forget();
    if (isShown) this.thresholds.choose(to);
    await this.queue.refresh();
    return true;
  }

  undo(): void {
    const made = this.decisions.undo();
    if (made) this.queue.follow(made);
  }

  redo(): void {
    const made = this.decisions.redo();
    if (made) this.queue.follow(made);
  }

  evaluate(compare: CompareWith | null): Promise<void> {
    const measure = this.measure;
    return this.evaluation.ask(async () => {
      const decided = this.state.decided;
      const report = await this.backend.review.evaluate({ measure, compare });
      this.evaluated = { decided, measure };
      return report;
    });
  }

  record(photo: number): PhotoRecord | null {
    return this.names.get(photo);
  }

  #use(state: ReviewState): void {
    this.state = state;
    this.isLoaded = true;
    if (!this.#isShown) return;
    this.queue.compare(state);
    this.thresholds.compare();
  }
}
