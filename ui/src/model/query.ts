// What the grid is asked to show: filters, order, and a search made of terms.
import type { PhotoFilter, PhotoOrder, PhotoQuery, SearchTerm } from "../ipc/bindings";

export const NO_FILTER: PhotoFilter = {
  text: "", labels: [], tags: [], withoutTags: [], untagged: false, folder: null, camera: null, takenFromMs: null, takenToMs: null, missing: null,
};

export const EVERYTHING: PhotoQuery = { filter: NO_FILTER, order: { by: "added" }, descending: false, search: [], centred: false, pastCut: false };

export function isFiltering(filter: PhotoFilter): boolean {
  return Object.entries(filter).some(([name, value]) => JSON.stringify(value) !== JSON.stringify(NO_FILTER[name as keyof PhotoFilter]));
}

/** As photos came, all of them: then a new photo simply stands at the end. */
export function isPlain(query: PhotoQuery): boolean {
  return query.search.length === 0 && !isFiltering(query.filter) && query.order.by === "added" && !query.descending;
}

/** Whether other scores can mean other photos, or another order. */
export function dependsOnScores({ filter, order, search }: PhotoQuery): boolean {
  return filter.labels.length > 0 || filter.text !== "" || search.length > 0 || order.by === "score";
}

/** Whether other tags, files or dates of photos can. */
export function dependsOnRecords({ filter, order }: PhotoQuery): boolean {
  return isFiltering(filter) || order.by === "name" || order.by === "taken";
}

/** A sign in front of a word or a phrase, of either width; a hyphen inside a word is none. */
const SIGN = /(?:^|\s)([+−-])\s*(?=\S)|\s*([＋－])\s*/gu;

/** `beach + sunset − people`: words with what they count. Quotes keep signs as they are. */
export function parseTerms(text: string): SearchTerm[] {
  const parts: { weight: number; text: string }[] = [{ weight: 1, text: "" }];
  for (const piece of text.split(/("[^"]*"|“[^”]*”)/u)) {
    const last = parts[parts.length - 1];
    if (/^["“]/u.test(piece) && last) {
      last.text += piece.slice(1, -1);
      continue;
    }
    let from = 0;
    for (const found of piece.matchAll(SIGN)) {
      const current = parts[parts.length - 1];
      if (current) current.text += piece.slice(from, found.index);
      parts.push({ weight: /[+＋]/u.test(found[1] ?? found[2] ?? "") ? 1 : -1, text: "" });
      from = found.index + found[0].length;
    }
    const current = parts[parts.length - 1];
    if (current) current.text += piece.slice(from);
  }
  return parts.flatMap(({ weight, text: words }) => {
    const tidy = words.trim().replace(/\s+/gu, " ");
    return tidy === "" ? [] : [{ kind: "text" as const, text: tidy, weight }];
  });
}

/** Whether two terms are about the same, whatever they count. */
export function sameTerm(a: SearchTerm, b: SearchTerm): boolean {
  if (a.kind === "text") return b.kind === "text" && a.text.toLocaleLowerCase() === b.text.toLocaleLowerCase();
  return b.kind === "photo" && a.id === b.id;
}

/** With terms behind those that are there; one that is there already counts as the new one says. */
export function withTerms(terms: readonly SearchTerm[], added: readonly SearchTerm[]): SearchTerm[] {
  return added.reduce<SearchTerm[]>((all, term) => {
    const known = all.findIndex((other) => sameTerm(other, term));
    return known < 0 ? [...all, term] : all.with(known, term);
  }, [...terms]);
}

/** `1`, `0.5`, `−1`: two digits at most, with a real minus. */
export function weightText(weight: number): string {
  return String(Math.round(weight * 100) / 100).replace("-", "−");
}

/**
 * The score as it is added up: `(1·z(“beach”) − 0.5·max(0, z(IMG_1.jpg))) / 1`. The shell's rule, in the head of
 * `library/src/index/query.rs`: plus terms are averaged, and a minus only takes away.
 */
export function arithmetic(terms: readonly SearchTerm[], nameOf: (term: SearchTerm) => string): string {
  const plus = terms.reduce((sum, { weight }) => sum + Math.max(0, weight), 0);
  const all = terms.reduce((sum, { weight }) => sum + Math.abs(weight), 0);
  const sum = terms
    .map((term, index) => {
      const sign = term.weight < 0 ? "− " : index === 0 ? "" : "+ ";
      const z = `z(${nameOf(term)})`;
      return `${sign}${weightText(Math.abs(term.weight))}·${term.weight < 0 && plus > 0 ? `max(0, ${z})` : z}`;
    })
    .join(" ");
  return `(${sum}) / ${weightText(plus > 0 ? plus : all)}`;
}

export function sameOrder(a: PhotoOrder, b: PhotoOrder): boolean {
  return a.by === b.by && (a.by !== "score" || (b.by === "score" && a.label === b.label));
}

const DAY_MS = 86_400_000;

/** The filter for a year by the camera's clock, which is kept as if it were UTC. */
export function yearRange(year: number): Pick<PhotoFilter, "takenFromMs" | "takenToMs"> {
  return { takenFromMs: Date.UTC(year, 0), takenToMs: Date.UTC(year + 1, 0) };
}

/** `2024-07-31` of a date field; null where it is empty. The last day counts whole. */
export function dayMs(day: string, isLast: boolean): number | null {
  const ms = Date.parse(`${day}T00:00:00Z`);
  return Number.isNaN(ms) ? null : ms + (isLast ? DAY_MS : 0);
}

export function dayText(ms: number | null, isLast: boolean): string {
  return ms === null ? "" : new Date(ms - (isLast ? DAY_MS : 0)).toISOString().slice(0, 10);
}
