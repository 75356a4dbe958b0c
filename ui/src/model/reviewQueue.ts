// The row of suggestions that review goes through: those gone by stay before the place, those to come stand after it.
import type { Suggested } from "../ipc/bindings";
import { keyOf } from "./review";

/** So many that are gone by can be gone back to. */
const HISTORY = 300;

export interface Row {
  items: readonly Suggested[];
  /** The item in question; the length of the row when all are gone by. */
  at: number;
}

export const NO_ROW: Row = { items: [], at: 0 };

/** The next item to decide after a place: ahead, then from the beginning; the end of the row when there is none. */
export function nextOpen(items: readonly Suggested[], after: number, isOpen: (item: Suggested) => boolean): number {
  for (let index = after + 1; index < items.length; index++) if (isOpen(items[index] as Suggested)) return index;
  const behind = items.findIndex((item, index) => index < after && isOpen(item));
  return behind < 0 ? items.length : behind;
}

/** How many are still to be decided after a place. */
export function openAhead(row: Row, isOpen: (item: Suggested) => boolean): number {
  let count = 0;
  for (let index = row.at; index < row.items.length; index++) if (isOpen(row.items[index] as Suggested)) count += 1;
  return count;
}

/**
 * A row with what waits now. What is gone by stays as it was; the item in question stays in its place while it waits, so that a
 * picture does not change under the eye.
 * `isGone`: decided here, or passed over, so that it does not come again.
 */
export function refilled(row: Row, fresh: readonly Suggested[], isGone: (item: Suggested) => boolean): Row {
  const current = row.items[row.at];
  const past = row.items.slice(Math.max(0, row.at - HISTORY), row.at).filter(isGone);
  const known = new Set(past.map(keyOf));
  const coming = fresh.filter((item) => !known.has(keyOf(item)) && !isGone(item));
  const here = current ? coming.findIndex((item) => keyOf(item) === keyOf(current)) : -1;
  if (here > 0) coming.unshift(...coming.splice(here, 1));
  // Gone back to look at one that is decided: it stays in sight.
  const looked = current && here < 0 && isGone(current) && !known.has(keyOf(current)) ? [current] : [];
  return { items: [...past, ...looked, ...coming], at: past.length };
}

/** What is shown of a row as a strip: so many before and after the place. */
export function strip(row: Row, before: number, after: number): { item: Suggested; index: number }[] {
  const from = Math.max(0, row.at - before);
  return row.items.slice(from, row.at + after + 1).map((item, offset) => ({ item, index: from + offset }));
}
