import { describe, expect, it } from "vitest";
import type { PhotoList } from "../ipc/backend";
import { IdSet } from "./idSet";
import { appended, NO_PHOTOS, placeOf, setAspects, withoutIds } from "./photoList";

/** As the shell sends one: all numbers in one piece of memory. */
function sent(ids: number[], scores: number[] | null = null): PhotoList {
  const count = ids.length;
  const buffer = new ArrayBuffer(12 * count);
  const list = { ids: new Uint32Array(buffer, 0, count), aspects: new Float32Array(buffer, 4 * count, count), scores: scores && new Float32Array(buffer, 8 * count, count) };
  list.ids.set(ids);
  list.aspects.fill(1.5);
  list.scores?.set(scores ?? []);
  return { ...list, head: { count, filtered: count, total: count, scored: scores !== null, cut: scores ? { score: 0.2, kept: count, marks: 0 } : null, tookMs: 1 } };
}

describe("appended", () => {
  it("puts_new_photos_at_the_end_with_no_shape_yet", () => {
    const list = appended(sent([3, 1]), [7, 8]);
    expect([[...list.ids], [...list.aspects], list.head.total]).toEqual([[3, 1, 7, 8], [1.5, 1.5, 0, 0], 4]);
  });

  it("never_writes_into_what_the_shell_sent", () => {
    const list = sent([1, 2], [0.9, 0.8]);
    appended(list, [3, 4, 5]);
    expect([[...list.ids], [...list.aspects]]).toEqual([[1, 2], [1.5, 1.5]]);
  });

  it("leaves_out_photos_that_are_there", () => {
    const list = sent([1, 2]);
    expect(appended(list, [2])).toBe(list);
    expect([...appended(list, Array.from({ length: 60 }, (_, index) => index + 1)).ids]).toHaveLength(60);
  });

  it("finds_photos_that_are_there_among_new_ones", () => {
    const many = (first: number) => Array.from({ length: 60 }, (_, index) => first + index);
    const list = appended(appended(sent([500, 7]), [900]), [901]);
    expect([...appended(list, [7, 3, 902]).ids]).toEqual([500, 7, 900, 901, 3, 902]);
    expect([...appended(list, [...many(880), ...many(450)]).ids]).toHaveLength(4 + 58 + 59);
  });

  it("copies_little_while_a_hundred_thousand_photos_come_one_by_one", () => {
    let list = NO_PHOTOS;
    const memories = new Set<ArrayBufferLike>();
    for (let id = 1; id <= 100_000; id += 50) {
      list = appended(list, Array.from({ length: 50 }, (_, offset) => id + offset));
      memories.add(list.ids.buffer);
    }
    expect([list.ids.length, list.ids[99_999]]).toEqual([100_000, 100_000]);
    expect(memories.size).toBeLessThan(30);
  });
});

describe("withoutIds", () => {
  it("keeps_order_shapes_and_scores_of_those_that_stay", () => {
    const list = withoutIds(sent([5, 3, 9], [0.9, 0.8, 0.7]), IdSet.of([3]));
    expect([...list.ids]).toEqual([5, 9]);
    expect([...(list.scores ?? [])].map((score) => Math.round(score * 10))).toEqual([9, 7]);
    expect(list.head).toMatchObject({ count: 2, total: 2, cut: { kept: 2 } });
  });

  it("is_the_same_list_when_none_of_them_was_in_it", () => {
    const list = sent([1]);
    expect(withoutIds(list, IdSet.of([2]))).toBe(list);
  });
});

describe("setAspects", () => {
  const shaped = (id: number) => ({ id, width: 200, height: 100 });

  it("says_from_where_on_the_layout_is_in_doubt", () => {
    const list = sent([1, 2, 3, 4]);
    expect(setAspects(list, [shaped(4), shaped(2)])).toBe(1);
    expect([...list.aspects]).toEqual([1.5, 2, 1.5, 2]);
    expect(setAspects(list, [shaped(2), shaped(77)])).toBe(-1);
  });

  it("finds_a_large_batch_in_one_pass", () => {
    const list = sent(Array.from({ length: 500 }, (_, index) => index + 1));
    expect(setAspects(list, Array.from({ length: 100 }, (_, index) => shaped(index + 101)))).toBe(100);
    expect(list.aspects[199]).toBe(2);
  });
});

it("looks_first_where_the_next_photo_should_be", () => {
  const ids = new Uint32Array([4, 8, 4]);
  expect([placeOf(ids, 4, 2), placeOf(ids, 4, 1), placeOf(ids, 9)]).toEqual([2, 0, -1]);
});
