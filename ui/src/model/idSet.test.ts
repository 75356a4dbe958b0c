import { describe, expect, it } from "vitest";
import { IdSet } from "./idSet";

const MILLION = Uint32Array.from({ length: 1_000_000 }, (_, index) => index + 1);

describe("IdSet", () => {
  it("holds_what_was_put_in_and_nothing_else", () => {
    const set = IdSet.of([1, 31, 32, 40_000, 4_000_000_000]);
    expect([...set]).toEqual([1, 31, 32, 40_000, 4_000_000_000]);
    expect([0, 2, 33, 39_999, 3_999_999_999].some((id) => set.has(id))).toBe(false);
    expect(set.size).toBe(5);
  });

  it("never_changes_a_set_that_another_came_from", () => {
    const before = IdSet.of([1, 2]);
    const after = before.with([3]).without([1]);
    expect([[...before], [...after]]).toEqual([[1, 2], [2, 3]]);
  });

  it("counts_each_photo_once", () => expect(IdSet.of([7, 7, 7]).without([7, 7]).size).toBe(0));

  it("is_the_same_object_when_nothing_changes", () => {
    const set = IdSet.of([5]);
    expect([set.with([5]), set.without([6]), set.within(new Uint32Array([4, 5]))].every((same) => same === set)).toBe(true);
  });

  it("keeps_only_what_a_list_has", () => expect([...IdSet.of([1, 5, 9]).within(new Uint32Array([9, 8, 1]))]).toEqual([1, 9]));

  it("takes_a_million_in_a_fraction_of_the_memory_of_numbers", () => {
    const all = IdSet.of(MILLION);
    expect([all.size, all.has(1), all.has(1_000_000), all.has(1_000_001)]).toEqual([1_000_000, true, true, false]);
    expect(all.without([500_000]).size).toBe(999_999);
  });
});
