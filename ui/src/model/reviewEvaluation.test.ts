import { describe, expect, it } from "vitest";
import type { EvaluationRow } from "../ipc/bindings";
import { differsFromBest, leanOf, sortedDifferences, sortedRows, thinLabels } from "./reviewEvaluation";

const around = (value: number) => ({ value, low: value - 0.1, high: value + 0.1 });
const row = (label: string, change: Partial<EvaluationRow> = {}): EvaluationRow => ({
  label, positives: 20, negatives: 20, threshold: 0.5, precision: around(0.8), recall: around(0.7), f1: 0.75, averagePrecision: 0.8, best: null, ...change,
});

it("warns_of_labels_with_few_of_either_kind", () => {
  const rows = [row("a"), row("b", { positives: 9 }), row("c", { negatives: 0, positives: 500 })];
  expect(thinLabels(rows).map(({ label }) => label)).toEqual(["b", "c"]);
});

it("claims_a_difference_only_where_the_interval_does", () => {
  expect([leanOf({ value: 0.2, low: 0.01, high: 0.4 }), leanOf({ value: -0.2, low: -0.4, high: -0.01 }), leanOf({ value: 0.2, low: -0.01, high: 0.4 }), leanOf({ value: 0.2, low: 0, high: 0.4 })]).toEqual(["helped", "hurt", "noDifference", "noDifference"]);
});

it("puts_the_mean_first_and_then_the_largest_difference", () => {
  const differences = [{ label: "a", difference: around(0.1) }, { label: "b", difference: around(-0.3) }, { label: null, difference: around(0) }];
  expect(sortedDifferences(differences).map(({ label }) => label)).toEqual([null, "b", "a"]);
});

describe("rows", () => {
  const rows = [row("b", { precision: around(0.9) }), row("a", { precision: null }), row("c", { precision: around(0.6) })];
  const names = (descending: boolean) => sortedRows(rows, { by: "precision", descending }).map(({ label }) => label);
  it("that_have_no_figure_come_last_either_way", () => expect([names(true), names(false)]).toEqual([["b", "c", "a"], ["c", "b", "a"]]));
  it("offer_a_threshold_that_is_another_one", () => {
    expect([row("a"), row("a", { best: [0.502, 0.9] }), row("a", { best: [0.62, 0.9] })].map(differsFromBest)).toEqual([false, false, true]);
  });
});
