import { describe, expect, it } from "vitest";
import type { NearGroup, NearPhoto } from "../ipc/bindings";
import { besideKept, groupsWithMarks, largerOf, markedIn, pixelRatio, stepAmong, stepInGrid, toSetAside } from "./shelfNear";

const photo = (id: number, change: Partial<NearPhoto> = {}): NearPhoto => ({
  id, name: `${id}.jpg`, path: `/p/${id}.jpg`, width: 6000, height: 4000, bytes: 8_000_000, cosine: 0.98, lookDistance: 3, keep: false, marked: false, ...change,
});
const group = (...photos: NearPhoto[]): NearGroup => ({ kind: "similar", photos });
const GROUPS = [group(photo(1, { keep: true }), photo(2), photo(3, { marked: true })), group(photo(4, { keep: true }), photo(5))];

describe("marks", () => {
  it("spare_the_one_to_keep_and_what_is_marked_already", () => expect(toSetAside(GROUPS)).toEqual([2, 5]));
  it("change_in_the_rows_that_have_the_photos_and_leave_the_others_be", () => {
    const changed = groupsWithMarks(GROUPS, new Set([5]), true);
    expect([markedIn(GROUPS), markedIn(changed)]).toEqual([[3], [3, 5]]);
    expect(changed[0]).toBe(GROUPS[0]);
    expect(toSetAside(changed)).toEqual([2]);
    expect(markedIn(groupsWithMarks(changed, new Set([3, 5]), false))).toEqual([]);
  });
});

describe("keys", () => {
  const at = (group: number, photo: number) => ({ group, photo });
  it("go_up_and_down_between_groups_and_stay_in_the_shorter_one", () => {
    expect(stepAmong(GROUPS, at(0, 2), "ArrowDown", 5)).toEqual(at(1, 1));
    expect(stepAmong(GROUPS, at(1, 1), "ArrowDown", 5)).toEqual(at(1, 1));
    expect(stepAmong(GROUPS, at(1, 0), "PageUp", 5)).toEqual(at(0, 0));
    expect(stepAmong(GROUPS, at(0, 0), "End", 5)).toEqual(at(1, 0));
  });
  it("go_left_and_right_within_a_group", () => {
    expect(stepAmong(GROUPS, at(0, 0), "ArrowRight", 5)).toEqual(at(0, 1));
    expect(stepAmong(GROUPS, at(0, 0), "ArrowLeft", 5)).toEqual(at(0, 0));
    expect(stepAmong(GROUPS, at(1, 1), "ArrowRight", 5)).toEqual(at(1, 1));
  });
  it("are_the_lists_own_or_nothing", () => {
    expect(stepAmong(GROUPS, at(0, 0), "q", 5)).toBeNull();
    expect(stepAmong([], at(0, 0), "ArrowDown", 5)).toBeNull();
  });
  it("walk_a_grid_and_stop_at_its_ends", () => {
    expect([stepInGrid("ArrowDown", 1, 10, 4, 2), stepInGrid("ArrowUp", 1, 10, 4, 2), stepInGrid("PageDown", 1, 10, 4, 2)]).toEqual([5, 0, 9]);
    expect([stepInGrid("End", 0, 10, 4, 2), stepInGrid("Home", 7, 10, 4, 2), stepInGrid("a", 1, 10, 4, 2), stepInGrid("End", 0, 0, 4, 2)]).toEqual([9, 0, null, null]);
  });
  it("compare_the_first_with_the_second", () => expect([besideKept(at(3, 0)), besideKept(at(3, 2))]).toEqual([at(3, 1), at(3, 2)]));
});

describe("differences", () => {
  it("say_how_many_times_as_many_pixels", () => {
    expect(pixelRatio({ width: 3000, height: 2000, bytes: 1 }, { width: 6000, height: 4000, bytes: 1 })).toBe(0.25);
    expect(pixelRatio({ width: 0, height: 0, bytes: 1 }, { width: 6000, height: 4000, bytes: 1 })).toBeNull();
  });
  it("tell_nothing_where_one_is_not_known", () => expect([largerOf(2, 1), largerOf(1, 2), largerOf(2, 2), largerOf(0, 2)]).toEqual([1, -1, 0, 0]));
});
