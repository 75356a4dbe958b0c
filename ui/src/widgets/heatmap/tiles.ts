// The parts of a matrix that are here: asked for a few at a time, painted once, and the longest unseen forgotten first.
import { painted } from "../../model/charts/colour";
import { TILE, type Matrix, type TileAt } from "../../model/charts/heatMap";

/** A tile is 256 KiB of values and as much of pixels. */
const MOST_TILES = 192;
const AT_ONCE = 3;

export type Fetch = (level: number, row: number, column: number, rows: number, columns: number) => Promise<Float32Array>;

export interface Palette {
  low: number;
  high: number;
  table: Uint32Array;
  noNumber: number;
}

interface Kept {
  values: Float32Array;
  width: number;
  height: number;
  picture: HTMLCanvasElement;
}

export class Tiles {
  #kept = new Map<string, Kept>();
  #asked = new Set<string>();
  #failed = new Set<string>();
  #wanted: readonly TileAt[] = [];
  #isClosed = false;

  constructor(
    readonly matrix: Matrix,
    readonly fetch: Fetch,
    readonly onArrival: () => void,
    readonly onProblem: (reason: unknown) => void,
    private palette: Palette,
  ) {}

  /** Paints everything anew; the values stay. */
  repaint(palette: Palette): void {
    this.palette = palette;
    for (const tile of this.#kept.values()) this.#paint(tile);
  }

  /** The tiles to be fetched now, most wanted first; what was wanted before and is not any more is dropped. */
  want(tiles: readonly TileAt[]): void {
    this.#wanted = tiles;
    this.#goOn();
  }

  picture(tile: TileAt): HTMLCanvasElement | null {
    const key = keyOf(tile);
    const kept = this.#kept.get(key);
    if (!kept) return null;
    this.#kept.delete(key);
    this.#kept.set(key, kept);
    return kept.picture;
  }

  /** The value of an entry's block at a level, if its tile is here. */
  value(level: number, row: number, column: number): number | undefined {
    const [y, x] = [Math.floor(row / 2 ** level), Math.floor(column / 2 ** level)];
    const kept = this.#kept.get(keyOf({ level, row: Math.floor(y / TILE), column: Math.floor(x / TILE) }));
    return kept?.values[(y % TILE) * kept.width + (x % TILE)];
  }

  close(): void {
    this.#isClosed = true;
    this.#kept.clear();
  }

  #goOn(): void {
    for (const tile of this.#wanted) {
      if (this.#asked.size >= AT_ONCE) return;
      const key = keyOf(tile);
      if (!this.#kept.has(key) && !this.#asked.has(key) && !this.#failed.has(key)) void this.#ask(tile, key);
    }
  }

  async #ask(tile: TileAt, key: string): Promise<void> {
    this.#asked.add(key);
    const [width, height] = sizeOf(tile, this.matrix);
    try {
      const values = await this.fetch(tile.level, tile.row * TILE, tile.column * TILE, height, width);
      if (this.#isClosed) return;
      const kept = { values, width, height, picture: document.createElement("canvas") };
      this.#paint(kept);
      this.#kept.set(key, kept);
      this.#forgetOldest();
      this.onArrival();
    } catch (reason) {
      // The coarser picture stays, and is not asked for again and again.
      this.#failed.add(key);
      if (!this.#isClosed) this.onProblem(reason);
    } finally {
      this.#asked.delete(key);
      if (!this.#isClosed) this.#goOn();
    }
  }

  #paint({ values, width, height, picture }: Kept): void {
    const { low, high, table, noNumber } = this.palette;
    [picture.width, picture.height] = [width, height];
    const pixels = painted(values.subarray(0, width * height), low, high, table, noNumber);
    picture.getContext("2d")?.putImageData(new ImageData(new Uint8ClampedArray(pixels.buffer), width, height), 0, 0);
  }

  #forgetOldest(): void {
    while (this.#kept.size > MOST_TILES) {
      const oldest = this.#kept.keys().next();
      if (oldest.done) return;
      this.#kept.delete(oldest.value);
    }
  }
}

function keyOf({ level, row, column }: TileAt): string {
  return `${level}/${row}/${column}`;
}

/** Blocks that a tile has; fewer at the edge. */
function sizeOf(tile: TileAt, matrix: Matrix): [width: number, height: number] {
  const blocks = (length: number) => Math.ceil(length / 2 ** tile.level);
  return [Math.min(TILE, blocks(matrix.columns) - tile.column * TILE), Math.min(TILE, blocks(matrix.rows) - tile.row * TILE)];
}
