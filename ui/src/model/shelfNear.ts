// Groups of photos that are nearly the same: which are to be marked, where the keyboard stands, and what sets two of them apart.
import type { NearGroup, NearPhoto } from "../ipc/bindings";

/** Bits in a photo's look; the distance counts those that differ. */
export const LOOK_BITS = 64;
/** Cosines that the search may be told to begin at. */
export const COSINE = { least: 0.8, most: 0.999, step: 0.001, first: 0.95 } as const;

/** Groups never move within a report, so that a place is two numbers. */
export interface Place {
  group: number;
  photo: number;
}

/** Files with one content are one photo, and a mark is on a photo: none of them can be marked without the others. */
export function canMark({ kind }: NearGroup): boolean {
  return kind !== "sameContent";
}

/** The photos that would be set aside if every suggestion were followed: neither the one to keep, nor marked already. */
export function toSetAside(groups: readonly NearGroup[]): number[] {
  return groups.filter(canMark).flatMap(({ photos }) => photos.filter(({ keep, marked }) => !keep && !marked).map(({ id }) => id));
}

export function markedIn(groups: readonly NearGroup[]): number[] {
  return groups.filter(canMark).flatMap(({ photos }) => photos.filter(({ marked }) => marked).map(({ id }) => id));
}

/** The rows with some marks changed; a row that has none of the photos stays the same object. */
export function withMarks<Row extends { marked: boolean; id: number }>(rows: readonly Row[], ids: ReadonlySet<number>, marked: boolean): readonly Row[] {
  if (!rows.some((row) => ids.has(row.id) && row.marked !== marked)) return rows;
  return rows.map((row) => (ids.has(row.id) && row.marked !== marked ? { ...row, marked } : row));
}

export function groupsWithMarks(groups: readonly NearGroup[], ids: ReadonlySet<number>, marked: boolean): NearGroup[] {
  return groups.map((group) => {
    const photos = withMarks(group.photos, ids, marked);
    return photos === group.photos ? group : { ...group, photos: [...photos] };
  });
}

/** Where `key` leads: up and down between groups, left and right within one; null when the key is not the list's. */
export function stepAmong(groups: readonly NearGroup[], from: Place, key: string, perScreen: number): Place | null {
  const last = groups.length - 1;
  const group = groups[from.group];
  if (last < 0 || !group) return null;
  const across = { ArrowLeft: -1, ArrowRight: 1 }[key];
  if (across !== undefined) return { ...from, photo: within(from.photo + across, group.photos.length - 1) };
  const to = { ArrowUp: from.group - 1, ArrowDown: from.group + 1, PageUp: from.group - perScreen, PageDown: from.group + perScreen, Home: 0, End: last }[key];
  if (to === undefined) return null;
  const next = within(to, last);
  return { group: next, photo: within(from.photo, (groups[next]?.photos.length ?? 1) - 1) };
}

/** The place to compare: a photo beside the one to keep, so that the first stands for the second. */
export function besideKept({ group, photo }: Place): Place {
  return { group, photo: Math.max(1, photo) };
}

/** Where `key` leads in a grid of so many columns; null when the key is not the grid's. */
export function stepInGrid(key: string, from: number, count: number, columns: number, rowsPerScreen: number): number | null {
  if (count === 0) return null;
  const step = {
    ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns,
    PageUp: -columns * rowsPerScreen, PageDown: columns * rowsPerScreen, Home: -count, End: count,
  }[key];
  return step === undefined ? null : within(from + step, count - 1);
}

function within(index: number, last: number): number {
  return Math.min(last, Math.max(0, index));
}

export type Measured = Pick<NearPhoto, "width" | "height" | "bytes">;

/** How many times as many pixels the first has; null where a size is not known. */
export function pixelRatio(a: Measured, b: Measured): number | null {
  const [first, second] = [a.width * a.height, b.width * b.height];
  return first > 0 && second > 0 ? first / second : null;
}

/** 1 where the first is larger, −1 where the second is, 0 where there is nothing to tell. */
export function largerOf(a: number, b: number): -1 | 0 | 1 {
  return a > 0 && b > 0 ? (Math.sign(a - b) as -1 | 0 | 1) : 0;
}
