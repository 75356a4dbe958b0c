import { describe, expect, it } from "vitest";
import { arithmetic, dayMs, dayText, dependsOnRecords, dependsOnScores, EVERYTHING, isFiltering, isPlain, NO_FILTER, parseTerms, withTerms, yearRange } from "./query";

const terms = (text: string) => parseTerms(text).map((term) => `${term.weight > 0 ? "+" : "-"}${term.kind === "text" ? term.text : ""}`);

describe("parseTerms", () => {
  it.each([
    ["a dog on the beach", ["+a dog on the beach"]],
    ["beach + sunset − people", ["+beach", "+sunset", "-people"]],
    ["beach -people", ["+beach", "-people"]],
    ["black-and-white T-shirt", ["+black-and-white T-shirt"]],
    ["−people", ["-people"]],
    ["海滩＋日落－人", ["+海滩", "+日落", "-人"]],
    ["海滩 −人", ["+海滩", "-人"]],
    ['"rock + roll" - crowd', ["+rock + roll", "-crowd"]],
    ["“a - b” c", ["+a - b c"]],
    ["  two   spaces ", ["+two spaces"]],
    ["beach + ", ["+beach +"]],
    ["", []],
  ])("takes_%s_apart", (text, expected) => expect(terms(text)).toEqual(expected));
});

describe("withTerms", () => {
  it("lets_a_term_that_is_there_count_as_the_new_one_says", () => {
    const both = withTerms([{ kind: "text", text: "Beach", weight: 1 }, { kind: "photo", id: 3, weight: 0.5 }], [{ kind: "text", text: "beach", weight: -1 }, { kind: "photo", id: 4, weight: 1 }]);
    expect(both.map(({ weight }) => weight)).toEqual([-1, 0.5, 1]);
  });
});

it("says_a_sum_as_one_reads_it", () => {
  const sum = arithmetic([{ kind: "text", text: "beach", weight: 1 }, { kind: "photo", id: 4, weight: -0.5 }, { kind: "text", text: "sea", weight: 0.30000000000000004 }], (term) => (term.kind === "text" ? term.text : `#${term.id}`));
  expect(sum).toBe("(1·z(beach) − 0.5·max(0, z(#4)) + 0.3·z(sea)) / 1.3");
});

describe("what_a_list_depends_on", () => {
  const filtered = (change: Partial<typeof NO_FILTER>) => ({ ...EVERYTHING, filter: { ...NO_FILTER, ...change } });

  it("is_nothing_when_all_photos_are_shown_as_they_came", () => {
    expect([isPlain(EVERYTHING), dependsOnScores(EVERYTHING), dependsOnRecords(EVERYTHING)]).toEqual([true, false, false]);
  });

  it("is_the_scores_for_labels_searches_and_orders_by_score", () => {
    expect([filtered({ labels: ["cat"] }), { ...EVERYTHING, search: parseTerms("cat") }, { ...EVERYTHING, order: { by: "score" as const, label: "cat" } }].map(dependsOnScores)).toEqual([true, true, true]);
    expect(dependsOnScores(filtered({ camera: "X" }))).toBe(false);
  });

  it("is_the_records_for_tags_and_files", () => {
    expect([filtered({ tags: ["a"] }), filtered({ untagged: true }), filtered({ missing: false }), { ...EVERYTHING, order: { by: "taken" as const } }].map(dependsOnRecords)).toEqual([true, true, true, true]);
  });

  it("takes_an_empty_filter_for_none", () => {
    expect([isFiltering(NO_FILTER), isFiltering({ ...NO_FILTER, labels: [] }), isFiltering({ ...NO_FILTER, missing: false })]).toEqual([false, false, true]);
  });
});

describe("dates", () => {
  it("takes_the_last_day_whole", () => {
    const to = dayMs("2024-07-31", true);
    expect(to).toBe(Date.UTC(2024, 7, 1));
    expect(dayText(to, true)).toBe("2024-07-31");
  });
  it("takes_an_empty_field_for_no_bound", () => expect([dayMs("", false), dayText(null, false)]).toEqual([null, ""]));
  it("ends_a_year_where_the_next_begins", () => expect(yearRange(2024).takenToMs).toBe(yearRange(2025).takenFromMs));
});
