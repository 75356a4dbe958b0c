// Suggestions and decisions: what is asked of them without asking the shell.
import type { QueueOrder, ReviewLabel, ReviewState, ReviewVerdict, Suggested } from "../ipc/bindings";

export const NO_REVIEW: ReviewState = {
  labels: [], waiting: 0, decided: 0, suggestedBy: null, suggestedMs: null, outdated: false, undo: null, redo: null, suggesting: null,
};

export const QUEUE_ORDERS: readonly QueueOrder[] = ["useful", "likely", "doubtful"];

/** A photo and a label, as a key. Numbers have no slash, so no two pairs share one. */
export function pairKey(photo: number, label: string): string {
  return `${photo}/${label}`;
}

export function keyOf(item: Pick<Suggested, "photo" | "label">): string {
  return pairKey(item.photo, item.label);
}

/** `animal/dog` is a dog among animals. */
export function labelParts(label: string): { within: string[]; name: string } {
  const parts = label.split("/").map((part) => part.trim()).filter(Boolean);
  return { within: parts.slice(0, -1), name: parts.at(-1) ?? label };
}

/** What a verdict makes of a tag: there, rejected, or open. */
export function valueOf(verdict: ReviewVerdict): boolean | null {
  return verdict === "clear" ? null : verdict === "accept";
}

export interface Counted {
  decided: number;
  of: number;
}

/** How far review is, of everything or of one label. */
export function progressOf(state: ReviewState, label: string | null): Counted {
  if (label === null) return { decided: state.decided, of: state.decided + state.waiting };
  const row = state.labels.find((known) => known.label === label);
  if (!row) return { decided: 0, of: 0 };
  const decided = row.accepted + row.rejected;
  return { decided, of: decided + row.waiting };
}

/** Suggestions of a label or of all that wait, as the shell says. */
export function waitingOf(state: ReviewState, label: string | null): number {
  return label === null ? state.waiting : (state.labels.find((row) => row.label === label)?.waiting ?? 0);
}

/** The label that most waits for, to begin a batch with. */
export function mostWaiting(labels: readonly ReviewLabel[]): string | null {
  const most = labels.reduce<ReviewLabel | null>((best, row) => (row.waiting > (best?.waiting ?? 0) ? row : best), null);
  return most?.label ?? null;
}

/** How many of these, most likely first, reach a probability; not exact where the list ends before the probability does. */
export function countFrom(items: readonly Suggested[], total: number, least: number): { count: number; isExact: boolean } {
  const end = items.findIndex((item) => item.by.probability < least);
  return end >= 0 ? { count: end, isExact: true } : { count: items.length, isExact: items.length >= total };
}

export type LabelColumn = "label" | "waiting" | "accepted" | "rejected" | "threshold" | "by";

export interface LabelOrder {
  /** Null for the order of the label set. */
  by: LabelColumn | null;
  descending: boolean;
}

export const SET_ORDER: LabelOrder = { by: null, descending: false };

/** First as one looks for it, then the other way round, then as the set has it. */
export function nextLabelOrder(order: LabelOrder, by: LabelColumn): LabelOrder {
  const first = by !== "label" && by !== "by";
  if (order.by !== by) return { by, descending: first };
  return order.descending === first ? { by, descending: !first } : SET_ORDER;
}

export function sortedLabels(labels: readonly ReviewLabel[], order: LabelOrder, search: string): ReviewLabel[] {
  const wanted = search.trim().toLowerCase();
  const found = labels.filter(({ label }) => label.toLowerCase().includes(wanted));
  const { by } = order;
  if (by === null) return found;
  const sign = order.descending ? -1 : 1;
  return found.sort((a, b) => sign * compared(a, b, by) || a.label.localeCompare(b.label));
}

function compared(a: ReviewLabel, b: ReviewLabel, by: LabelColumn): number {
  if (by === "label") return a.label.localeCompare(b.label);
  if (by === "by") return (a.thresholdBy ?? "").localeCompare(b.thresholdBy ?? "");
  return a[by] - b[by];
}

/** What renaming comes to: nothing, a new name, or two tags that become one. */
export type Renaming = { kind: "none" } | { kind: "same" } | { kind: "rename" } | { kind: "merge"; photos: number };

/** A tag's name as the library keeps it: levels without room around them, none empty. */
export function tidyTag(name: string): string {
  return name.split("/").map((part) => part.trim()).filter(Boolean).join("/");
}

export function renaming(labels: readonly ReviewLabel[], from: string, to: string): Renaming {
  const name = tidyTag(to);
  if (name === "") return { kind: "none" };
  if (name === from) return { kind: "same" };
  const other = labels.find((row) => row.label === name && row.accepted + row.rejected > 0);
  return other ? { kind: "merge", photos: other.accepted } : { kind: "rename" };
}
