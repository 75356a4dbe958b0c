// What the made-up shell finds inside its tower for one photo: a map with a middle, attention around a place, courses over depth.
import type { Ask, Effect, Explanation } from "./bindings";
import { FITTING, random } from "./fakeData";
import { pictureOf } from "./fakePictures";

const LAYERS = 12;
const HEADS = 12;

export function explained(id: number, ask: Ask, grid: [number, number]): Explanation {
  const { scene, width, height } = pictureOf(id);
  switch (ask.kind) {
    case "patchMap":
      return map(grid, width, height, (x, y, noise) => -0.06 + 0.28 * (1 - hill(x, y, 0.5, 0.55)) * (FITTING[scene][ask.label] === undefined ? 0.4 : 1) + noise * 0.05);
    case "valueMap":
      return map(grid, width, height, (x, y, noise) => -0.05 + 0.3 * hill(x, y, 0.5, 0.55) * (FITTING[scene][ask.label] === undefined ? 0.3 : 1) + noise * 0.04);
    case "attention": {
      const from = ask.from ?? Math.floor(grid[0] / 2) * grid[1] + Math.floor(grid[1] / 2);
      const [x0, y0] = [((from % grid[1]) + 0.5) / grid[1], (Math.floor(from / grid[1]) + 0.5) / grid[0]];
      return map(grid, width, height, (x, y, noise) => Math.max(0.02, hill(x, y, x0, y0) * (1 - ask.layer / 16) + noise * 0.2 * (ask.layer / 12)) / 60, ask.from === null ? 0.31 : 0.12);
    }
    case "poolAttention":
      return map(grid, width, height, (x, y, noise) => Math.max(0.02, hill(x, y, 0.45, 0.5) + noise * 0.1) / 60);
    case "lens":
      return { kind: "lines", lines: ask.labels.map((label) => ({ label, cosines: course(id, label, (FITTING[scene][label] ?? -2) / 14 + 0.12) })) };
    case "directEffects": {
      const next = random(id * 7 + ask.label.length);
      const parts: Effect[] = [{ layer: null, head: null, value: 0.004 }];
      for (let layer = 0; layer < LAYERS; layer++) {
        const size = 0.002 + 0.02 * (layer / LAYERS) ** 4;
        for (let head = 0; head < HEADS; head++) parts.push({ layer, head, value: (next() - 0.42) * size });
        parts.push({ layer, head: null, value: (next() - 0.5) * size * 1.4 });
      }
      const bias = 0.062;
      return { kind: "effects", parts, bias, cosine: parts.reduce((sum, part) => sum + part.value, bias) };
    }
  }
}

function hill(x: number, y: number, x0: number, y0: number): number {
  return Math.exp(-((x - x0) ** 2 + (y - y0) ** 2) / 0.06);
}

function map(grid: [number, number], width: number, height: number, value: (x: number, y: number, noise: number) => number, toClass: number | null = null): Explanation {
  const values = Array.from({ length: grid[0] * grid[1] }, (_, index) => value(((index % grid[1]) + 0.5) / grid[1], (Math.floor(index / grid[1]) + 0.5) / grid[0], random(index * 31)() - 0.5));
  const side = Math.min(width, height);
  const [x, y] = [(1 - side / width) / 2, (1 - side / height) / 2];
  return { kind: "grid", grid, values, seen: [x, y, 1 - x, 1 - y], toClass };
}

function course(id: number, label: string, end: number): number[] {
  const next = random(id * 13 + label.length * 7 + (label.codePointAt(0) ?? 0));
  return Array.from({ length: LAYERS + 1 }, (_, depth) => 0.04 + (end - 0.04) * (depth / LAYERS) ** 3 + (next() - 0.5) * 0.03 * (1 - depth / (LAYERS + 1)));
}
