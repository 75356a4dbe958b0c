// Made-up matrices: an entry is a hash of its place, so that any part can be drawn without the rest.
import type { Histogram, MatrixFacts, Tile } from "./bindings";

const BINS = 48;
const MOST_NORMS = 4096;
/** Figures of large matrices come from every n-th entry. */
const MOST_SAMPLED = 400_000;

export class FakeMatrix {
  readonly rows: number;
  readonly columns: number;

  constructor(
    readonly name: string,
    readonly shape: number[],
    readonly dtype: string,
    readonly scale: number,
    readonly isGram: boolean,
  ) {
    this.rows = shape.length > 1 ? (shape[0] ?? 1) : 1;
    this.columns = shape.length > 1 ? shape.slice(1).reduce((a, b) => a * b, 1) : (shape[0] ?? 1);
  }

  at(row: number, column: number): number {
    const [low, high] = this.isGram && column < row ? [column, row] : [row, column];
    if (this.isGram && low === high) return 1 + noise(low, 7) * 0.15;
    if (row === 41 || column === 41) return 0;
    const loud = row === 97 || column === 97 ? 3.5 : 1;
    const stripes = 1 + 0.7 * Math.sin(low / 23) * Math.cos(high / 61);
    return this.scale * loud * stripes * (noise(low, high) + noise(high + 5, low) + noise(low + high, low));
  }

  tile({ level, row, column, rows, columns }: Tile): Float32Array {
    const block = 2 ** level;
    const [height, width] = [Math.min(rows, Math.ceil(this.rows / block) - row), Math.min(columns, Math.ceil(this.columns / block) - column)];
    const values = new Float32Array(Math.max(0, height) * Math.max(0, width));
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) values[y * width + x] = this.#largest((row + y) * block, (column + x) * block, block);
    }
    return values;
  }

  facts(): MatrixFacts {
    const step = Math.max(1, Math.ceil((this.rows * this.columns) / MOST_SAMPLED));
    const values: number[] = [];
    for (let index = 0; index < this.rows * this.columns; index += step) values.push(this.at(Math.floor(index / this.columns), index % this.columns));
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    const norm = (count: number, across: number, value: (a: number, b: number) => number) =>
      Array.from({ length: Math.min(count, MOST_NORMS) }, (_, a) => {
        const sample = Math.max(1, Math.floor(across / 64));
        let sum = 0;
        for (let b = 0; b < across; b += sample) sum += value(a, b) ** 2;
        return Math.sqrt(sum * sample);
      });
    return {
      name: this.name, shape: this.shape, dtype: this.dtype, rows: this.rows, columns: this.columns,
      min: values.reduce((a, b) => Math.min(a, b), Infinity), max: values.reduce((a, b) => Math.max(a, b), -Infinity), mean,
      std: Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length),
      sparsity: values.filter((value) => value === 0).length / values.length, nan: 0, infinite: 0, histogram: histogramOf(values, BINS),
      rowNorms: norm(this.rows, this.columns, (row, column) => this.at(row, column)), columnNorms: norm(this.columns, this.rows, (column, row) => this.at(row, column)),
    };
  }

  /** Looks at some entries of a block only; the real one looks at all. */
  #largest(row: number, column: number, block: number): number {
    const step = Math.max(1, block / 4);
    let found = 0;
    for (let y = row; y < Math.min(this.rows, row + block); y += step) {
      for (let x = column; x < Math.min(this.columns, column + block); x += step) {
        const value = this.at(Math.floor(y), Math.floor(x));
        if (Math.abs(value) > Math.abs(found)) found = value;
      }
    }
    return found;
  }
}

export function matrixOf(name: string, shape: number[], dtype: string, scale: number, isGram = false): FakeMatrix {
  return new FakeMatrix(name, shape, dtype, scale, isGram);
}

export function histogramOf(values: readonly number[], bins: number): Histogram {
  const from = values.reduce((a, b) => Math.min(a, b), Infinity);
  const to = values.reduce((a, b) => Math.max(a, b), -Infinity);
  const counts = Array.from({ length: bins }, () => 0);
  for (const value of values) {
    const bin = Math.min(bins - 1, Math.floor(((value - from) / Math.max(to - from, 1e-12)) * bins));
    counts[bin] = (counts[bin] ?? 0) + 1;
  }
  return { from, to, counts };
}

/** −0.5…0.5, from two whole numbers. */
function noise(a: number, b: number): number {
  let mixed = Math.imul(a + 1, 0x9e3779b1) ^ Math.imul(b + 7, 0x85ebca77);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x2c1b3c6d);
  mixed = Math.imul(mixed ^ (mixed >>> 12), 0x297a2d39);
  return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32 - 0.5;
}
