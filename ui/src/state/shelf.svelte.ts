// What the Library screen knows: the library's facts, its watched folders and its health; `alike` and `sidecars` know the rest.
import type { Backend } from "../ipc/backend";
import type { CheckReport, LibraryState, ReviewState, WorkbenchEvent } from "../ipc/bindings";
import { Asked } from "./asked.svelte";
import { Alike } from "./shelfAlike.svelte";
import { Sidecars, type Chosen } from "./shelfSidecars.svelte";

export const SHELF_TABS = ["folders", "near", "outliers", "sidecars", "health"] as const;
export type ShelfTab = (typeof SHELF_TABS)[number];

/** What a person has begun here and what is not done yet. */
export type ShelfWork = "watch" | "look" | "choose" | "export";

export class Shelf {
  readonly library = new Asked<LibraryState>();
  readonly health = new Asked<CheckReport>();
  readonly alike: Alike;
  readonly sidecars: Sidecars;
  tab: ShelfTab = $state("folders");
  isDeep = $state(false);
  /** What `health` was asked last. */
  asked: "check" | "repair" = $state("check");
  working: ShelfWork | null = $state(null);
  /** The library that is used from the next start on. */
  next: string | null = $state(null);
  /** Why nothing can be changed, if that is so. */
  readOnly = $derived(this.library.value?.readOnly ?? null);

  #decisions = "";

  /** `selected`: the photos selected in the grid. */
  constructor(readonly backend: Backend, selected: () => Chosen) {
    this.alike = new Alike(backend);
    this.sidecars = new Sidecars(backend, selected);
  }

  /** The screen is there. Changes come as events, so that the first answer is enough. */
  show(): void {
    if (!this.library.value && !this.library.isLoading) this.load();
  }

  load(): void {
    void this.library.ask(() => this.backend.shelf.state());
  }

  check(): void {
    this.asked = "check";
    const deep = this.isDeep;
    void this.health.ask(() => this.backend.shelf.check(deep));
  }

  repair(): void {
    this.asked = "repair";
    void this.health.ask(() => this.backend.shelf.repair());
  }

  watch(): Promise<boolean> {
    return this.#during("watch", () => this.backend.shelf.watchFolder());
  }

  look(): Promise<void> {
    return this.#during("look", () => this.backend.shelf.rescan());
  }

  /** Whether another library was chosen; it is used from the next start on. */
  async choose(): Promise<boolean> {
    const path = await this.#during("choose", () => this.backend.shelf.chooseLibrary());
    if (path === null) return false;
    // The one that is open already needs no other start.
    this.next = path === this.library.value?.path ? null : path;
    return this.next !== null;
  }

  exportMarked(): Promise<string | null> {
    return this.#during("export", () => this.backend.shelf.exportMarked());
  }

  exportTags(format: "csv" | "json"): Promise<string | null> {
    return this.#during("export", () => this.backend.shelf.exportTags(format));
  }

  apply(event: WorkbenchEvent): void {
    if (event.kind === "libraryChanged") this.#use(event.library);
    else if (event.kind === "reviewChanged") this.#useReview(event.review);
  }

  #use(library: LibraryState): void {
    const before = this.library.value;
    // What is on its way is older than this.
    this.library.clear();
    this.library.value = library;
    if (!before) return;
    if (before.photos !== library.photos || before.missing !== library.missing) this.alike.outdate();
    if (before.tags !== library.tags) this.sidecars.outdate();
  }

  /** A tag given and another one taken leave the count of tags as it was. */
  #useReview({ decided, waiting, undo, redo, suggestedMs }: ReviewState): void {
    const now = JSON.stringify([decided, waiting, undo, redo, suggestedMs]);
    if (this.#decisions !== "" && this.#decisions !== now) this.sidecars.outdate();
    this.#decisions = now;
  }

  async #during<T>(work: ShelfWork, command: () => Promise<T>): Promise<T> {
    this.working = work;
    try {
      return await command();
    } finally {
      this.working = null;
    }
  }
}
