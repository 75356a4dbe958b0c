// Which rows of a long list of equal rows to draw.

/** Lists up to this long are drawn whole, so that find-in-page and screen readers see all of them. */
export const DRAWN_WHOLE = 500;
const OVERSCAN_ROWS = 12;

export function rowsToDraw(count: number, rowHeight: number, scrollTop: number, screen: number): { first: number; end: number } {
  if (count <= DRAWN_WHOLE) return { first: 0, end: count };
  const first = Math.max(0, Math.floor(scrollTop / rowHeight) - OVERSCAN_ROWS);
  const end = Math.min(count, Math.ceil((scrollTop + screen) / rowHeight) + OVERSCAN_ROWS);
  return { first: Math.min(first, end), end };
}
