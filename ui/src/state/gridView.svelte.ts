// Which photos the grid shows, in which order, and which of them are selected.
import { matches, ordered, summarise, type Order } from "../model/collection";
import type { Photo } from "../model/photo";
import { kept, NOTHING, type Selection } from "../model/selection";
import { currentLocale } from "./i18n.svelte";
import type { LabelDraft } from "./labelDraft.svelte";
import type { Library } from "./library.svelte";

export class GridView {
  order: Order = $state.raw({ by: "added" });
  text = $state("");
  filterLabels: readonly string[] = $state.raw([]);
  selection: Selection = $state.raw(NOTHING);
  /** The photo in the large view. */
  largeId: number | null = $state(null);

  #library: Library;
  #draft: LabelDraft;

  constructor(library: Library, draft: LabelDraft) {
    this.#library = library;
    this.#draft = draft;
  }

  rule = $derived.by(() => ({ topK: this.#draft.value.topK, threshold: this.#draft.value.threshold }));
  summaries = $derived.by(() => summarise(this.#library.photos, this.#draft.value.labels, this.rule));
  counts = $derived.by(() => new Map(this.summaries.map((summary) => [summary.label, summary.count])));
  isFiltered = $derived(this.filterLabels.length > 0 || this.text !== "");

  #collator = $derived.by(() => new Intl.Collator(currentLocale(), { numeric: true, sensitivity: "base" }));
  #sorted = $derived.by(() => ordered(this.#library.photos, this.order, (a, b) => this.#collator.compare(a, b)));
  shown: readonly Photo[] = $derived.by(() => {
    const filter = { labels: this.filterLabels, text: this.text.trim() };
    return this.#sorted.filter((photo) => matches(photo, filter, this.rule));
  });
  /** The ids in the order shown: what ranges and arrows go by. */
  ids = $derived.by(() => this.shown.map((photo) => photo.id));
  selected = $derived.by(() => this.shown.filter((photo) => this.selection.ids.has(photo.id)));

  toggleFilter(label: string): void {
    this.filterLabels = this.filterLabels.includes(label)
      ? this.filterLabels.filter((other) => other !== label)
      : [...this.filterLabels, label];
  }

  clearFilter(): void {
    this.filterLabels = [];
    this.text = "";
  }

  /** After photos or labels went, what referred to them goes too. */
  forgetGone(): void {
    this.selection = kept(this.selection, (id) => this.#library.get(id) !== undefined);
    if (this.largeId !== null && !this.#library.get(this.largeId)) this.largeId = null;
    const { labels } = this.#draft.value;
    if (this.filterLabels.some((label) => !labels.includes(label))) {
      this.filterLabels = this.filterLabels.filter((label) => labels.includes(label));
    }
    if (this.order.by === "score" && !labels.includes(this.order.label)) this.order = { by: "added" };
  }
}
