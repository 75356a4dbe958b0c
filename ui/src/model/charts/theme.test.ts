// The colours of charts do what they are chosen for. They are in theme.css; the arithmetic is OKLab (Ottosson 2020).
import { interpolateViridis } from "d3-scale-chromatic";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parsed, type Rgb } from "./colour";

const CSS = readFileSync(new URL("../../theme.css", import.meta.url), "utf8");
/** Dichromats' view, linear RGB (Machado et al. 2009, severity 1). */
const BLINDNESS = {
  normal: [1, 0, 0, 0, 1, 0, 0, 0, 1],
  protanopia: [0.152286, 1.052583, -0.204868, 0.114503, 0.786281, 0.099216, -0.003882, -0.048116, 1.051998],
  deuteranopia: [0.367322, 0.860646, -0.227968, 0.280085, 0.672501, 0.047413, -0.01182, 0.04294, 0.968881],
};

function variable(name: string, theme: 0 | 1): Rgb {
  const value = new RegExp(`--${name}: (.*);`, "u").exec(CSS)?.[1] ?? "";
  return parsed(value.match(/#[0-9a-f]{6}/gu)?.at(value.startsWith("light-dark") ? theme : 0) ?? "");
}

function linear(colour: Rgb): number[] {
  return colour.map((channel) => (channel / 255 <= 0.04045 ? channel / 255 / 12.92 : ((channel / 255 + 0.055) / 1.055) ** 2.4));
}

function oklab([r = 0, g = 0, b = 0]: readonly number[]): number[] {
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s, 1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s, 0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s];
}

function seen(colour: Rgb, matrix: readonly number[]): number[] {
  const [r = 0, g = 0, b = 0] = linear(colour);
  return oklab([0, 1, 2].map((row) => Math.max(0, (matrix[3 * row] ?? 0) * r + (matrix[3 * row + 1] ?? 0) * g + (matrix[3 * row + 2] ?? 0) * b)));
}

const distance = (a: readonly number[], b: readonly number[]) => Math.hypot(...a.map((value, index) => value - (b[index] ?? 0)));
const names = (prefix: string, from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => `${prefix}-${from + index}`);

describe.each([["light", 0], ["dark", 1]] as const)("in_the_%s_theme", (_name, theme) => {
  it.each(Object.entries(BLINDNESS))("categories_stay_apart_with_%s_sight", (_kind, matrix) => {
    const colours = names("cat", 1, 10).map((name) => seen(variable(name, theme), matrix));
    const pairs = colours.flatMap((a, index) => colours.slice(index + 1).map((b) => distance(a, b)));
    expect(Math.min(...pairs)).toBeGreaterThan(0.03);
  });

  it("signs_are_shown_in_even_steps_and_alike_on_both_sides", () => {
    const stops = names("div", 0, 10).map((name) => oklab(linear(variable(name, theme))));
    const steps = stops.slice(1).map((stop, index) => distance(stop, stops[index] ?? []));
    expect(Math.max(...steps) / Math.min(...steps)).toBeLessThan(1.2);
    for (let away = 1; away <= 5; away++) expect(stops[5 - away]?.[0]).toBeCloseTo(stops[5 + away]?.[0] ?? 0, 1);
  });
});

it("amounts_are_shown_in_viridis", () => {
  expect(names("seq", 0, 8).map((name) => variable(name, 0))).toEqual(Array.from({ length: 9 }, (_, index) => parsed(interpolateViridis(index / 8))));
});
