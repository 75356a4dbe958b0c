// The filters in force, in words, and how each is taken away.
import { dayText } from "../../model/query";
import { currentLocale, t } from "../../state/i18n.svelte";
import type { GridView } from "../../state/gridView.svelte";

export interface ActiveFilter {
  key: string;
  name: string;
  /** Asks for photos that do not have it. */
  isWithout: boolean;
  /** The label, where it is one. */
  label?: string;
  remove: () => void;
}

export function activeFilters(grid: GridView): ActiveFilter[] {
  const { filter } = grid;
  const found: ActiveFilter[] = filter.labels.map((label) => ({ key: `label ${label}`, name: label, label, isWithout: false, remove: () => grid.toggleFilter(label) }));
  const add = (key: string, name: string, remove: () => void, isWithout = false) => found.push({ key, name, isWithout, remove });
  if (filter.text.trim() !== "") add("text", t("filter.textIs", { text: filter.text.trim() }), () => grid.narrow({ text: "" }));
  for (const tag of filter.tags) add(`tag ${tag}`, t("filter.tagIs", { tag }), () => grid.toggleTag(tag));
  for (const tag of filter.withoutTags) add(`without ${tag}`, t("filter.tagIsNot", { tag }), () => grid.narrow({ withoutTags: filter.withoutTags.filter((other) => other !== tag) }), true);
  if (filter.untagged) add("untagged", t("filter.untagged"), () => grid.narrow({ untagged: false }));
  if (filter.takenFromMs !== null || filter.takenToMs !== null) add("taken", takenWords(filter.takenFromMs, filter.takenToMs), () => grid.narrow({ takenFromMs: null, takenToMs: null }));
  if (filter.folder !== null) add("folder", t("filter.folderIs", { folder: filter.folder }), () => grid.narrow({ folder: null }));
  if (filter.camera !== null) add("camera", filter.camera, () => grid.narrow({ camera: null }));
  if (filter.missing !== null) add("missing", t(filter.missing ? "filter.missing" : "filter.present"), () => grid.narrow({ missing: null }));
  return found;
}

/** `2024`, `from 1 May 2024`, `1 May 2024 – 3 June 2024`. */
function takenWords(from: number | null, to: number | null): string {
  const year = from === null ? NaN : new Date(from).getUTCFullYear();
  if (from === Date.UTC(year, 0) && to === Date.UTC(year + 1, 0)) return t("filter.taken.year", { year: String(year) });
  const date = (ms: number, isLast: boolean) => new Intl.DateTimeFormat(currentLocale(), { dateStyle: "medium", timeZone: "UTC" }).format(Date.parse(dayText(ms, isLast)));
  if (from === null) return t("filter.taken.to", { to: date(to ?? 0, true) });
  return to === null ? t("filter.taken.from", { from: date(from, false) }) : t("filter.taken.between", { from: date(from, false), to: date(to, true) });
}
