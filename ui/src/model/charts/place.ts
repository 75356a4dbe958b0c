// Where things of a chart go: labels that must not overlap, and the next point in a direction.

export type Point = readonly [x: number, y: number];

/** Moves labels at these heights as little as it takes for them to be `gap` apart, between `low` and `high`. */
export function spread(heights: readonly number[], gap: number, low: number, high: number): number[] {
  const order = heights.map((_, index) => index).sort((a, b) => (heights[a] ?? 0) - (heights[b] ?? 0));
  const placed = [...heights];
  let edge = low;
  for (const index of order) edge = (placed[index] = Math.max(edge, heights[index] ?? 0)) + gap;
  edge = high;
  for (const index of order.toReversed()) edge = (placed[index] = Math.min(edge, placed[index] ?? 0)) - gap;
  return placed;
}

/** The point nearest to a place, if one is within reach. */
export function nearest(points: readonly Point[], x: number, y: number, reach: number): number | null {
  let [best, distance] = [-1, reach * reach];
  points.forEach(([px, py], index) => {
    const squared = (px - x) ** 2 + (py - y) ** 2;
    if (squared <= distance) [best, distance] = [index, squared];
  });
  return best < 0 ? null : best;
}

/** The next point when an arrow key is pressed: near, and rather ahead than aside. */
export function neighbour(points: readonly Point[], from: number, across: number, down: number): number {
  const [x, y] = points[from] ?? [0, 0];
  let [best, cost] = [from, Infinity];
  points.forEach(([px, py], index) => {
    const ahead = (px - x) * across + (py - y) * down;
    const aside = Math.abs((px - x) * down) + Math.abs((py - y) * across);
    if (index !== from && ahead > 0 && ahead + 2 * aside < cost) [best, cost] = [index, ahead + 2 * aside];
  });
  return best;
}

/** Scales points into a box without stretching one axis against the other. */
export function fittedPoints(points: readonly Point[], width: number, height: number, margin: number): Point[] {
  const [xs, ys] = [points.map((point) => point[0]), points.map((point) => point[1])];
  const [left, right, low, high] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const room = (length: number, span: number) => (span > 0 ? (length - 2 * margin) / span : Infinity);
  const scale = Math.min(room(width, right - left), room(height, high - low));
  const factor = Number.isFinite(scale) ? scale : 1;
  return points.map(([x, y]) => [width / 2 + (x - (left + right) / 2) * factor, height / 2 - (y - (low + high) / 2) * factor]);
}

/** Which of these words can stand at their points without covering another: the first come first. */
export function legible(points: readonly Point[], widths: readonly number[], height: number): boolean[] {
  const kept: number[] = [];
  return points.map(([x, y], index) => {
    const half = (widths[index] ?? 0) / 2;
    const covers = kept.some((other) => {
      const [otherX, otherY] = points[other] ?? [0, 0];
      return Math.abs(otherY - y) < height && Math.abs(otherX - x) < half + (widths[other] ?? 0) / 2;
    });
    if (!covers) kept.push(index);
    return !covers;
  });
}
