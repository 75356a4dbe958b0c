import { describe, expect, it } from "vitest";
import { matches, ordered, summarise, unlabelled } from "./collection";
import { givenLabels, type Photo } from "./photo";

const photo = (id: number, name: string, best: [string, number][]): Photo => ({
  id, name, path: `/p/${name}`, state: "labelled", width: 3, height: 2, best: best.map(([label, score]) => ({ label, score })), scoredFor: 1, outdated: false, problem: null,
});

const PHOTOS = [
  photo(1, "b10.jpg", [["cat", 0.9], ["pet", 0.8], ["sky", 0.1]]),
  photo(2, "b9.jpg", [["sky", 0.7], ["sea", 0.6], ["cat", 0.5]]),
  photo(3, "a.jpg", [["sea", 0.2]]),
];
const RULE = { topK: 2, threshold: 0.3 };
const names = new Intl.Collator("en", { numeric: true });

describe("givenLabels", () => {
  it("takes_the_k_best_that_reach_the_threshold", () => {
    const [, second, third] = PHOTOS as [Photo, Photo, Photo];
    expect(givenLabels(second, 2, 0.3).map((entry) => entry.label)).toEqual(["sky", "sea"]);
    expect(givenLabels(third, 2, 0.3)).toEqual([]);
  });
});

describe("summarise", () => {
  it("counts_photos_and_averages_over_those_that_have_the_label", () => {
    expect(summarise(PHOTOS, ["cat", "sea", "dog"], RULE)).toEqual([
      { label: "cat", count: 1, mean: 0.9 },
      { label: "sea", count: 1, mean: 0.6 },
      { label: "dog", count: 0, mean: 0 },
    ]);
  });

  it("counts_photos_that_got_no_label", () => expect(unlabelled(PHOTOS, RULE)).toBe(1));
});

describe("matches", () => {
  const found = (labels: string[], text: string) => PHOTOS.filter((one) => matches(one, { labels, text }, RULE)).map(({ id }) => id);
  it("wants_every_label", () => {
    expect(found(["sky"], "")).toEqual([2]);
    expect(found(["sky", "cat"], "")).toEqual([]);
  });
  it("finds_text_in_names_and_labels_in_any_case", () => {
    expect(found([], "B9")).toEqual([2]);
    expect(found([], "PET")).toEqual([1]);
  });
});

describe("ordered", () => {
  const ids = (order: Parameters<typeof ordered>[1]) => ordered(PHOTOS, order, names.compare).map(({ id }) => id);
  it("keeps_the_order_of_adding", () => expect(ids({ by: "added" })).toEqual([1, 2, 3]));
  it("counts_in_names_as_people_do", () => expect(ids({ by: "name" })).toEqual([3, 2, 1]));
  it("puts_the_best_score_first_and_unknown_ones_last", () => expect(ids({ by: "score", label: "sea" })).toEqual([2, 3, 1]));
});
