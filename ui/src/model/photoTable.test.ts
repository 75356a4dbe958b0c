import { beforeEach, describe, expect, it } from "vitest";
import type { Failure } from "../ipc/bindings";
import { PhotoTable } from "./photoTable";

const stub = (id: number) => ({ id, name: `${id}.jpg`, path: `/p/${id}.jpg` });
const failure = (id: number): Failure => ({ ...stub(id), problem: { code: "emptyFile", params: {}, message: "" } });

describe("PhotoTable", () => {
  let table: PhotoTable;
  beforeEach(() => {
    table = new PhotoTable();
    table.useLabels(1, ["cat", "dog"]);
    table.add([stub(1), stub(2)]);
  });

  it("keeps_photos_in_the_order_they_came", () => {
    table.add([stub(9), stub(3)]);
    expect(table.photos().map((photo) => photo.id)).toEqual([1, 2, 9, 3]);
  });

  it("adds_a_photo_once", () => {
    table.add([stub(1)]);
    expect(table.photos()).toHaveLength(2);
  });

  it("replaces_only_the_photo_that_changed", () => {
    const [first, second] = table.photos();
    table.decoded([{ id: 1, width: 30, height: 20 }]);
    expect(table.get(1)).not.toBe(first);
    expect(table.get(2)).toBe(second);
  });

  it("names_labels_by_the_list_of_their_version", () => {
    table.useLabels(2, ["dog", "bird"]);
    table.scored(1, [{ id: 1, best: [{ label: 0, score: 0.9 }] }]);
    table.scored(2, [{ id: 2, best: [{ label: 0, score: 0.8 }] }]);
    expect(table.get(1)?.best).toEqual([{ label: "cat", score: 0.9 }]);
    expect(table.get(2)?.best).toEqual([{ label: "dog", score: 0.8 }]);
  });

  it("ignores_scores_of_an_older_list_that_come_late", () => {
    table.useLabels(2, ["dog"]);
    table.scored(2, [{ id: 1, best: [{ label: 0, score: 0.8 }] }]);
    table.scored(1, [{ id: 1, best: [{ label: 0, score: 0.9 }] }]);
    expect(table.get(1)?.best).toEqual([{ label: "dog", score: 0.8 }]);
  });

  it("keeps_old_results_and_marks_them_until_new_ones_come", () => {
    table.scored(1, [{ id: 1, best: [{ label: 0, score: 0.9 }] }]);
    table.outdate();
    expect(table.photos().map((photo) => photo.outdated)).toEqual([true, false]);
    expect(table.get(1)).toMatchObject({ state: "labelled", best: [{ label: "cat", score: 0.9 }] });
    expect(table.outdatedCount()).toBe(1);
    table.scored(1, [{ id: 1, best: [{ label: 1, score: 0.7 }] }]);
    expect(table.get(1)).toMatchObject({ outdated: false, best: [{ label: "dog", score: 0.7 }] });
    expect(table.outdatedCount()).toBe(0);
  });

  it("lets_old_results_go_when_the_shell_does", () => {
    table.scored(1, [{ id: 1, best: [{ label: 0, score: 0.9 }] }]);
    table.outdate();
    table.retried([1]);
    expect(table.get(1)).toMatchObject({ best: [], outdated: false });
    expect(table.unfinished()).toContain(1);
  });

  it("lists_failures_with_and_without_a_cell", () => {
    table.failed([failure(1), failure(77)]);
    expect(table.get(1)?.state).toBe("failed");
    expect(table.failures().map(({ id }) => id)).toEqual([1, 77]);
    table.retried([1, 77]);
    expect(table.get(1)?.state).toBe("waiting");
    expect(table.failures()).toEqual([]);
  });

  it("names_what_a_cancelled_run_left_undone", () => {
    table.scored(1, [{ id: 1, best: [] }]);
    table.add([stub(3)]);
    table.failed([failure(3)]);
    expect(table.unfinished()).toEqual([2]);
  });

  it("still_finds_photos_after_others_went", () => {
    table.add([stub(3)]);
    table.removed([1]);
    table.decoded([{ id: 3, width: 3, height: 2 }]);
    expect(table.photos().map(({ id, state }) => [id, state])).toEqual([[2, "waiting"], [3, "decoded"]]);
  });

  it("starts_from_a_snapshot", () => {
    table.useLabels(5, ["sea"]);
    table.reset([{ ...stub(4), state: "labelled", width: 3, height: 2, best: [{ label: 0, score: 1 }], problem: null }], 5);
    expect(table.get(4)).toMatchObject({ state: "labelled", scoredFor: 5, best: [{ label: "sea", score: 1 }] });
  });
});
