// Axes: from values to pixels, and where the ticks stand.
import { scaleLinear, scaleLog } from "d3-scale";
import { figure } from "./figures";

export interface Tick {
  value: number;
  at: number;
  text: string;
}

export interface Axis {
  /** Pixel of a value. */
  at: (value: number) => number;
  /** Value of a pixel. */
  value: (at: number) => number;
  ticks: readonly Tick[];
  domain: readonly [number, number];
}

/** Below this share of the largest value a logarithmic axis ends: what is smaller is rounding. */
const LOG_FLOOR = 1e-9;
/** A logarithmic axis over fewer decades than this has ticks between the powers of ten too. */
const FEW_DECADES = 2;

export function linearAxis(domain: readonly [number, number], range: readonly [number, number], count: number, nice = false): Axis {
  const [from, to] = widened(domain);
  const scale = scaleLinear([from, to], [...range]);
  if (nice) scale.nice(count);
  const words = scale.tickFormat(count);
  return {
    at: (value) => scale(value),
    value: (at) => scale.invert(at),
    ticks: scale.ticks(count).map((value) => ({ value, at: scale(value), text: words(value) })),
    domain: [scale.domain()[0] ?? from, scale.domain()[1] ?? to],
  };
}

/** Values at or below zero have no place; they are at the foot. */
export function logAxis(values: readonly number[], range: readonly [number, number], count: number): Axis {
  const most = values.reduce((a, b) => Math.max(a, b), Number.MIN_VALUE);
  const least = values.reduce((a, b) => (b > most * LOG_FLOOR ? Math.min(a, b) : a), most);
  const scale = scaleLog([least === most ? least / 10 : least, most], [...range]).nice();
  const [from = least, to = most] = scale.domain();
  const decades = Math.log10(to / from);
  const step = Math.max(1, Math.ceil(decades / count));
  const powers = Array.from({ length: Math.floor(decades / step + 1e-9) + 1 }, (_, index) => from * 10 ** (index * step));
  const between = decades <= FEW_DECADES ? powers.flatMap((power) => [power, 2 * power, 5 * power]).filter((value) => value <= to * 1.000001) : powers;
  return {
    at: (value) => scale(Math.max(value, from)),
    value: (at) => scale.invert(at),
    ticks: between.map((value) => ({ value, at: scale(value), text: figure(value, 1) })),
    domain: [from, to],
  };
}

/** An axis needs some length, even where all values are one. */
function widened([from, to]: readonly [number, number]): [number, number] {
  if (from < to) return [from, to];
  const room = Math.abs(from) * 0.1 || 1;
  return [from - room, to + room];
}

/** Smallest and largest of many rows; what is no finite number does not count. */
export function extentOf(rows: readonly (readonly number[])[]): [number, number] {
  let [least, most] = [Infinity, -Infinity];
  for (const row of rows) {
    for (const value of row) {
      if (!Number.isFinite(value)) continue;
      if (value < least) least = value;
      if (value > most) most = value;
    }
  }
  return least <= most ? [least, most] : [0, 1];
}
