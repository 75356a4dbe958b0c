// Which photos the grid shows and in which order, as the shell lists them; and which of them are selected.
import type { PhotoList } from "../ipc/backend";
import type { PhotoFilter, PhotoOrder, PhotoQuery, Problem, SearchTerm, WorkbenchEvent } from "../ipc/bindings";
import { IdSet } from "../model/idSet";
import { appended, NO_PHOTOS, setAspects, withoutIds } from "../model/photoList";
import { problemFrom } from "../model/problems";
import { dependsOnRecords, dependsOnScores, isFiltering, isPlain, NO_FILTER, parseTerms, withTerms } from "../model/query";
import { kept, NOTHING, type Selection } from "../model/selection";
import type { LabelDraft } from "./labelDraft.svelte";
import type { Library } from "./library.svelte";

/** Long enough to join the keystrokes of one word. */
const TYPING_MS = 140;
/** A search by meaning reads the words with the model first; it waits until a thought may be complete. */
const SEARCH_MS = 450;
/** Events that may change the list come by the hundred while photos are imported. */
const EVENTS_MS = 700;

export class GridView {
  filter: PhotoFilter = $state.raw(NO_FILTER);
  order: PhotoOrder = $state.raw({ by: "added" });
  descending = $state(false);
  /** What is searched for, as far as it has become terms. */
  terms: readonly SearchTerm[] = $state.raw([]);
  /** What is being typed to be searched for. */
  typed = $state("");
  centred = $state(false);
  /** Whether photos below the cut-off of a search are listed too. */
  pastCut = $state(false);

  list: PhotoList = $state.raw(NO_PHOTOS);
  /** Rises when another question was answered, whose list begins at its top. */
  answered = $state(0);
  isAsking = $state(false);
  problem: Problem | null = $state.raw(null);
  /** What a person said of photos found by the search in force, as far as this window knows. */
  marks: ReadonlyMap<number, boolean> = $state.raw(new Map());
  selection: Selection = $state.raw(NOTHING);
  /** The photo in the large view. */
  largeId: number | null = $state(null);

  #library: Library;
  #draft: LabelDraft;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Rises with every change of the question: an answer to an older one is dropped. */
  #version = 0;
  #changedFrom = 0;
  #answeredVersion = 0;
  #again = false;

  constructor(library: Library, draft: LabelDraft) {
    this.#library = library;
    this.#draft = draft;
  }

