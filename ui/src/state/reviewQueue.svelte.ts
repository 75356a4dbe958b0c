// The queue: what waits for a verdict, one after the other or in batches.
import type { ReviewBackend } from "../ipc/reviewBackend";
import type { Queue, QueueOrder, ReviewState, Suggested } from "../ipc/bindings";
import { keyOf, mostWaiting, waitingOf } from "../model/review";
import { NO_ROW, nextOpen, openAhead, refilled, type Row } from "../model/reviewQueue";
import { Asked } from "./asked.svelte";
import type { Decisions, Made } from "./reviewDecisions.svelte";

/** With fewer than this ahead, more are asked for. */
const LOW = 30;
/** After a change elsewhere the queue is asked for when it has been quiet so long. */
const QUIET_MS = 250;
/** Photos of a batch: as many as can be looked over at once. */
export const BATCH = 40;

export type QueueMode = "single" | "batch";

export class ReviewQueue {
  readonly answer = new Asked<Queue>();
  row: Row = $state.raw(NO_ROW);
  mode: QueueMode = $state("single");
  order: QueueOrder = $state("useful");
  /** Only suggestions of this label; null for all. */
  label: string | null = $state(null);
  /** A batch stays as it is while its photos are decided. */
  batch: readonly Suggested[] = $state.raw([]);
  /** Whether the queue has been asked for. */
  isBegun = $state(false);

  /** Passed over; they come again when a person asks for them, or another label or order. */
  #skipped = new Set<string>();
  skippedCount = $state(0);
  /** What came with the newest answer and is not decided here yet. */
  #waiting = new Set<string>();
  #total = 0;
  #hasMore = false;
  #quiet: ReturnType<typeof setTimeout> | undefined;

  constructor(
    readonly backend: ReviewBackend,
    readonly decisions: Decisions,
    readonly state: () => ReviewState,
  ) {}

  current: Suggested | null = $derived.by(() => this.row.items[this.row.at] ?? null);
  /** Those of the batch that are still open. */
  open: readonly Suggested[] = $derived.by(() => this.batch.filter((item) => this.isOpen(item)));

  isOpen(item: Suggested): boolean {
    return !this.decisions.isDecided(item.photo, item.label);
  }

  isSkipped(item: Suggested): boolean {
    return this.#skipped.has(keyOf(item));
  }

