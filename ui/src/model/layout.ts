// Where photos stand in the grid: justified rows or squares. Plain numbers, so that ten thousand photos take a few milliseconds.

export interface Row {
  top: number;
  pictureHeight: number;
  /** Index of the row's first photo, and of the one after its last. */
  first: number;
  end: number;
}

export interface GridLayout {
  rows: readonly Row[];
  /** Left edge and width of each photo, by its index. */
  left: Float32Array;
  width: Float32Array;
  /** Height of what stands below each picture. */
  strip: number;
  height: number;
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

export function aspectOf(width: number, height: number): number {
  if (width <= 0 || height <= 0) return UNKNOWN_ASPECT;
  return Math.min(WIDEST, Math.max(NARROWEST, width / height));
}

/** Rows of one height each, filled to the full width; the last row keeps the wished height. */
export function justified(aspects: ArrayLike<number>, metrics: GridMetrics): GridLayout {
  const { width, size, gap } = metrics;
  const layout = emptyLayout(aspects.length, metrics.strip);
  const rows: Row[] = [];
  let first = 0;
  let top = 0;
  while (first < aspects.length) {
    const { end, height } = fillRow(aspects, first, width, size, gap);
    placeRow(layout, aspects, { top, pictureHeight: height, first, end }, gap);
    rows.push({ top, pictureHeight: height, first, end });
    top += height + metrics.strip + gap;
    first = end;
  }
  return { ...layout, rows, height: Math.max(0, top - gap) };
}

/** Takes photos until the row is full, with or without the last one: whichever comes nearer to the wished height. */
function fillRow(aspects: ArrayLike<number>, first: number, width: number, size: number, gap: number) {
  const heightFor = (sum: number, count: number) => (width - gap * (count - 1)) / sum;
  let sum = 0;
  for (let end = first; end < aspects.length; end++) {
    const wider = sum + (aspects[end] ?? UNKNOWN_ASPECT);
    const height = heightFor(wider, end - first + 1);
    if (height <= size) {
      const without = end > first ? heightFor(sum, end - first) : Infinity;
      return size - height <= without - size ? { end: end + 1, height } : { end, height: without };
    }
    sum = wider;
  }
  return { end: aspects.length, height: Math.min(size, heightFor(sum, aspects.length - first)) };
}

function placeRow(layout: GridLayout, aspects: ArrayLike<number>, row: Row, gap: number): void {
  let left = 0;
  for (let index = row.first; index < row.end; index++) {
    const width = (aspects[index] ?? UNKNOWN_ASPECT) * row.pictureHeight;
    layout.left[index] = left;
    layout.width[index] = width;
    left += width + gap;
  }
}

/** As many columns as fit, widened to fill. */
export function squares(count: number, metrics: GridMetrics): GridLayout {
  const { width, size, gap, strip } = metrics;
  const columns = Math.max(1, Math.floor((width + gap) / (size + gap)));
  const side = Math.max(1, (width - gap * (columns - 1)) / columns);
  const layout = emptyLayout(count, strip);
  const rows: Row[] = [];
  for (let first = 0; first < count; first += columns) {
    rows.push({ top: rows.length * (side + strip + gap), pictureHeight: side, first, end: Math.min(count, first + columns) });
  }
  for (let index = 0; index < count; index++) {
    layout.left[index] = (index % columns) * (side + gap);
    layout.width[index] = side;
  }
  return { ...layout, rows, height: Math.max(0, rows.length * (side + strip + gap) - gap) };
}

function emptyLayout(count: number, strip: number): GridLayout {
  return { rows: [], left: new Float32Array(count), width: new Float32Array(count), strip, height: 0 };
}

/** The first row whose lower edge lies below `y` (may be one past the last). */
function rowAt(layout: GridLayout, y: number): number {
  let low = 0;
  let high = layout.rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const row = layout.rows[middle];
    if (row && row.top + row.pictureHeight + layout.strip <= y) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Photos (first, end) whose rows touch the band from `top` to `bottom`. */
export function photosBetween(layout: GridLayout, top: number, bottom: number): [number, number] {
  const from = rowAt(layout, top);
  let to = rowAt(layout, bottom);
  const last = layout.rows[to];
  if (last && last.top < bottom) to += 1;
  return [layout.rows[from]?.first ?? 0, layout.rows[to - 1]?.end ?? 0];
}

export function rowOf(layout: GridLayout, index: number): number {
  let low = 0;
  let high = layout.rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((layout.rows[middle]?.end ?? 0) <= index) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function boxOf(layout: GridLayout, index: number): Box {
  const row = layout.rows[rowOf(layout, index)];
  return {
    left: layout.left[index] ?? 0,
    top: row?.top ?? 0,
    width: layout.width[index] ?? 0,
    height: (row?.pictureHeight ?? 0) + layout.strip,
  };
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
  const to = Math.min(layout.rows.length - 1, Math.max(0, from + rows));
  const row = layout.rows[to];
  if (!row || to === from) return index;
  const middle = (layout.left[index] ?? 0) + (layout.width[index] ?? 0) / 2;
  return nearestInRow(layout, row, middle);
}

function nearestInRow(layout: GridLayout, row: Row, x: number): number {
  let best = row.first;
  let bestDistance = Infinity;
  for (let index = row.first; index < row.end; index++) {
    const distance = Math.abs((layout.left[index] ?? 0) + (layout.width[index] ?? 0) / 2 - x);
    if (distance < bestDistance) [best, bestDistance] = [index, distance];
  }
  return best;
}

/** How many rows fill a screen of this height, at least one: what PgUp and PgDn move by. */
export function rowsPerScreen(layout: GridLayout, index: number, screen: number): number {
  const row = layout.rows[rowOf(layout, index)];
  return row ? Math.max(1, Math.floor(screen / (row.pictureHeight + layout.strip))) : 1;
}
