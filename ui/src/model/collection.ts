// Questions about many photos at once: counts, means, filter, order.
import { givenLabels, type Photo } from "./photo";

export interface Rule {
  topK: number;
  threshold: number;
}

export interface LabelSummary {
  label: string;
  count: number;
  /** Mean score over the photos that were given the label; 0 when none was. */
  mean: number;
}

/** For each label, how many photos were given it, and their mean score. In the order of `labels`. */
export function summarise(photos: readonly Photo[], labels: readonly string[], rule: Rule): LabelSummary[] {
  const sums = new Map(labels.map((label) => [label, { label, count: 0, sum: 0 }]));
  for (const photo of photos) {
    for (const { label, score } of givenLabels(photo, rule.topK, rule.threshold)) {
      const entry = sums.get(label);
      if (!entry) continue;
      entry.count += 1;
      entry.sum += score;
    }
  }
  return [...sums.values()].map(({ label, count, sum }) => ({ label, count, mean: count > 0 ? sum / count : 0 }));
}

/** Photos that have labels but none at the threshold. */
export function unlabelled(photos: readonly Photo[], rule: Rule): number {
  return photos.filter((photo) => photo.state === "labelled" && givenLabels(photo, rule.topK, rule.threshold).length === 0).length;
}

export interface Filter {
  /** Every one of these must have been given. */
  labels: readonly string[];
  /** Part of the name or of a given label. */
  text: string;
}

export function matches(photo: Photo, filter: Filter, rule: Rule): boolean {
  if (filter.labels.length === 0 && filter.text === "") return true;
  const given = givenLabels(photo, rule.topK, rule.threshold).map((entry) => entry.label);
  if (!filter.labels.every((label) => given.includes(label))) return false;
  const text = filter.text.toLocaleLowerCase();
  return [photo.name, ...given].some((part) => part.toLocaleLowerCase().includes(text));
}

export type Order = { by: "added" } | { by: "name" } | { by: "score"; label: string };

export function ordered(photos: readonly Photo[], order: Order, compareNames: (a: string, b: string) => number): Photo[] {
  switch (order.by) {
    case "added":
      return [...photos];
    case "name":
      return photos.toSorted((a, b) => compareNames(a.name, b.name));
    case "score": {
      const scores = new Map(photos.map((photo) => [photo.id, scoreOf(photo, order.label)]));
      return photos.toSorted((a, b) => (scores.get(b.id) ?? 0) - (scores.get(a.id) ?? 0));
    }
  }
}

/** Below the ten best a score is not known here; it is certainly lower than those that are, so it sorts last. */
function scoreOf(photo: Photo, label: string): number {
  return photo.best.find((entry) => entry.label === label)?.score ?? 0;
}
