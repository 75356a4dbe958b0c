// What photos of a review are called: asked for in one go for those that come into sight together.
import { SvelteMap } from "svelte/reactivity";
import type { Backend } from "../ipc/backend";
import type { PhotoRecord } from "../ipc/bindings";

/** Photos of which one knows; beyond it, all are forgotten and asked for again. */
const MOST = 4000;

export class ReviewNames {
  #known = new SvelteMap<number, PhotoRecord>();
  #wanted = new Set<number>();
  #asked = new Set<number>();
  #isDue = false;

  constructor(readonly backend: Pick<Backend, "photoRecords">) {}

  /** Null until the answer is here, and for photos that are gone. */
  get(id: number): PhotoRecord | null {
    return this.#known.get(id) ?? null;
  }

  want(ids: Iterable<number>): void {
    for (const id of ids) if (!this.#asked.has(id)) this.#wanted.add(id);
    if (this.#isDue || this.#wanted.size === 0) return;
    this.#isDue = true;
    queueMicrotask(() => void this.#ask());
  }

  /** These have changed; none named means that any may have. */
  forget(ids: readonly number[]): void {
    if (ids.length === 0) this.#clear();
    for (const id of ids) {
      this.#known.delete(id);
      this.#asked.delete(id);
    }
  }

  async #ask(): Promise<void> {
    const ids = [...this.#wanted];
    this.#isDue = false;
    this.#wanted.clear();
    if (this.#asked.size > MOST) this.#clear();
    for (const id of ids) this.#asked.add(id);
    try {
      for (const record of await this.backend.photoRecords(ids)) this.#known.set(record.id, record);
    } catch {
      // A photo without its name is still the photo; it is asked for again when it comes into sight again.
      for (const id of ids) this.#asked.delete(id);
    }
  }

  #clear(): void {
    this.#known.clear();
    this.#asked.clear();
  }
}
