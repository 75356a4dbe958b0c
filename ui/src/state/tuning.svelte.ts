// Tuning and ablation: what is asked for, how it goes, and the newest report of each. One of them runs at a time.
import type { Backend } from "../ipc/backend";
import type { AblationOptions, AblationReport, Problem, ScoreKind, TuneLoss, TuneOptions, TuneProgress, TuneReport, WorkbenchEvent } from "../ipc/bindings";
import { problemFrom } from "../model/problems";

/** What tuning and ablation have in common, and what each has of its own. The loss is the model's own until one is chosen. */
export type Wishes = Omit<TuneOptions, "loss"> & Pick<AblationOptions, "seeds"> & { loss: TuneLoss | null };

/** Few photos and a head that is good already: small steps, a pull back, and a stop as soon as held-out photos get worse. */
export const FIRST_WISHES: Wishes = { parts: "both", loss: null, pull: 0.1, learningRate: 0.001, epochs: 60, patience: 10, folds: 5, seed: 0, seeds: 5 };

export class Tuning {
  running: "tune" | "ablation" | null = $state(null);
  progress: TuneProgress | null = $state.raw(null);
  wishes: Wishes = $state.raw(FIRST_WISHES);
  report: TuneReport | null = $state.raw(null);
  ablation: AblationReport | null = $state.raw(null);
  /** Why the last run has no report; a stop by the person is none. */
  problem: Problem | null = $state.raw(null);
  isStopping = $state(false);

  constructor(readonly backend: Backend) {}

  wish(change: Partial<Wishes>): void {
    this.wishes = { ...this.wishes, ...change };
  }

  async tune(kind: ScoreKind): Promise<void> {
    const { parts, seed } = this.wishes;
    await this.#run("tune", async () => {
      this.report = await this.backend.tune({ parts, seed, ...this.#common(kind) });
    });
  }

  async compareForms(kind: ScoreKind): Promise<void> {
    const { seeds } = this.wishes;
    await this.#run("ablation", async () => {
      this.ablation = await this.backend.ablation({ seeds, ...this.#common(kind) });
    });
  }

  #common(kind: ScoreKind): Omit<AblationOptions, "seeds"> {
    const { loss, pull, learningRate, epochs, patience, folds } = this.wishes;
    return { loss: loss ?? kind, pull, learningRate, epochs, patience, folds };
  }

  /** A stopped tuning still reports what was done; a stopped ablation reports nothing. */
  async stop(): Promise<void> {
    if (this.running === null || this.isStopping) return;
    this.isStopping = true;
    try {
      await this.backend.cancelTune();
    } catch (reason) {
      this.problem = problemFrom(reason);
      this.isStopping = false;
    }
  }

  apply(event: WorkbenchEvent): void {
    if (event.kind === "tuneProgress" && this.running !== null) this.progress = event.progress;
  }

  async #run(what: "tune" | "ablation", command: () => Promise<void>): Promise<void> {
    if (this.running !== null) return;
    this.running = what;
    this.progress = null;
    this.problem = null;
    try {
      await command();
    } catch (reason) {
      const problem = problemFrom(reason);
      if (problem.code !== "cancelled") this.problem = problem;
    } finally {
      this.running = null;
      this.isStopping = false;
      this.progress = null;
    }
  }
}
