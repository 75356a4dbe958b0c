import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

// The page's preferences look at these when they are first read.
vi.hoisted(() => {
  vi.stubGlobal("location", { search: "" });
  vi.stubGlobal("navigator", { languages: ["en"], platform: "Linux" });
});

import type { Backend, PhotoList } from "../ipc/backend";
import type { PhotoQuery } from "../ipc/bindings";
import { only } from "../model/selection";
import { GridView } from "./gridView.svelte";
import { LabelDraft } from "./labelDraft.svelte";
import { Library } from "./library.svelte";

function list(ids: number[], change: Partial<PhotoList["head"]> = {}): PhotoList {
  const head = { count: ids.length, filtered: ids.length, total: 100, scored: false, cut: null, tookMs: 1, ...change };
  return { head, ids: Uint32Array.from(ids), aspects: Float32Array.from(ids, () => 1.5), scores: null };
}
const stub = (id: number) => ({ id, name: `${id}.jpg`, path: `/${id}.jpg` });

describe("GridView", () => {
  let asked: PhotoQuery[];
  let answer: (query: PhotoQuery) => Promise<PhotoList>;
  let marks: [number, boolean | null][];
  let library: Library;
  let grid: GridView;

  beforeEach(async () => {
    vi.useFakeTimers();
    asked = [];
    marks = [];
    answer = async () => list([1, 2, 3]);
    const backend = {
      photoList: (query: PhotoQuery) => {
        asked.push(query);
        return answer(query);
      },
      markHit: async (_query: PhotoQuery, id: number, belongs: boolean | null) => void marks.push([id, belongs]),
    } as unknown as Backend;
    library = new Library(backend, () => undefined);
    grid = new GridView(library, new LabelDraft(library));
    grid.load();
    await pause();
  });
  afterEach(() => void vi.useRealTimers());
  const pause = (ms = 1000) => vi.advanceTimersByTimeAsync(ms);
  const shown = () => [...grid.ids];

  it("shows_what_the_shell_lists_and_says_how_many_there_are", () => expect([shown(), library.total]).toEqual([[1, 2, 3], 100]));

  it("asks_once_for_a_word_that_is_typed", async () => {
    for (const text of ["c", "ca", "cat"]) grid.narrow({ text });
    await pause();
    expect(asked.slice(1).map(({ filter }) => filter.text)).toEqual(["cat"]);
  });

  it("drops_the_answer_to_a_question_that_is_no_longer_asked", async () => {
    const come: ((list: PhotoList) => void)[] = [];
    answer = () => new Promise((resolve) => come.push(resolve));
    grid.narrow({ camera: "X" });
    await pause();
    grid.narrow({ camera: null });
    await pause();
    come[0]?.(list([9]));
    await pause();
    expect(shown()).toEqual([1, 2, 3]);
    come[1]?.(list([4, 5]));
    await pause();
    expect(shown()).toEqual([4, 5]);
  });

  it("begins_at_the_top_for_another_question_and_not_for_news", async () => {
    const before = grid.answered;
    grid.apply({ kind: "photosChanged", ids: [] });
    await pause();
    expect([asked.length, grid.answered]).toEqual([2, before]);
    grid.orderBy({ by: "name" });
    await pause();
    expect(grid.answered).toBe(before + 1);
  });

  it("puts_new_photos_at_the_end_without_asking", async () => {
    grid.apply({ kind: "photosAdded", photos: [stub(4), stub(5)] });
    expect(shown()).toEqual([1, 2, 3, 4, 5]);
    expect(grid.takeChangedFrom()).toBe(0);
    grid.apply({ kind: "photosAdded", photos: [stub(6)] });
    expect(grid.takeChangedFrom()).toBe(5);
    await pause();
    expect(asked).toHaveLength(1);
  });

  it("asks_where_new_photos_belong_when_there_is_a_filter_and_when_they_are_not_new", async () => {
    grid.apply({ kind: "photosAdded", photos: [stub(2)] });
    await pause();
    expect(asked).toHaveLength(2);
    grid.narrow({ untagged: true });
    await pause();
    for (let id = 10; id < 60; id++) grid.apply({ kind: "photosAdded", photos: [stub(id)] });
    expect(shown()).toEqual([1, 2, 3]);
    await pause();
    expect(asked).toHaveLength(4);
  });

  it("asks_once_more_when_photos_come_while_a_list_is_on_its_way", async () => {
    let come: (list: PhotoList) => void = () => undefined;
    answer = () => new Promise((resolve) => (come = resolve));
    grid.load();
    await pause();
    grid.apply({ kind: "photosAdded", photos: [stub(4)] });
    come(list([1, 2, 3]));
    await pause();
    come(list([1, 2, 3, 4]));
    await pause();
    expect([shown(), asked.length]).toEqual([[1, 2, 3, 4], 3]);
  });

  it("takes_photos_out_at_once_with_what_refers_to_them", () => {
    grid.selection = only(2);
    grid.largeId = 2;
    grid.apply({ kind: "photosRemoved", ids: [2] });
    expect([shown(), grid.selection.ids.size, grid.largeId]).toEqual([[1, 3], 0, null]);
  });

  it("selects_nothing_that_is_not_shown", async () => {
    grid.selection = only(3);
    answer = async () => list([1]);
    grid.narrow({ camera: "X" });
    await pause();
    expect(grid.selection.ids.size).toBe(0);
  });

  it("keeps_a_photo_large_that_the_grid_does_not_show", async () => {
    grid.largeId = 50;
    grid.load();
    await pause();
    expect(grid.largeId).toBe(50);
  });

  it("searches_for_what_is_typed_after_a_pause_and_makes_terms_of_it_on_enter", async () => {
    grid.type("beach − peo");
    grid.type("beach − people");
    await pause();
    expect(asked.slice(1).map(({ search }) => search.map((term) => term.weight))).toEqual([[1, -1]]);
    grid.keepTyped();
    expect([grid.typed, grid.terms.length]).toEqual(["", 2]);
    grid.addPhotos([7], 0.5);
    await pause();
    expect(asked.at(-1)?.search.at(-1)).toEqual({ kind: "photo", id: 7, weight: 0.5 });
    grid.endSearch();
    await pause();
    expect(asked.at(-1)?.search).toEqual([]);
  });

  it("moves_the_cut_off_with_a_mark_and_forgets_marks_with_the_search", async () => {
    grid.searchFor([{ kind: "text", text: "cat", weight: 1 }]);
    await pause();
    const [count, before] = [asked.length, grid.answered];
    await grid.mark([1, 2], true);
    await grid.mark([2], null);
    await pause();
    expect([marks, [...grid.marks]]).toEqual([[[1, true], [2, true], [2, null]], [[1, true]]]);
    expect([asked.length > count, grid.answered]).toEqual([true, before]);
    grid.searchFor([{ kind: "text", text: "dog", weight: 1 }]);
    expect(grid.marks.size).toBe(0);
  });

  it("shows_the_rest_of_a_search_without_losing_the_place", async () => {
    grid.searchFor([{ kind: "text", text: "cat", weight: 1 }]);
    await pause();
    const before = grid.answered;
    grid.showPastCut(true);
    await pause();
    expect([asked.at(-1)?.pastCut, grid.answered]).toEqual([true, before]);
    grid.endSearch();
    expect(grid.pastCut).toBe(false);
  });

  it("asks_again_for_scores_only_where_they_matter", async () => {
    grid.apply({ kind: "photosRescored", labelsVersion: 2 });
    await pause();
    expect(asked).toHaveLength(1);
    grid.toggleFilter("cat");
    await pause();
    grid.apply({ kind: "photosRescored", labelsVersion: 3 });
    grid.apply({ kind: "photosScored", labelsVersion: 3, photos: [] });
    await pause();
    expect(asked).toHaveLength(3);
  });

  it("puts_shapes_in_where_they_belong", () => {
    grid.takeChangedFrom();
    grid.apply({ kind: "photosDecoded", photos: [{ id: 3, width: 300, height: 100 }] });
    expect([...grid.list.aspects, grid.takeChangedFrom()]).toEqual([1.5, 1.5, 3, 2]);
  });

  it("forgets_filters_and_orders_by_labels_that_went", async () => {
    grid.toggleFilter("cat");
    grid.orderBy({ by: "score", label: "cat" });
    grid.apply({ kind: "labels", labels: { labels: ["dog"], templates: [], topK: 5, threshold: 0, prompts: {}, set: null }, labelsVersion: 2, problems: [] });
    expect([grid.filterLabels, grid.order]).toEqual([[], { by: "added" }]);
  });
});
