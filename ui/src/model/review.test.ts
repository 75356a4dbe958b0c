import { describe, expect, it } from "vitest";
import type { ReviewLabel, Suggested } from "../ipc/bindings";
import { countFrom, labelParts, mostWaiting, nextLabelOrder, NO_REVIEW, pairKey, progressOf, renaming, SET_ORDER, sortedLabels, tidyTag, valueOf, waitingOf } from "./review";

const row = (label: string, change: Partial<ReviewLabel> = {}): ReviewLabel => ({ label, accepted: 0, rejected: 0, waiting: 0, threshold: 0.5, thresholdBy: null, inSet: true, ...change });
const suggested = (photo: number, probability: number): Suggested => ({ photo, label: "dog", by: { model: "m", prompt: "a photo of a dog", cosine: 0.3, score: 0.1, probability, suggestedMs: 0 } });

describe("labels", () => {
  it("are_read_by_their_levels", () => {
    expect(labelParts("animal/dog")).toEqual({ within: ["animal"], name: "dog" });
    expect(labelParts("dog")).toEqual({ within: [], name: "dog" });
    expect(labelParts("/")).toEqual({ within: [], name: "/" });
  });
  it("never_share_a_key_with_another_pair", () => expect(new Set([pairKey(1, "2/a"), pairKey(12, "a"), pairKey(1, "2"), pairKey(12, "")]).size).toBe(4));
  it("are_tidied_as_the_library_keeps_them", () => expect([tidyTag(" animal / dog "), tidyTag("//a//"), tidyTag("  ")]).toEqual(["animal/dog", "a", ""]));
});

describe("progress", () => {
  const state = { ...NO_REVIEW, labels: [row("dog", { accepted: 3, rejected: 1, waiting: 6 }), row("cat", { waiting: 9 })], waiting: 15, decided: 4 };
  it("is_of_everything_or_of_one_label", () => {
    expect(progressOf(state, null)).toEqual({ decided: 4, of: 19 });
    expect(progressOf(state, "dog")).toEqual({ decided: 4, of: 10 });
    expect(progressOf(state, "gone")).toEqual({ decided: 0, of: 0 });
  });
  it("says_what_waits_and_for_which_label_most", () => {
    expect([waitingOf(state, null), waitingOf(state, "cat"), waitingOf(state, "gone")]).toEqual([15, 9, 0]);
    expect(mostWaiting(state.labels)).toBe("cat");
    expect(mostWaiting([row("dog")])).toBeNull();
  });
});

it("makes_of_a_verdict_what_it_means_for_the_tag", () => expect([valueOf("accept"), valueOf("reject"), valueOf("clear")]).toEqual([true, false, null]));

it("counts_what_reaches_a_probability_and_says_when_it_cannot_know", () => {
  const items = [0.99, 0.95, 0.9, 0.6].map((probability, index) => suggested(index, probability));
  expect(countFrom(items, 4, 0.9)).toEqual({ count: 3, isExact: true });
  expect(countFrom(items, 4, 0.1)).toEqual({ count: 4, isExact: true });
  expect(countFrom(items, 2000, 0.1)).toEqual({ count: 4, isExact: false });
  expect(countFrom(items, 2000, 0.7)).toEqual({ count: 3, isExact: true });
});

describe("the table of labels", () => {
  const rows = [row("b", { waiting: 2, threshold: 0.7 }), row("A", { waiting: 5 }), row("c", { waiting: 2, thresholdBy: "f1" })];
  const names = (order: Parameters<typeof sortedLabels>[1], search = "") => sortedLabels(rows, order, search).map(({ label }) => label);
  it("is_in_the_order_of_the_set_until_it_is_sorted", () => expect(names(SET_ORDER)).toEqual(["b", "A", "c"]));
  it("sorts_numbers_from_many_to_few_and_breaks_ties_by_name", () => expect(names({ by: "waiting", descending: true })).toEqual(["A", "b", "c"]));
  it("sorts_by_name_and_by_who_chose_the_threshold", () => {
    expect(names({ by: "label", descending: false })).toEqual(["A", "b", "c"]);
    expect(names({ by: "by", descending: false })).toEqual(["A", "b", "c"]);
  });
  it("finds_in_any_case_of_letters", () => expect(names(SET_ORDER, " a ")).toEqual(["A"]));
  it("goes_through_both_directions_and_back_to_the_set", () => {
    const first = nextLabelOrder(SET_ORDER, "waiting");
    const second = nextLabelOrder(first, "waiting");
    expect([first, second, nextLabelOrder(second, "waiting")]).toEqual([{ by: "waiting", descending: true }, { by: "waiting", descending: false }, SET_ORDER]);
    expect(nextLabelOrder(SET_ORDER, "label")).toEqual({ by: "label", descending: false });
  });
});

describe("renaming", () => {
  const rows = [row("dog", { accepted: 4 }), row("cat", { accepted: 7, rejected: 1 }), row("fox")];
  it("says_beforehand_when_two_tags_become_one", () => expect(renaming(rows, "dog", " cat ")).toEqual({ kind: "merge", photos: 7 }));
  it("takes_a_label_without_decisions_for_a_free_name", () => expect(renaming(rows, "dog", "fox")).toEqual({ kind: "rename" }));
  it("asks_for_a_name_that_is_one_and_another_one", () => {
    expect(renaming(rows, "dog", " / ")).toEqual({ kind: "none" });
    expect(renaming(rows, "dog", "dog")).toEqual({ kind: "same" });
  });
});
