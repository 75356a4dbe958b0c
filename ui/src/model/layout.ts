// Where photos stand in the grid: justified rows or squares. Rows only, in plain numbers; the place of a photo in its row is worked out
// when it is asked for, so that a million photos take some milliseconds and a few megabytes.

export interface GridLayout {
  readonly rows: number;
  /** Upper edge of each row. */
  readonly tops: Float64Array;
  readonly pictureHeights: Float64Array;
  /** Index of each row's first photo, and behind the last row the number of photos. */
  readonly firsts: Uint32Array;
  /** Width over height of each photo; none for squares. */
  readonly aspects: ArrayLike<number> | null;
  readonly gap: number;
  /** Height of what stands below each picture. */
  readonly strip: number;
  readonly height: number;
}

export interface Box {
  left: number;
  top: number;
  width: number;
  height: number;
}

export interface GridMetrics {
  /** Width to fill. */
  width: number;
  /** Wished height of a picture (justified) or side of a square. */
  size: number;
  gap: number;
  strip: number;
}

/** Panoramas and slips are cropped to these in the grid, or one photo would take the whole row. */
const WIDEST = 2.8;
const NARROWEST = 0.55;
/** A photo whose size is not known yet stands as 3:2. */
const UNKNOWN_ASPECT = 1.5;

/** How wide a photo stands in the grid, for its own width over height; 0 where that is not known. */
export function shownAspect(aspect: number): number {
  return aspect > 0 ? Math.min(WIDEST, Math.max(NARROWEST, aspect)) : UNKNOWN_ASPECT;
}

class Rows {
  count = 0;
  tops = new Float64Array(256);
  pictureHeights = new Float64Array(256);
  firsts = new Uint32Array(257);

  /** The first `count` rows of a layout before. */
  take(before: GridLayout, count: number): void {
    this.#reserve(count);
    this.tops.set(before.tops.subarray(0, count));
    this.pictureHeights.set(before.pictureHeights.subarray(0, count));
    this.firsts.set(before.firsts.subarray(0, count + 1));
    this.count = count;
  }

  push(top: number, pictureHeight: number, first: number): void {
    this.#reserve(this.count + 1);
    this.tops[this.count] = top;
    this.pictureHeights[this.count] = pictureHeight;
    this.firsts[this.count] = first;
    this.count += 1;
  }

  #reserve(count: number): void {
    if (count <= this.tops.length) return;
    const room = Math.max(count, this.tops.length * 2);
    this.tops = copied(new Float64Array(room), this.tops);
    this.pictureHeights = copied(new Float64Array(room), this.pictureHeights);
    this.firsts = copied(new Uint32Array(room + 1), this.firsts);
  }
}

function copied<Numbers extends Float64Array | Uint32Array>(into: Numbers, from: Numbers): Numbers {
  into.set(from);
  return into;
}

/**
 * Rows of one height each, filled to the full width; the last row keeps the wished height. With a layout `before` of the same metrics,
 * only rows from photo `from` on are worked out anew.
 */
export function justified(aspects: ArrayLike<number>, metrics: GridMetrics, before: GridLayout | null = null, from = 0): GridLayout {
  const { width, size, gap, strip } = metrics;
  const rows = new Rows();
  // A row ends where the next photo would make it too low: a change can reach one row back.
  if (before && from > 0) rows.take(before, Math.max(0, Math.min(before.rows, rowOf(before, from)) - 1));
  let first = rows.count > 0 ? (rows.firsts[rows.count] ?? 0) : 0;
  let top = rows.count > 0 ? (rows.tops[rows.count - 1] ?? 0) + (rows.pictureHeights[rows.count - 1] ?? 0) + strip + gap : 0;
  while (first < aspects.length) {
    const { end, height } = fillRow(aspects, first, width, size, gap);
    rows.push(top, height, first);
    top += height + strip + gap;
    first = end;
  }
  return finished(rows, aspects, aspects.length, metrics, top);
}

/** Takes photos until the row is full, with or without the last one: whichever comes nearer to the wished height. */
function fillRow(aspects: ArrayLike<number>, first: number, width: number, size: number, gap: number) {
  let sum = 0;
  for (let end = first; end < aspects.length; end++) {
    const wider = sum + shownAspect(aspects[end] ?? 0);
    const height = (width - gap * (end - first)) / wider;
    if (height <= size) {
      const without = end > first ? (width - gap * (end - first - 1)) / sum : Infinity;
      return size - height <= without - size ? { end: end + 1, height } : { end, height: without };
    }
    sum = wider;
  }
  return { end: aspects.length, height: Math.min(size, (width - gap * (aspects.length - first - 1)) / sum) };
}