  rule = $derived.by(() => ({ topK: this.#draft.value.topK, threshold: this.#draft.value.threshold }));
  search: SearchTerm[] = $derived.by(() => withTerms(this.terms, parseTerms(this.typed)));
  query: PhotoQuery = $derived.by(() => ({
    filter: this.filter, order: this.order, descending: this.descending, search: this.search, centred: this.centred, pastCut: this.pastCut,
  }));
  isFiltered = $derived.by(() => isFiltering(this.filter));
  isSearching = $derived.by(() => this.search.length > 0);
  filterLabels = $derived.by(() => this.filter.labels);
  /** The one photo that is selected; null for none and for several. */
  single = $derived.by(() => (this.selection.ids.size === 1 ? ([...this.selection.ids][0] ?? null) : null));

  /** The ids in the order shown: what ranges and arrows go by. */
  get ids(): Uint32Array {
    return this.list.ids;
  }

  /** The first photo whose place is in doubt since this was asked last: the layout before it stands. */
  takeChangedFrom(): number {
    const from = this.#changedFrom;
    this.#changedFrom = Infinity;
    return from;
  }

  /** A list is asked for, the first time or anew, because of what happened and not because another one is wished. */
  refresh(): void {
    this.#timer ??= setTimeout(() => void this.#ask(), EVENTS_MS);
  }

  load(): void {
    this.#askIn(0);
  }

  narrow(change: Partial<PhotoFilter>): void {
    this.filter = { ...this.filter, ...change };
    this.#changed("text" in change ? TYPING_MS : 0);
  }

  toggleFilter(label: string): void {
    const { labels } = this.filter;
    this.narrow({ labels: labels.includes(label) ? labels.filter((other) => other !== label) : [...labels, label] });
  }

  toggleTag(tag: string): void {
    const { tags } = this.filter;
    this.narrow({ tags: tags.includes(tag) ? tags.filter((other) => other !== tag) : [...tags, tag] });
  }

  clearFilter(): void {
    this.narrow(NO_FILTER);
  }

  orderBy(order: PhotoOrder, descending = false): void {
    this.order = order;
    this.descending = descending;
    this.#changed(0);
  }

  /** Searches as is typed, after a pause. */
  type(text: string): void {
    const before = JSON.stringify(this.search);
    this.typed = text;
    if (JSON.stringify(this.search) !== before) this.#searchChanged(SEARCH_MS);
  }

  /** What is typed becomes terms. */
  keepTyped(): void {
    const terms = this.search;
    this.typed = "";
    this.searchFor(terms);
  }

  searchFor(terms: readonly SearchTerm[]): void {
    this.terms = terms;
    this.#searchChanged(0);
  }

  /** More like these photos too. */
  addPhotos(ids: readonly number[], weight = 1): void {
    this.searchFor(withTerms(this.terms, ids.map((id) => ({ kind: "photo", id, weight }))));
  }

  /** A slider's drag: asked for when it rests for a moment. */
  weigh(index: number, weight: number): void {
    const term = this.terms[index];
    if (!term) return;
    this.terms = this.terms.with(index, { ...term, weight });
    this.#searchChanged(TYPING_MS);
  }

  dropTerm(index: number): void {
    this.searchFor(this.terms.toSpliced(index, 1));
  }

  endSearch(): void {
    this.typed = "";
    this.searchFor([]);
  }

  centre(centred: boolean): void {
    this.centred = centred;
    this.#changed(0);
  }

  showPastCut(pastCut: boolean): void {
    this.pastCut = pastCut;
    // The photos above the cut stay where they are.
    this.#version += 1;
    this.#answeredVersion = this.#version;
    this.#askIn(0);
  }

  /** Null takes a mark back. The cut-off moves with it. */
  async mark(ids: readonly number[], belongs: boolean | null): Promise<void> {
    const { query } = this;
    const marks = new Map(this.marks);
    for (const id of ids) {
      if (belongs === null) marks.delete(id);
      else marks.set(id, belongs);
    }
    this.marks = marks;
    try {
      for (const id of ids) await this.#library.backend.markHit(query, id, belongs);
    } catch (reason) {
      this.#library.onProblem(problemFrom(reason));
    }
    this.#askIn(0);
  }

  apply(event: WorkbenchEvent): void {
    switch (event.kind) {
      case "photosAdded":
        return this.#added(event.photos.map(({ id }) => id));
      case "photosRemoved":
        return this.#removed(event.ids);
      case "photosDecoded":
        return this.#decoded(event);
      case "photosScored":
      case "photosRescored":
        if (dependsOnScores(this.query)) this.refresh();
        return;
      case "photosChanged":
        if (event.ids.length === 0 || dependsOnRecords(this.query) || this.#brings(event.ids)) this.refresh();
        return;
      case "labels":
        return this.#forgetLabels(event.labels.labels);
    }
  }

  /** Photos that were taken out and are put back are no part of the list. */
  #brings(ids: readonly number[]): boolean {
    return isPlain(this.query) && ids.some((id) => !this.list.ids.includes(id));
  }

  #added(ids: readonly number[]): void {
    if (this.isAsking) this.#again = true;
    const last = this.list.ids[this.list.ids.length - 1] ?? 0;
    // Numbers rise as photos come: a lower one was here before, and its place is not the end.
    const isNew = ids.every((id) => id > last);
    if (!isPlain(this.query) || !isNew) return this.refresh();
    const before = this.list.ids.length;
    this.#show(appended(this.list, ids), before);
  }

  #removed(ids: readonly number[]): void {
    if (this.isAsking) this.#again = true;
    const gone = IdSet.of(ids);
    if (this.largeId !== null && gone.has(this.largeId)) this.largeId = null;
    this.#show(withoutIds(this.list, gone), 0);
    if (this.isSearching) this.refresh();
  }

  #decoded({ photos }: Extract<WorkbenchEvent, { kind: "photosDecoded" }>): void {
    const first = setAspects(this.list, photos);
    if (first >= 0) this.#show({ ...this.list }, first);
    const { camera, takenFromMs, takenToMs } = this.filter;
    if (this.order.by === "taken" || camera !== null || takenFromMs !== null || takenToMs !== null) this.refresh();
  }

  /** Filters and orders by labels that are gone go with them. */
  #forgetLabels(labels: readonly string[]): void {
    const left = this.filter.labels.filter((label) => labels.includes(label));
    if (left.length < this.filter.labels.length) this.narrow({ labels: left });
    if (this.order.by === "score" && !labels.includes(this.order.label)) this.orderBy({ by: "added" });
  }

  #searchChanged(delay: number): void {
    this.marks = new Map();
    if (this.search.length === 0) this.pastCut = false;
    this.#changed(delay);
  }

  #changed(delay: number): void {
    this.#version += 1;
    this.#askIn(delay);
  }

  #askIn(delay: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#ask(), delay);
  }

  async #ask(): Promise<void> {
    this.#timer = undefined;
    if (this.isAsking) {
      this.#again = true;
      return;
    }
    this.isAsking = true;
    do {
      this.#again = false;
      await this.#fetch();
    } while (this.#again);
    this.isAsking = false;
  }

  async #fetch(): Promise<void> {
    const version = this.#version;
    try {
      const list = await this.#library.backend.photoList(this.query);
      if (version !== this.#version) return;
      this.problem = null;
      this.#library.total = list.head.total;
      this.#show(list, 0);
      if (this.#answeredVersion === version) return;
      this.#answeredVersion = version;
      this.answered += 1;
    } catch (reason) {
      if (version !== this.#version) return;
      this.problem = problemFrom(reason);
      this.#library.onProblem(this.problem);
    }
  }

  #show(list: PhotoList, changedFrom: number): void {
    if (list === this.list) return;
    this.#changedFrom = Math.min(this.#changedFrom, changedFrom);
    const isOther = changedFrom === 0;
    // A photo that is shown large without being part of the list stays.
    const leaves = isOther && this.largeId !== null && this.list.ids.includes(this.largeId) && !list.ids.includes(this.largeId);
    this.list = list;
    if (leaves) this.largeId = null;
    if (isOther) this.selection = kept(this.selection, list.ids);
  }
}