  /** Brings the queue up to date; what is in question stays. */
  async refresh(): Promise<void> {
    clearTimeout(this.#quiet);
    this.isBegun = true;
    const [label, order] = [this.label, this.order];
    await this.answer.ask(async () => {
      const askedAt = this.decisions.now();
      const queue = await this.backend.queue({ label, order });
      if (label === this.label && order === this.order) this.#use(queue, askedAt);
      return queue;
    });
  }

  /** A batch is of one label; all of them are the one that most waits for. */
  narrow(label: string | null): void {
    this.#begin({ label: label === null && this.mode === "batch" ? mostWaiting(this.state().labels) : label });
  }

  sort(order: QueueOrder): void {
    this.#begin({ order });
  }

  show(mode: QueueMode): void {
    this.mode = mode;
    const label = mode === "batch" && this.label === null ? (this.current?.label ?? mostWaiting(this.state().labels)) : this.label;
    if (label === this.label) this.nextBatch();
    else this.#begin({ label });
  }

  decide(verdict: "accept" | "reject"): void {
    const item = this.current;
    if (!item) return;
    const at = this.row.at;
    this.#unskip(item);
    void this.decisions.decide([item.photo], item.label, verdict);
    this.#go(nextOpen(this.row.items, at, (other) => this.isOpen(other) && !this.isSkipped(other)));
  }

  skip(): void {
    const item = this.current;
    if (!item) return;
    if (this.isOpen(item)) {
      this.#skipped.add(keyOf(item));
      this.skippedCount = this.#skipped.size;
    }
    this.#go(this.row.at + 1);
  }

  back(): void {
    this.#go(this.row.at - 1);
  }

  goTo(index: number): void {
    this.#go(index);
  }

  /** Those that were passed over, again. */
  again(): void {
    this.#skipped.clear();
    this.skippedCount = 0;
    this.#go(nextOpen(this.row.items, -1, (item) => this.isOpen(item)));
    void this.refresh();
  }

  /** One photo of a batch: rejected, or open again. */
  toggle(item: Suggested): void {
    void this.decisions.decide([item.photo], item.label, this.isOpen(item) ? "reject" : "clear");
  }

  /** One step on all that are open in the batch; then the next batch. */
  decideBatch(verdict: "accept" | "reject"): void {
    const label = this.label;
    if (label === null || this.open.length === 0) return;
    void this.decisions.decide(this.open.map(({ photo }) => photo), label, verdict);
    this.nextBatch();
  }

  /** The first that are open; asks for more when they run out. */
  nextBatch(): void {
    const open = this.row.items.filter((item) => this.isOpen(item));
    this.batch = open.slice(0, BATCH);
    if (open.length < BATCH && this.#hasMore) void this.refresh();
  }

  /** A step was taken back or done again: to the photo it was about. */
  follow(made: Made): void {
    if (this.mode === "batch") return this.nextBatch();
    const first = made.photos[0];
    const index = this.row.items.findIndex((item) => item.photo === first && item.label === made.label);
    if (index >= 0 && made.photos.length === 1) this.#go(index);
  }

  /** A decision is seen, or no longer: what is left of the queue follows. */
  note(key: string, isDecided: boolean, was: boolean): void {
    if (!this.#waiting.has(key) || isDecided === was) return;
    this.#total += isDecided ? -1 : 1;
  }

  /** The shell knows of another number of suggestions than is known here: something else has changed them. */
  compare(state: ReviewState): void {
    if (!this.isBegun || this.decisions.pending > 0 || this.answer.isLoading || waitingOf(state, this.label) === this.#total) return;
    clearTimeout(this.#quiet);
    this.#quiet = setTimeout(() => void this.refresh(), QUIET_MS);
  }

  #begin(change: { label?: string | null; order?: QueueOrder }): void {
    if (change.label !== undefined) this.label = change.label;
    if (change.order !== undefined) this.order = change.order;
    this.#skipped.clear();
    this.skippedCount = 0;
    this.row = NO_ROW;
    this.batch = [];
    void this.refresh();
  }

  #use(queue: Queue, askedAt: number): void {
    for (const item of queue.items) this.decisions.settle(keyOf(item), askedAt);
    this.#waiting = new Set(queue.items.map(keyOf));
    // Decisions that the shell did not have yet count already.
    this.#total = queue.total - queue.items.filter((item) => !this.isOpen(item)).length;
    this.#hasMore = queue.total > queue.items.length;
    this.row = refilled(this.row, queue.items, (item) => !this.isOpen(item) || this.isSkipped(item));
    if (this.mode === "batch") this.#fillBatch();
  }

  /** A batch under the eye keeps its photos in their places; room in it is filled. */
  #fillBatch(): void {
    const here = new Set(this.row.items.map(keyOf));
    const kept = this.batch.filter((item) => here.has(keyOf(item)) || !this.isOpen(item));
    const isLookedAt = kept.some((item) => this.isOpen(item));
    const known = new Set(kept.map(keyOf));
    const more = this.row.items.filter((item) => this.isOpen(item) && !(isLookedAt && known.has(keyOf(item))));
    this.batch = [...(isLookedAt ? kept : []), ...more].slice(0, Math.max(BATCH, isLookedAt ? kept.length : 0));
  }

  #unskip(item: Suggested): void {
    if (this.#skipped.delete(keyOf(item))) this.skippedCount = this.#skipped.size;
  }

  #go(index: number): void {
    this.row = { items: this.row.items, at: Math.max(0, Math.min(this.row.items.length, index)) };
    if (!this.#hasMore || this.answer.isLoading) return;
    if (openAhead(this.row, (item) => this.isOpen(item)) < LOW) void this.refresh();
  }
}
