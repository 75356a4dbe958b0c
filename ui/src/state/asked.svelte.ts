// An answer of the shell that can be asked for again: the old one stays until the new one is here.
import type { Problem } from "../ipc/bindings";
import { problemFrom } from "../model/problems";

export class Asked<T> {
  value: T | null = $state.raw(null);
  problem: Problem | null = $state.raw(null);
  isLoading = $state(false);
  #next: (() => Promise<T>) | null = null;
  #isRunning = false;
  #version = 0;

  /** Only one question is under way; of those that come meanwhile, the last is asked when it is done. */
  async ask(question: () => Promise<T>): Promise<void> {
    this.#next = question;
    this.#version += 1;
    this.isLoading = true;
    if (this.#isRunning) return;
    this.#isRunning = true;
    while (this.#next) await this.#put(this.#next);
    this.#isRunning = false;
    this.isLoading = false;
  }

  /** Drops what there is, and what is under way. */
  clear(): void {
    this.#version += 1;
    this.#next = null;
    this.value = null;
    this.problem = null;
  }

  async #put(question: () => Promise<T>): Promise<void> {
    this.#next = null;
    const version = this.#version;
    try {
      const value = await question();
      if (version !== this.#version) return;
      this.value = value;
      this.problem = null;
    } catch (reason) {
      if (version === this.#version) this.problem = problemFrom(reason);
    }
  }
}