/** As many columns as fit, widened to fill. */
export function squares(count: number, metrics: GridMetrics): GridLayout {
  const { width, size, gap, strip } = metrics;
  const columns = Math.max(1, Math.floor((width + gap) / (size + gap)));
  const side = Math.max(1, (width - gap * (columns - 1)) / columns);
  const rows = new Rows();
  for (let first = 0; first < count; first += columns) rows.push(rows.count * (side + strip + gap), side, first);
  return finished(rows, null, count, metrics, rows.count * (side + strip + gap));
}

function finished(rows: Rows, aspects: ArrayLike<number> | null, photos: number, { gap, strip }: GridMetrics, end: number): GridLayout {
  rows.firsts[rows.count] = photos;
  return { rows: rows.count, tops: rows.tops, pictureHeights: rows.pictureHeights, firsts: rows.firsts, aspects, gap, strip, height: Math.max(0, end - gap) };
}

/** Index of a row's first photo; behind the last row, the number of photos. */
function firstOf(layout: GridLayout, row: number): number {
  return layout.firsts[Math.min(row, layout.rows)] ?? 0;
}

/** The first row whose lower edge lies below `y` (may be one past the last). */
function rowAt(layout: GridLayout, y: number): number {
  let low = 0;
  let high = layout.rows;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((layout.tops[middle] ?? 0) + (layout.pictureHeights[middle] ?? 0) + layout.strip <= y) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Photos (first, end) whose rows touch the band from `top` to `bottom`. */
export function photosBetween(layout: GridLayout, top: number, bottom: number): [number, number] {
  const from = rowAt(layout, top);
  let to = rowAt(layout, bottom);
  if (to < layout.rows && (layout.tops[to] ?? 0) < bottom) to += 1;
  return [firstOf(layout, from), to === 0 ? 0 : firstOf(layout, to)];
}

export function rowOf(layout: GridLayout, index: number): number {
  let low = 0;
  let high = layout.rows;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (firstOf(layout, middle + 1) <= index) low = middle + 1;
    else high = middle;
  }
  return low;
}

function widthOf(layout: GridLayout, row: number, index: number): number {
  const height = layout.pictureHeights[row] ?? 0;
  return layout.aspects ? shownAspect(layout.aspects[index] ?? 0) * height : height;
}

export function boxOf(layout: GridLayout, index: number): Box {
  const row = rowOf(layout, index);
  let left = 0;
  for (let before = firstOf(layout, row); before < index; before++) left += widthOf(layout, row, before) + layout.gap;
  return { left, top: layout.tops[row] ?? 0, width: widthOf(layout, row, index), height: (layout.pictureHeights[row] ?? 0) + layout.strip };
}

/** Indexes of the photos that a marquee touches. */
export function photosIn(layout: GridLayout, marquee: Box): number[] {
  const [first, end] = photosBetween(layout, marquee.top, marquee.top + marquee.height);
  const hits: number[] = [];
  for (let index = first; index < end; index++) {
    if (touches(boxOf(layout, index), marquee)) hits.push(index);
  }
  return hits;
}

function touches(a: Box, b: Box): boolean {
  return a.left < b.left + b.width && b.left < a.left + a.width && a.top < b.top + b.height && b.top < a.top + a.height;
}

/** The photo `rows` rows below (or above, if negative) whose middle lies nearest. */
export function rowsAway(layout: GridLayout, index: number, rows: number): number {
  const from = rowOf(layout, index);
  const to = Math.min(layout.rows - 1, Math.max(0, from + rows));
  if (to === from || to < 0) return index;
  const box = boxOf(layout, index);
  return nearestInRow(layout, to, box.left + box.width / 2);
}

function nearestInRow(layout: GridLayout, row: number, x: number): number {
  const first = firstOf(layout, row);
  let [best, bestDistance, left] = [first, Infinity, 0];
  for (let index = first; index < firstOf(layout, row + 1); index++) {
    const width = widthOf(layout, row, index);
    const distance = Math.abs(left + width / 2 - x);
    if (distance < bestDistance) [best, bestDistance] = [index, distance];
    left += width + layout.gap;
  }
  return best;
}

/** How many rows fill a screen of this height, at least one: what PgUp and PgDn move by. */
export function rowsPerScreen(layout: GridLayout, index: number, screen: number): number {
  const row = rowOf(layout, index);
  return row < layout.rows ? Math.max(1, Math.floor(screen / ((layout.pictureHeights[row] ?? 0) + layout.strip))) : 1;
}
