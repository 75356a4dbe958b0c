import { describe, expect, it } from "vitest";
import { BEST_FIRST, nextOrder, scoresAsTsv, sortScores, tsv } from "./scores";

const SCORES = [
  { label: "b", cosine: 0.2, logit: 30, probability: 1 },
  { label: "a", cosine: 0.3, logit: 40, probability: 1 },
  { label: "c", cosine: 0.1, logit: -5, probability: 0.006 },
];
const labels = (order: Parameters<typeof sortScores>[1]) => sortScores(SCORES, order).map((row) => row.label).join("");

describe("sorting", () => {
  it("orders_saturated_probabilities_by_their_logit", () => expect(labels(BEST_FIRST)).toBe("abc"));
  it("turns_around_on_the_second_click", () => expect(labels(nextOrder(BEST_FIRST, "probability"))).toBe("cba"));
  it("begins_names_with_a", () => expect(labels(nextOrder(BEST_FIRST, "label"))).toBe("abc"));
});

describe("copying", () => {
  it("gives_a_heading_and_full_precision", () => {
    expect(scoresAsTsv([{ label: "a", cosine: 0.123456789, logit: -1, probability: 0.5 }])).toBe("label\tprobability\tcosine\tlogit\na\t0.5\t0.123456789\t-1\n");
  });
  it("keeps_a_tab_in_a_label_from_breaking_the_table", () => expect(tsv([["a\tb", "c"]])).toBe("a b\tc\n"));
});
