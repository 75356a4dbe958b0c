import { beforeEach, describe, expect, it } from "vitest";
import type { Failure, PhotoRecord } from "../ipc/bindings";
import { PhotoTable } from "./photoTable";

const stub = (id: number) => ({ id, name: `${id}.jpg`, path: `/p/${id}.jpg` });
const failure = (id: number): Failure => ({ ...stub(id), problem: { code: "emptyFile", params: {}, message: "" } });
const record = (id: number, change: Partial<PhotoRecord> = {}): PhotoRecord => ({
  ...stub(id), state: "labelled", width: 3, height: 2, best: [{ label: 0, score: 0.9 }], problem: null, tags: [], missing: false, files: 1, ...change,
});

describe("PhotoTable", () => {
  let table: PhotoTable;
  beforeEach(() => {
    table = new PhotoTable(undefined, 5);
    table.useLabels(1, ["cat", "dog"]);
    table.rescored(1);
    table.put([record(1), record(2)]);
  });
  const best = (id: number) => table.get(id)?.best;

  it("forgets_the_photos_that_were_looked_at_longest_ago", () => {
    table.put([record(3), record(4), record(5)]);
    table.get(1);
    table.put([record(6), record(7)]);
    expect([1, 2, 3, 4, 5, 6, 7].filter((id) => !table.needs(id))).toEqual([1, 4, 5, 6, 7]);
    expect(table.size).toBe(5);
    expect(table.get(2)).toBeUndefined();
  });

  it("replaces_only_the_photo_that_changed", () => {
    const [first, second] = [table.get(1), table.get(2)];
    table.decoded([{ id: 1, width: 30, height: 20 }]);
    expect(table.get(1)).not.toBe(first);
    expect(table.get(2)).toBe(second);
  });

  it("takes_no_news_of_photos_that_nobody_looks_at", () => {
    table.decoded([{ id: 9, width: 30, height: 20 }]);
    table.scored(1, [{ id: 9, best: [] }]);
    expect([table.get(9), table.size]).toEqual([undefined, 2]);
  });

  it("shows_a_new_photo_at_once_and_asks_for_the_rest_of_it", () => {
    table.add([stub(8)]);
    expect(table.get(8)).toMatchObject({ name: "8.jpg", state: "waiting", tags: [] });
    expect(table.needs(8)).toBe(true);
  });

  it("names_labels_by_the_list_of_their_version", () => {
    table.useLabels(2, ["dog", "bird"]);
    table.scored(1, [{ id: 1, best: [{ label: 1, score: 0.9 }] }]);
    table.scored(2, [{ id: 2, best: [{ label: 0, score: 0.8 }] }]);
    expect([best(1), best(2)]).toEqual([[{ label: "dog", score: 0.9 }], [{ label: "dog", score: 0.8 }]]);
  });

  it("names_an_answer_by_the_list_it_was_asked_for", () => {
    table.useLabels(2, ["dog", "bird"]);
    table.rescored(2);
    table.put([record(3)], 1);
    table.put([record(4)]);
    expect([best(3), best(4)]).toEqual([[{ label: "cat", score: 0.9 }], [{ label: "dog", score: 0.9 }]]);
  });

  it("keeps_newer_scores_that_were_told_while_an_older_answer_was_on_its_way", () => {
    table.useLabels(2, ["dog"]);
    table.scored(2, [{ id: 1, best: [{ label: 0, score: 0.8 }] }]);
    table.put([record(1, { tags: ["x"] })], 1);
    table.scored(1, [{ id: 1, best: [{ label: 0, score: 0.1 }] }]);
    expect(table.get(1)).toMatchObject({ best: [{ label: "dog", score: 0.8 }], tags: ["x"] });
  });

  it("keeps_what_it_has_when_all_is_scored_anew_and_asks_again", () => {
    table.useLabels(2, ["dog"]);
    table.rescored(2);
    expect([best(1), table.needs(1), table.needs(2)]).toEqual([[{ label: "cat", score: 0.9 }], true, true]);
    table.put([record(1)]);
    expect([best(1), table.needs(1)]).toEqual([[{ label: "dog", score: 0.9 }], false]);
  });

  it("asks_again_for_those_that_changed", () => {
    table.invalidate([2, 77]);
    expect([table.needs(1), table.needs(2), table.size]).toEqual([false, true, 2]);
  });

  it("marks_results_of_the_model_before_until_new_ones_come", () => {
    table.outdate();
    expect([1, 2].map((id) => table.get(id)?.outdated)).toEqual([true, true]);
    table.scored(1, [{ id: 1, best: [{ label: 1, score: 0.7 }] }]);
    table.put([record(3)]);
    expect([1, 2, 3].map((id) => table.get(id)?.outdated)).toEqual([false, true, true]);
    table.settled();
    expect([1, 2, 3].map((id) => table.get(id)?.outdated)).toEqual([false, false, false]);
  });

  it("puts_a_photo_back_to_where_it_waits", () => {
    table.failed([failure(1)]);
    expect(table.get(1)).toMatchObject({ state: "failed" });
    table.waiting([1]);
    expect(table.get(1)).toMatchObject({ state: "decoded", best: [], problem: null });
  });

  it("forgets_photos_that_went", () => {
    table.removed([1]);
    expect([table.get(1), table.needs(1), table.size]).toEqual([undefined, true, 1]);
  });
});
