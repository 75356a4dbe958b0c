import { describe, expect, it } from "vitest";
import { between, lookUpTable, luminance, painted, parsed, word } from "./colour";
import { clamped, entryAt, fitted, LARGEST_SCALE, levelFor, revealed, rulerStep, tilesInSight, topLevel, zoomed } from "./heatMap";

const MATRIX = { rows: 4096, columns: 1024 };
const SCREEN = { width: 800, height: 400 };

describe("levels", () => {
  it.each([[4, 0], [1, 0], [0.5, 1], [0.3, 2], [0.25, 2], [0.1, 4]])("a_scale_of_%s_needs_level_%s", (scale, level) => expect(levelFor(scale)).toBe(level));
  it("ends_where_all_is_one_tile", () => expect([topLevel(MATRIX), topLevel({ rows: 3, columns: 256 })]).toEqual([4, 0]));
  it("asks_only_for_tiles_in_sight", () => {
    const tiles = tilesInSight({ row: 300, column: 0, scale: 2 }, SCREEN, MATRIX, 0);
    expect(tiles).toEqual([{ level: 0, row: 1, column: 0 }, { level: 0, row: 1, column: 1 }]);
  });
  it("asks_for_nothing_beyond_the_edge", () => {
    const view = fitted(SCREEN, MATRIX);
    expect(tilesInSight(view, SCREEN, MATRIX, topLevel(MATRIX))).toEqual([{ level: 4, row: 0, column: 0 }]);
  });
});

describe("the_view", () => {
  it("fits_and_stands_in_the_middle", () => {
    const view = fitted(SCREEN, MATRIX);
    expect(view.scale).toBeCloseTo(400 / 4096, 9);
    expect(view.column).toBeCloseTo((1024 - 800 / view.scale) / 2, 6);
  });
  it("keeps_the_entry_under_the_pointer", () => {
    const before = { row: 1000, column: 300, scale: 2 };
    const after = zoomed(before, 3, 250, 150, SCREEN, MATRIX);
    expect(entryAt(after, 250, 150, MATRIX)).toEqual(entryAt(before, 250, 150, MATRIX));
  });
  it("zooms_no_further_than_is_of_use", () => {
    expect(zoomed(fitted(SCREEN, MATRIX), 1e9, 0, 0, SCREEN, MATRIX).scale).toBe(LARGEST_SCALE);
    expect(zoomed(fitted(SCREEN, MATRIX), 1e-9, 0, 0, SCREEN, MATRIX)).toEqual(fitted(SCREEN, MATRIX));
  });
  it("does_not_leave_the_matrix", () => {
    expect(clamped({ row: -50, column: 1e6, scale: 4 }, SCREEN, MATRIX)).toEqual({ row: 0, column: 824, scale: 4 });
  });
  it("finds_no_entry_beside_it", () => expect(entryAt({ row: 0, column: -100, scale: 1 }, 20, 20, MATRIX)).toBeNull());
  it("moves_no_more_than_it_must", () => {
    const view = { row: 100, column: 100, scale: 4 };
    expect(revealed(view, 150, 120, SCREEN, MATRIX)).toEqual(view);
    expect(revealed(view, 99, 120, SCREEN, MATRIX).row).toBe(99);
    expect(revealed(view, 300, 120, SCREEN, MATRIX).row).toBe(201);
  });
  it("rules_in_round_numbers", () => expect([rulerStep(0.1, 60), rulerStep(1, 60), rulerStep(80, 60)]).toEqual([1000, 100, 1]));
});

describe("colours", () => {
  const stops = [parsed("#000000"), parsed("rgb(100, 200, 50)")];
  it("lie_between_their_stops", () => expect([between(stops, -1), between(stops, 0.5), between(stops, 2)]).toEqual([[0, 0, 0], [50, 100, 25], [100, 200, 50]]));
  it("are_opaque_words", () => expect(word([1, 2, 3]).toString(16)).toBe("ff030201"));
  it("paint_the_ends_beyond_the_range_and_what_is_no_number", () => {
    const table = lookUpTable(stops, 3);
    expect([...painted(new Float32Array([-9, 0, 9, NaN]), -1, 1, table, 7)]).toEqual([table[0], table[1], table[2], 7]);
  });
  it("know_how_light_they_are", () => expect([luminance([0, 0, 0]), luminance([255, 255, 255])]).toEqual([0, expect.closeTo(1, 9)]));
});
