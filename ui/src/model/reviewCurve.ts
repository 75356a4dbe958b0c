// From scores to probabilities and back, along the curve that a label's card brings; and counts on axes that a huge bulk needs.
import { scaleSqrt } from "d3-scale";
import type { LabelCard } from "../ipc/bindings";
import { linearAxis, logAxis, type Axis } from "./charts/axis";
import { figure } from "./charts/figures";

export type CurveOf = Pick<LabelCard, "edges" | "probabilities">;

/** Calibrated probability at a score; beyond the ends of the curve, that of the end. */
export function probabilityAt({ edges, probabilities }: CurveOf, score: number): number {
  return along(edges, probabilities, score);
}

/** The lowest score with at least this probability; beyond the ends of the curve, the end. */
export function scoreAt({ edges, probabilities }: CurveOf, probability: number): number {
  return along(probabilities, edges, probability);
}

/** Linear between points whose first coordinate never falls. */
function along(from: readonly number[], to: readonly number[], value: number): number {
  const last = Math.min(from.length, to.length) - 1;
  if (last < 0) return 0;
  const next = from.findIndex((point) => point >= value);
  if (next <= 0) return to[next < 0 ? last : 0] ?? 0;
  const [low = 0, high = 0] = [from[next - 1], from[next]];
  const part = high > low ? (value - low) / (high - low) : 1;
  return (to[next - 1] ?? 0) + part * ((to[next] ?? 0) - (to[next - 1] ?? 0));
}

/** Photos at or above a score, as near as the bins tell: within a bin they are taken to be spread evenly. */
export function estimateFrom({ edges, counts }: Pick<LabelCard, "edges" | "counts">, score: number): number {
  let sum = 0;
  counts.forEach((count, index) => {
    const [low = 0, high = 0] = [edges[index], edges[index + 1]];
    if (score <= low) sum += count;
    else if (score < high) sum += count * ((high - score) / (high - low));
  });
  return Math.round(sum);
}

export function sumOf(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + count, 0);
}

export type CountAxis = "log" | "sqrt" | "linear";
export const COUNT_AXES: readonly CountAxis[] = ["log", "sqrt", "linear"];
/** On a logarithmic axis one photo has no height; it must be seen all the same. */
const ONE = 6;

/** From counts to heights; nothing stands at the foot. */
export function countAxis(kind: CountAxis, most: number, foot: number, top: number, ticks = 4): Axis {
  const top1 = Math.max(1, most);
  if (kind === "linear") return linearAxis([0, top1], [foot, top], ticks, true);
  if (kind === "log") {
    const axis = logAxis([1, Math.max(10, top1)], [foot - ONE, top], ticks);
    return { ...axis, at: (value) => (value <= 0 ? foot : axis.at(Math.max(1, value))) };
  }
  const scale = scaleSqrt([0, top1], [foot, top]);
  const values = [...new Set([0, 1 / 16, 1 / 4, 9 / 16, 1].map((part) => tidy(part * top1)))];
  return { at: (value) => scale(value), value: (at) => scale.invert(at), ticks: values.map((value) => ({ value, at: scale(value), text: figure(value, 2) })), domain: [0, top1] };
}

/** One leading digit: ticks that can be read. */
function tidy(value: number): number {
  if (value < 1) return 0;
  const power = 10 ** Math.floor(Math.log10(value));
  return Math.floor(value / power) * power;
}

/** The step of the threshold's keys: fine in the middle, and finer where a per cent is much. */
export function thresholdStep(threshold: number, isCoarse: boolean): number {
  const room = Math.min(threshold, 1 - threshold);
  const step = room < 0.05 ? 0.002 : 0.01;
  return isCoarse ? step * 10 : step;
}

/** Thresholds are probabilities that can be met and missed. */
export function inRange(threshold: number): number {
  return Math.max(0.001, Math.min(0.999, Math.round(threshold * 1000) / 1000));
}
