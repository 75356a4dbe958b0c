// Photos in figures: the whole library, or those selected; and what filters can be set to. Asked for only where they are shown.
import type { Backend } from "../ipc/backend";
import type { FilterMenu, PhotoSummary, WorkbenchEvent } from "../ipc/bindings";
import { Asked } from "./asked.svelte";

/** Counting a million photos takes a moment, and while photos come it is never done. */
const AGAIN_MS = 900;
/** A selection that grows under the pointer is counted when it rests. */
const SELECTING_MS = 200;

const CHANGING: readonly WorkbenchEvent["kind"][] = [
  "photosAdded", "photosDecoded", "photosScored", "photosFailed", "photosRemoved", "photosRescored", "photosChanged", "labels", "libraryChanged",
];

export class Figures {
  /** Rises, now and then, when figures may be others. */
  revision = $state(0);
  readonly whole = new Asked<PhotoSummary>();
  readonly some = new Asked<PhotoSummary>();
  readonly menu = new Asked<FilterMenu>();
  /** Photos that were given each label. */
  counts = $derived.by(() => new Map(this.whole.value?.labels.map(({ label, count }) => [label, count])));

  #backend: Backend;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #someTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  askWhole(): void {
    void this.whole.ask(() => this.#backend.photoSummary(null));
  }

  askMenu(): void {
    void this.menu.ask(() => this.#backend.filterMenu());
  }

  /** `isAll`: they are all photos there are, which need not be named. */
  askSome(ids: Iterable<number>, isAll: boolean): void {
    clearTimeout(this.#someTimer);
    this.#someTimer = setTimeout(() => void this.some.ask(() => this.#backend.photoSummary(isAll ? null : [...ids])), SELECTING_MS);
  }

  apply(event: WorkbenchEvent): void {
    if (!CHANGING.includes(event.kind) || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.revision += 1;
    }, AGAIN_MS);
  }
}
