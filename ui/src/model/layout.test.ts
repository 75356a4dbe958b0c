import { describe, expect, it } from "vitest";
import { boxOf, justified, photosBetween, photosIn, rowOf, rowsAway, rowsPerScreen, shownAspect, squares, type GridLayout } from "./layout";

const METRICS = { width: 1000, size: 200, gap: 10, strip: 60 };
const MIXED = [1.5, 0.75, 1.33, 1.5, 1, 2.4, 0.66, 1.5, 1.5, 1.33, 0.75, 1.5];
const MILLION = 1_000_000;

interface Row {
  first: number;
  end: number;
  height: number;
}

function rowsOf(layout: GridLayout): Row[] {
  return Array.from({ length: layout.rows }, (_, row) => ({ first: layout.firsts[row] ?? 0, end: layout.firsts[row + 1] ?? 0, height: layout.pictureHeights[row] ?? 0 }));
}

/** A million shapes that count how often they are looked at. */
function counted(length: number): { aspects: ArrayLike<number>; reads: () => number } {
  let reads = 0;
  const aspects = new Proxy({ length } as ArrayLike<number>, {
    get: (target, key) => (key === "length" ? target.length : ((reads += 1), MIXED[Number(key) % MIXED.length])),
  });
  return { aspects, reads: () => reads };
}

describe("justified", () => {
  const layout = justified(MIXED, METRICS);

  it("fills_every_row_but_the_last_to_the_full_width", () => {
    for (const { end } of rowsOf(layout).slice(0, -1)) {
      const box = boxOf(layout, end - 1);
      expect(box.left + box.width).toBeCloseTo(METRICS.width, 2);
    }
  });

  it("keeps_each_photo_in_its_own_proportions", () => {
    MIXED.forEach((aspect, index) => {
      const box = boxOf(layout, index);
      expect(box.width / (box.height - METRICS.strip)).toBeCloseTo(aspect, 3);
    });
  });

  it("puts_every_photo_in_exactly_one_row_in_order", () => {
    expect(rowsOf(layout).flatMap((row) => Array.from({ length: row.end - row.first }, (_, offset) => row.first + offset))).toEqual(MIXED.map((_, index) => index));
  });

  it("does_not_blow_up_the_last_row", () => expect(rowsOf(layout).at(-1)?.height).toBeLessThanOrEqual(METRICS.size));

  it("stays_near_the_wished_height", () => {
    for (const { height } of rowsOf(layout)) expect(Math.abs(height - METRICS.size)).toBeLessThan(METRICS.size * 0.6);
  });

  it("gives_nothing_for_no_photos", () => expect(justified([], METRICS)).toMatchObject({ rows: 0, height: 0 }));
});

describe("a_million_photos", () => {
  it("are_laid_out_by_looking_at_each_at_most_twice", () => {
    const { aspects, reads } = counted(MILLION);
    const layout = justified(aspects, METRICS);
    expect(layout.rows).toBeGreaterThan(150_000);
    expect(reads()).toBeLessThanOrEqual(2 * MILLION);
  });

  it("are_found_on_a_screen_by_looking_at_a_few", () => {
    const { aspects, reads } = counted(MILLION);
    const layout = justified(aspects, METRICS);
    const before = reads();
    const [first, end] = photosBetween(layout, 20_000_000, 20_001_000);
    for (let index = first; index < end; index++) boxOf(layout, index);
    expect(end - first).toBeLessThan(60);
    expect(reads() - before).toBeLessThan(500);
  });

  it("get_more_at_the_end_without_being_looked_at_again", () => {
    const { aspects, reads } = counted(MILLION);
    const before = justified(aspects, METRICS);
    const more = counted(MILLION + 50);
    const after = justified(more.aspects, METRICS, before, MILLION);
    expect(more.reads()).toBeLessThan(200);
    expect(after.rows).toBe(justified(more.aspects, METRICS).rows);
    expect(reads()).toBeGreaterThan(0);
  });

  it("stand_below_each_other_to_the_pixel_at_the_far_end", () => {
    const { aspects } = counted(MILLION);
    const layout = justified(aspects, METRICS);
    const last = layout.rows - 1;
    const step = (layout.tops[last] ?? 0) - (layout.tops[last - 1] ?? 0);
    expect(step).toBeCloseTo((layout.pictureHeights[last - 1] ?? 0) + METRICS.strip + METRICS.gap, 6);
  });
});

describe("a_change_in_the_middle", () => {
  it.each([0, 1, 37, 100, 499])("at_photo_%i_gives_the_layout_that_a_whole_one_would", (at) => {
    const aspects = Array.from({ length: 500 }, (_, index) => MIXED[(index * 7) % MIXED.length] ?? 1);
    const before = justified(aspects, METRICS);
    const changed = aspects.with(at, 0.6);
    expect(rowsOf(justified(changed, METRICS, before, at))).toEqual(rowsOf(justified(changed, METRICS)));
  });
});

describe("squares", () => {
  it("fits_as_many_columns_as_the_wished_size_allows_and_widens_them", () => {
    const layout = squares(10, METRICS);
    expect(rowsOf(layout)[0]).toMatchObject({ first: 0, end: 4 });
    expect(boxOf(layout, 0).width).toBeCloseTo((1000 - 30) / 4, 3);
    expect(layout.rows).toBe(3);
  });

  it("shows_one_column_in_a_frame_narrower_than_a_photo", () => expect(squares(3, { ...METRICS, width: 80 }).rows).toBe(3));
});

describe("finding photos", () => {
  const layout = squares(40, METRICS);

  it("names_only_photos_whose_rows_touch_the_band", () => {
    const second = layout.tops[1] ?? 0;
    expect(photosBetween(layout, second + 1, second + 2)).toEqual([4, 8]);
    expect(photosBetween(layout, -500, 0)).toEqual([0, 0]);
    expect(photosBetween(layout, 0, 1e6)).toEqual([0, 40]);
  });

  it("finds_the_row_of_a_photo", () => expect([0, 3, 4, 39].map((index) => rowOf(layout, index))).toEqual([0, 0, 1, 9]));

  it("hits_what_a_marquee_touches_and_nothing_else", () => {
    const box = boxOf(layout, 5);
    expect(photosIn(layout, { left: box.left + 5, top: box.top + 5, width: 5, height: 5 })).toEqual([5]);
    expect(photosIn(layout, { left: box.left + 5, top: box.top + 5, width: box.width + 10, height: box.height + 10 })).toEqual([5, 6, 9, 10]);
  });
});

describe("moving by rows", () => {
  it("goes_to_the_photo_whose_middle_is_nearest", () => {
    const layout = justified([1, 1, 1, 1, 1, 2.5, 2.5], METRICS);
    expect([rowsAway(layout, 0, 1), rowsAway(layout, 4, 1), rowsAway(layout, 0, -1), rowsAway(layout, 6, 1)]).toEqual([5, 6, 0, 6]);
  });

  it("moves_a_screen_by_at_least_one_row", () => {
    const layout = squares(40, METRICS);
    expect([rowsPerScreen(layout, 0, 10), rowsPerScreen(layout, 0, 1000)]).toEqual([1, 3]);
  });
});

describe("shownAspect", () => {
  it("stands_in_3_to_2_until_the_size_is_known", () => expect([shownAspect(0), shownAspect(NaN)]).toEqual([1.5, 1.5]));
  it("crops_panoramas_and_slips", () => expect([shownAspect(10), shownAspect(0.1)]).toEqual([2.8, 0.55]));
});
