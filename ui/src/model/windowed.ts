// Which rows of a long list of equal rows to draw.

/** Lists up to this long are drawn whole, so that find-in-page and screen readers see all of them. */
export const DRAWN_WHOLE = 500;
const OVERSCAN_ROWS = 12;

/** `taller`: a row that is taller than the others, by so many pixels. */
export function rowsToDraw(count: number, rowHeight: number, scrollTop: number, screen: number, taller?: { index: number; by: number }): { first: number; end: number } {
  if (count <= DRAWN_WHOLE) return { first: 0, end: count };
  const rowAt = (y: number) => (taller && y > (taller.index + 1) * rowHeight ? Math.max(taller.index, (y - taller.by) / rowHeight) : y / rowHeight);
  const first = Math.max(0, Math.floor(rowAt(scrollTop)) - OVERSCAN_ROWS);
  const end = Math.min(count, Math.ceil(rowAt(scrollTop + screen)) + OVERSCAN_ROWS);
  return { first: Math.min(first, end), end };
}
