// Where the parts of a large matrix are on the screen: levels, tiles, zoom. Rows and columns count from 0.

export const TILE = 256;

/** What is seen: the entry at the top left corner, and pixels of the device an entry is wide. */
export interface View {
  column: number;
  row: number;
  scale: number;
}

export interface Size {
  width: number;
  height: number;
}

export interface Matrix {
  rows: number;
  columns: number;
}

export interface TileAt {
  level: number;
  /** Counted in tiles. */
  row: number;
  column: number;
}

export const LARGEST_SCALE = 96;

/** The level whose blocks are one pixel or a little more: finer ones would be thrown away. */
export function levelFor(scale: number): number {
  return Math.max(0, Math.ceil(-Math.log2(scale) - 1e-9));
}

/** The level at which the whole matrix is one tile. */
export function topLevel({ rows, columns }: Matrix): number {
  return Math.max(0, Math.ceil(Math.log2(Math.max(rows, columns) / TILE)));
}

/** The tiles of a level that are in sight. */
export function tilesInSight(view: View, screen: Size, matrix: Matrix, level: number): TileAt[] {
  const span = TILE * 2 ** level;
  const first = (at: number) => Math.max(0, Math.floor(at / span));
  const end = (at: number, length: number) => Math.min(Math.ceil(length / span), Math.ceil(at / span));
  const found: TileAt[] = [];
  const lastRow = end(view.row + screen.height / view.scale, matrix.rows);
  const lastColumn = end(view.column + screen.width / view.scale, matrix.columns);
  for (let row = first(view.row); row < lastRow; row++) {
    for (let column = first(view.column); column < lastColumn; column++) found.push({ level, row, column });
  }
  return found;
}

/** The scale at which all of it is in sight, though small matrices are not blown up without end. */
export function fitted(screen: Size, matrix: Matrix): View {
  const scale = Math.min(screen.width / matrix.columns, screen.height / matrix.rows, LARGEST_SCALE / 2);
  return clamped({ column: 0, row: 0, scale }, screen, matrix);
}

/** Zooms so that what is at a point of the screen stays there. */
export function zoomed(view: View, factor: number, x: number, y: number, screen: Size, matrix: Matrix): View {
  const least = fitted(screen, matrix).scale;
  const scale = Math.min(Math.max(LARGEST_SCALE, least), Math.max(least, view.scale * factor));
  const [column, row] = [view.column + x / view.scale - x / scale, view.row + y / view.scale - y / scale];
  return clamped({ column, row, scale }, screen, matrix);
}

/** Keeps the matrix on the screen; what is smaller than the screen is in its middle. */
export function clamped(view: View, screen: Size, matrix: Matrix): View {
  const along = (at: number, length: number, pixels: number) => {
    const seen = pixels / view.scale;
    return seen >= length ? (length - seen) / 2 : Math.min(Math.max(0, at), length - seen);
  };
  return { column: along(view.column, matrix.columns, screen.width), row: along(view.row, matrix.rows, screen.height), scale: view.scale };
}

/** The entry at a point of the screen, or null beside the matrix. */
export function entryAt(view: View, x: number, y: number, matrix: Matrix): { row: number; column: number } | null {
  const [row, column] = [Math.floor(view.row + y / view.scale), Math.floor(view.column + x / view.scale)];
  return row >= 0 && column >= 0 && row < matrix.rows && column < matrix.columns ? { row, column } : null;
}

/** Moves the view so that an entry is in sight. */
export function revealed(view: View, row: number, column: number, screen: Size, matrix: Matrix): View {
  const along = (at: number, entry: number, pixels: number) => {
    const seen = pixels / view.scale;
    if (entry < at) return entry;
    return entry + 1 > at + seen ? entry + 1 - seen : at;
  };
  return clamped({ ...view, row: along(view.row, row, screen.height), column: along(view.column, column, screen.width) }, screen, matrix);
}

/** Round numbers for the ruler, no closer than `apart` pixels. */
export function rulerStep(scale: number, apart: number): number {
  const wanted = Math.max(1, apart / scale);
  const power = 10 ** Math.floor(Math.log10(wanted));
  const step = [1, 2, 5, 10].find((part) => part * power >= wanted) ?? 10;
  return Math.max(1, step * power);
}
