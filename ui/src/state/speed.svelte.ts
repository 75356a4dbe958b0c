// How photos are read and models are kept. A change is shown at once, and taken back when the shell does not take it.
import type { Backend } from "../ipc/backend";
import type { Problem, SpeedSettings } from "../ipc/bindings";
import { problemFrom } from "../model/problems";

export class Speed {
  value: SpeedSettings | null = $state.raw(null);
  problem: Problem | null = $state.raw(null);
  /** Changes that are on their way to the shell. */
  saving = $state(0);

  #saved: SpeedSettings | null = null;
  #queue: Promise<void> = Promise.resolve();

  constructor(
    readonly backend: Backend,
    readonly onProblem: (problem: Problem) => void,
  ) {}

  async load(): Promise<void> {
    this.problem = null;
    // What is being changed is newer than what the shell would say.
    if (this.saving > 0) return;
    try {
      this.value = this.#saved = await this.backend.speedSettings();
    } catch (reason) {
      this.problem = problemFrom(reason);
    }
  }

  /** One after another, so that the last change is the one that stays. */
  change(part: Partial<SpeedSettings>): Promise<void> {
    if (!this.value) return Promise.resolve();
    const wished = { ...this.value, ...part };
    this.value = wished;
    this.saving += 1;
    this.#queue = this.#queue.then(() => this.#send(wished));
    return this.#queue;
  }

  async #send(wished: SpeedSettings): Promise<void> {
    try {
      await this.backend.setSpeed(wished);
      this.#saved = wished;
    } catch (reason) {
      this.onProblem(problemFrom(reason));
    }
    this.saving -= 1;
    if (this.saving === 0) this.value = this.#saved;
  }
}
