// Sidecars: how they are to be written, what a dry run says of that, and what reading them would bring.
import type { Backend } from "../ipc/backend";
import type { SidecarOptions, SidecarReading, SidecarReport } from "../ipc/bindings";
import { isSameQuestion, rootProblem, type Question } from "../model/shelfSidecars";
import { problemFrom } from "../model/problems";
import { Asked } from "./asked.svelte";

/** Photos by number, and how many. */
export type Chosen = Iterable<number> & { readonly size: number };

export const SIDECAR_PARTS = ["write", "read", "export"] as const;
export type SidecarPart = (typeof SIDECAR_PARTS)[number];
export type SidecarResult = { kind: "written" | "removed"; report: SidecarReport };

export class Sidecars {
  readonly options = new Asked<SidecarOptions>();
  readonly plan = new Asked<SidecarReport>();
  readonly reading = new Asked<SidecarReading>();
  part: SidecarPart = $state("write");
  /** Only the photos selected in the grid, where there are any. */
  onlySelected = $state(false);
  evenRejected = $state(false);
  doing: "write" | "remove" | null = $state(null);
  /** What was done last; it stands in place of a dry run until the next one. */
  result: SidecarResult | null = $state.raw(null);
  /** The row whose change is shown. */
  at = $state(0);
  /** Tags changed since the dry run. */
  isOutdated = $state(false);

  #planned: Question | null = $state.raw(null);
  #read: readonly number[] | null = $state.raw(null);

  constructor(readonly backend: Backend, readonly selected: () => Chosen) {}

  ids: number[] | null = $derived.by(() => (this.onlySelected && this.selected().size > 0 ? [...this.selected()] : null));
  question: Question | null = $derived.by(() => (this.options.value ? { ids: this.ids, options: this.options.value } : null));
  /** Why no dry run can be made of these options. */
  rootProblem = $derived.by(() => (this.options.value?.suggestions ? rootProblem(this.options.value.root) : null));
  /** Whether what a dry run said is what writing would do. */
  isPlanned = $derived.by(() => {
    const isThere = this.plan.value !== null && this.plan.problem === null && !this.plan.isLoading;
    return isThere && !this.isOutdated && isSameQuestion(this.#planned, this.question);
  });
  canWrite = $derived.by(() => this.isPlanned && this.doing === null && (this.plan.value?.changed ?? 0) > 0);
  /** Whether what a look said is of the same photos, and there is something to take. */
  canTake = $derived.by(() => {
    const { value, isLoading, problem } = this.reading;
    if (!value || value.taken || isLoading || problem) return false;
    if (!isSameScope(this.#read, this.ids)) return false;
    return value.tags > 0 || (this.evenRejected && value.found.some(({ rejected }) => rejected.length > 0));
  });

  show(): void {
    if (!this.options.value && !this.options.isLoading) this.load();
  }

  load(): void {
    void this.options.ask(() => this.backend.shelf.sidecarOptions());
  }

  wish(change: Partial<SidecarOptions>): void {
    if (this.options.value) this.options.value = { ...this.options.value, ...change };
  }

  outdate(): void {
    this.isOutdated = this.plan.value !== null;
  }

  /** A dry run: nothing is written. */
  async dryRun(): Promise<void> {
    const { question } = this;
    if (!question || this.rootProblem) return;
    this.result = null;
    this.isOutdated = false;
    this.#planned = question;
    this.at = 0;
    await this.plan.ask(() => this.backend.shelf.planSidecars(mutable(question.ids), question.options));
  }

  /** Writes what the dry run said. */
  async write(): Promise<void> {
    const question = this.#planned;
    if (!question || !this.canWrite) return;
    await this.#do("write", async () => ({ kind: "written", report: await this.backend.shelf.writeSidecars(mutable(question.ids), question.options) }));
  }

  async removeMachineTags(): Promise<void> {
    await this.#do("remove", async () => ({ kind: "removed", report: await this.backend.shelf.removeMachineTags(this.ids) }));
  }

  async look(): Promise<void> {
    const { ids } = this;
    this.#read = ids;
    await this.reading.ask(() => this.backend.shelf.planReading(ids));
  }

  /** Takes over what a look has found; whether it did. */
  async take(): Promise<boolean> {
    if (!this.canTake) return false;
    const { ids, evenRejected } = this;
    await this.reading.ask(() => this.backend.shelf.takeReading(ids, evenRejected));
    return this.reading.problem === null && this.reading.value?.taken === true;
  }

  /** A failure stands where the dry run did: what is written by then is not known, so that only a new one can say. */
  async #do(doing: "write" | "remove", command: () => Promise<SidecarResult>): Promise<void> {
    this.doing = doing;
    this.at = 0;
    try {
      this.result = await command();
      this.plan.clear();
    } catch (reason) {
      this.plan.clear();
      this.plan.problem = problemFrom(reason);
    } finally {
      this.doing = null;
    }
  }
}

function mutable(ids: readonly number[] | null): number[] | null {
  return ids && [...ids];
}

function isSameScope(a: readonly number[] | null, b: readonly number[] | null): boolean {
  return a === b || (a !== null && b !== null && a.length === b.length && a.every((id, index) => id === b[index]));
}
