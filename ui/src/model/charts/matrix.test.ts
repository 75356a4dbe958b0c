import { expect, it } from "vitest";
import { colourRange, ends, outstanding } from "./matrix";

const FACTS = { min: -9, max: 2, mean: 0, std: 0.5 };

it("keeps_a_few_large_entries_from_hiding_the_rest", () => expect([colourRange(FACTS, "spread"), colourRange(FACTS, "full")]).toEqual([2, 9]));
it("never_reaches_beyond_the_values", () => expect(colourRange({ ...FACTS, std: 5 }, "spread")).toBe(9));
it("has_a_range_even_for_one_value_and_for_none", () => {
  expect(colourRange({ min: 3, max: 3, mean: 3, std: 0 }, "spread")).toBe(3);
  expect(colourRange({ min: 0, max: 0, mean: 0, std: 0 }, "full")).toBe(1);
  expect(colourRange({ min: null, max: null, mean: null, std: null }, "spread")).toBe(1);
});
it("finds_the_dead_and_the_loud", () => expect(outstanding([1, 1.1, 0.001, 0.9, 3.4, 1])).toEqual({ dead: [2], loud: [4] }));
it("shows_both_ends_of_what_is_too_long", () => {
  expect(ends([5, 4, 3, 2, 1], 2)).toEqual({ first: [5, 4], last: [2, 1] });
  expect(ends([5, 4, 3, 2], 2)).toEqual({ first: [5, 4, 3, 2], last: [] });
});
