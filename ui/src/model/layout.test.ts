import { describe, expect, it } from "vitest";
import { aspectOf, boxOf, justified, photosBetween, photosIn, rowOf, rowsAway, rowsPerScreen, squares } from "./layout";

const METRICS = { width: 1000, size: 200, gap: 10, strip: 60 };
const MIXED = [1.5, 0.75, 1.33, 1.5, 1, 2.4, 0.66, 1.5, 1.5, 1.33, 0.75, 1.5];

describe("justified", () => {
  const layout = justified(MIXED, METRICS);

  it("fills_every_row_but_the_last_to_the_full_width", () => {
    for (const row of layout.rows.slice(0, -1)) {
      const last = row.end - 1;
      expect((layout.left[last] ?? 0) + (layout.width[last] ?? 0)).toBeCloseTo(METRICS.width, 2);
    }
  });

  it("keeps_each_photo_in_its_own_proportions", () => {
    for (const row of layout.rows) {
      for (let index = row.first; index < row.end; index++) {
        expect((layout.width[index] ?? 0) / row.pictureHeight).toBeCloseTo(MIXED[index] ?? 0, 3);
      }
    }
  });

  it("puts_every_photo_in_exactly_one_row_in_order", () => {
    expect(layout.rows.flatMap((row) => Array.from({ length: row.end - row.first }, (_, offset) => row.first + offset))).toEqual(MIXED.map((_, index) => index));
  });

  it("does_not_blow_up_the_last_row", () => {
    expect(layout.rows.at(-1)?.pictureHeight).toBeLessThanOrEqual(METRICS.size);
  });

  it("stays_near_the_wished_height", () => {
    for (const row of layout.rows) expect(Math.abs(row.pictureHeight - METRICS.size)).toBeLessThan(METRICS.size * 0.6);
  });

  it("gives_nothing_for_no_photos", () => {
    expect(justified([], METRICS)).toMatchObject({ rows: [], height: 0 });
  });

  it("lays_out_ten_thousand_photos_within_a_frame", () => {
    const aspects = Array.from({ length: 10_000 }, (_, index) => MIXED[index % MIXED.length] ?? 1);
    const begun = performance.now();
    justified(aspects, METRICS);
    // A frame is 16 ms; the bound leaves room for a busy machine.
    expect(performance.now() - begun).toBeLessThan(200);
  });
});

describe("squares", () => {
  it("fits_as_many_columns_as_the_wished_size_allows_and_widens_them", () => {
    const layout = squares(10, METRICS);
    expect(layout.rows[0]).toMatchObject({ first: 0, end: 4 });
    expect(layout.width[0]).toBeCloseTo((1000 - 30) / 4, 3);
    expect(layout.rows).toHaveLength(3);
  });

  it("shows_one_column_in_a_frame_narrower_than_a_photo", () => {
    expect(squares(3, { ...METRICS, width: 80 }).rows).toHaveLength(3);
  });
});

describe("finding photos", () => {
  const layout = squares(40, METRICS);

  it("names_only_photos_whose_rows_touch_the_band", () => {
    const second = layout.rows[1];
    expect(photosBetween(layout, (second?.top ?? 0) + 1, (second?.top ?? 0) + 2)).toEqual([4, 8]);
    expect(photosBetween(layout, -500, 0)).toEqual([0, 0]);
    expect(photosBetween(layout, 0, 1e6)).toEqual([0, 40]);
  });

  it("finds_the_row_of_a_photo", () => {
    expect([0, 3, 4, 39].map((index) => rowOf(layout, index))).toEqual([0, 0, 1, 9]);
  });

  it("hits_what_a_marquee_touches_and_nothing_else", () => {
    const box = boxOf(layout, 5);
    expect(photosIn(layout, { left: box.left + 5, top: box.top + 5, width: 5, height: 5 })).toEqual([5]);
    expect(photosIn(layout, { left: box.left + 5, top: box.top + 5, width: box.width + 10, height: box.height + 10 })).toEqual([5, 6, 9, 10]);
  });
});

describe("moving by rows", () => {
  it("goes_to_the_photo_whose_middle_is_nearest", () => {
    const layout = justified([1, 1, 1, 1, 1, 2.5, 2.5], METRICS);
    expect(rowsAway(layout, 0, 1)).toBe(5);
    expect(rowsAway(layout, 4, 1)).toBe(6);
    expect(rowsAway(layout, 0, -1)).toBe(0);
    expect(rowsAway(layout, 6, 1)).toBe(6);
  });

  it("moves_a_screen_by_at_least_one_row", () => {
    const layout = squares(40, METRICS);
    expect(rowsPerScreen(layout, 0, 10)).toBe(1);
    expect(rowsPerScreen(layout, 0, 1000)).toBe(3);
  });
});

describe("aspectOf", () => {
  it("stands_in_3_to_2_until_the_size_is_known", () => expect(aspectOf(0, 0)).toBe(1.5));
  it("crops_panoramas_and_slips", () => {
    expect(aspectOf(10_000, 1000)).toBe(2.8);
    expect(aspectOf(1000, 10_000)).toBe(0.55);
  });
});
