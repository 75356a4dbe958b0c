// What of a matrix stands out.
import type { MatrixFacts } from "../../ipc/bindings";

/** Colours end here, so that a few large entries do not make all others look like zero. */
const SPREAD = 4;
/** As the engine has it (`analysis::spectrum`): a hundredth of the median is dead, three times the median is loud. */
const DEAD = 0.01;
const LOUD = 3;

/** The value at both ends of the colours: they are centred at zero. */
export function colourRange(facts: Pick<MatrixFacts, "min" | "max" | "mean" | "std">, ends: "spread" | "full"): number {
  const most = Math.max(Math.abs(facts.min ?? 0), Math.abs(facts.max ?? 0));
  const spread = Math.abs(facts.mean ?? 0) + SPREAD * (facts.std ?? 0);
  const range = ends === "spread" ? Math.min(most, spread) : most;
  return range > 0 ? range : most > 0 ? most : 1;
}

export function outstanding(norms: readonly number[]): { dead: number[]; loud: number[] } {
  const median = norms.toSorted((a, b) => a - b)[Math.floor(norms.length / 2)] ?? 0;
  const places = (holds: (norm: number) => boolean) => norms.flatMap((norm, place) => (holds(norm) ? [place] : []));
  return { dead: places((norm) => norm < DEAD * median), loud: places((norm) => norm > LOUD * median) };
}

/** The first and the last of a sorted row, when all of it would be too long; all of it otherwise. */
export function ends<T>(sorted: readonly T[], most: number): { first: readonly T[]; last: readonly T[] } {
  if (sorted.length <= 2 * most) return { first: sorted, last: [] };
  return { first: sorted.slice(0, most), last: sorted.slice(-most) };
}
