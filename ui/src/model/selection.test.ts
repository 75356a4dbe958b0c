import { describe, expect, it } from "vitest";
import { IdSet } from "./idSet";
import { afterRemoval, clicked, everything, extended, kept, marqueed, movedTo, NOTHING, only, type Selection } from "./selection";

const ORDER = new Uint32Array([10, 11, 12, 13, 14, 15]);
const PLAIN = { range: false, toggle: false };
const ids = (selection: Selection) => [...selection.ids];

describe("clicking", () => {
  it("selects_just_that_photo", () => expect(ids(clicked(ORDER, everything(ORDER, NOTHING), 12, PLAIN))).toEqual([12]));

  it("adds_and_takes_away_with_ctrl", () => {
    const two = clicked(ORDER, only(10), 12, { range: false, toggle: true });
    expect(ids(two)).toEqual([10, 12]);
    expect(ids(clicked(ORDER, two, 10, { range: false, toggle: true }))).toEqual([12]);
  });

  it("selects_from_the_anchor_with_shift_in_either_direction", () => {
    expect(ids(clicked(ORDER, only(13), 11, { range: true, toggle: false }))).toEqual([11, 12, 13]);
    expect(ids(clicked(ORDER, only(11), 13, { range: true, toggle: false }))).toEqual([11, 12, 13]);
  });

  it("goes_by_the_order_shown_and_not_by_numbers", () => {
    const shown = new Uint32Array([40, 7, 99, 3]);
    expect(ids(extended(shown, only(7), 3)).sort((a, b) => a - b)).toEqual([3, 7, 99]);
  });

  it("keeps_the_anchor_while_a_range_grows_and_shrinks", () => expect(ids(extended(ORDER, extended(ORDER, only(11), 14), 12))).toEqual([11, 12]));

  it("adds_a_range_to_what_there_is_with_ctrl_and_shift", () => {
    const apart = clicked(ORDER, only(10), 13, { range: false, toggle: true });
    expect(ids(clicked(ORDER, apart, 15, { range: true, toggle: true }))).toEqual([10, 13, 14, 15]);
  });

  it("selects_one_when_the_anchor_is_filtered_out", () => {
    expect(ids(clicked(new Uint32Array([14, 15]), only(10), 15, { range: true, toggle: false }))).toEqual([15]);
  });
});

describe("marquee", () => {
  it("replaces_without_and_adds_with_a_modifier", () => {
    expect(ids(marqueed(NOTHING, [11, 12], false))).toEqual([11, 12]);
    expect(ids(marqueed(only(15), [11], false))).toEqual([11, 15]);
  });

  it("takes_away_what_was_selected_with_ctrl", () => expect(ids(marqueed(only(11), [11, 12], true))).toEqual([12]));
});

describe("keyboard", () => {
  it("moves_without_and_extends_with_shift", () => {
    expect(ids(movedTo(ORDER, only(10), 11, false))).toEqual([11]);
    expect(ids(movedTo(ORDER, only(10), 12, true))).toEqual([10, 11, 12]);
  });

  it("selects_a_million_and_lets_one_go", () => {
    const order = Uint32Array.from({ length: 1_000_000 }, (_, index) => index + 1);
    const all = everything(order, NOTHING);
    expect(all.ids.size).toBe(1_000_000);
    expect(clicked(order, all, 5, { range: false, toggle: true }).ids.size).toBe(999_999);
  });
});

describe("removal", () => {
  it("moves_on_to_the_next_photo_that_stays", () => expect(ids(afterRemoval(ORDER, IdSet.of([11, 12])))).toEqual([13]));
  it("falls_back_to_the_one_before_at_the_end", () => expect(ids(afterRemoval(ORDER, IdSet.of([14, 15])))).toEqual([13]));
  it("ends_with_nothing_when_all_go", () => expect(afterRemoval(ORDER, IdSet.of(ORDER))).toBe(NOTHING));
});

describe("another_list", () => {
  it("leaves_only_what_is_shown_selected", () => {
    expect(kept(everything(ORDER, NOTHING), new Uint32Array([15, 13]))).toMatchObject({ active: null, anchor: null });
    expect(ids(kept(everything(ORDER, NOTHING), new Uint32Array([15, 13])))).toEqual([13, 15]);
  });

  it("stays_the_same_object_when_nothing_went", () => {
    const before = only(10);
    expect(kept(before, ORDER)).toBe(before);
  });
});
