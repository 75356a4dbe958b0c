import { describe, expect, it } from "vitest";
import { countAxis, COUNT_AXES, estimateFrom, inRange, probabilityAt, scoreAt, sumOf, thresholdStep } from "./reviewCurve";

const logistic = (z: number) => 1 / (1 + Math.exp(-z));
const edges = Array.from({ length: 101 }, (_, index) => -0.1 + index * 0.004);
const card = { edges, probabilities: edges.map((edge) => logistic((edge - 0.1) * 40)) };

describe("the curve", () => {
  it("gives_the_probability_of_a_score_to_the_width_of_a_bin", () => {
    for (const score of [0, 0.0513, 0.1, 0.17]) expect(probabilityAt(card, score)).toBeCloseTo(logistic((score - 0.1) * 40), 2);
  });
  it("leads_back_to_the_score", () => {
    for (const score of [-0.05, 0.0513, 0.1, 0.17]) expect(scoreAt(card, probabilityAt(card, score))).toBeCloseTo(score, 9);
  });
  it("ends_at_its_ends", () => {
    expect(probabilityAt(card, 9)).toBe(card.probabilities.at(-1));
    expect(probabilityAt(card, -9)).toBe(card.probabilities[0]);
    expect([scoreAt(card, 1), scoreAt(card, 0)]).toEqual([edges.at(-1), edges[0]]);
  });
  it("has_an_answer_where_it_is_flat_and_where_it_is_empty", () => {
    expect(scoreAt({ edges: [0, 1, 2], probabilities: [0.5, 0.5, 0.5] }, 0.5)).toBe(0);
    expect(probabilityAt({ edges: [], probabilities: [] }, 1)).toBe(0);
  });
});

describe("photos from a score on", () => {
  const bins = { edges: [0, 1, 2, 3], counts: [10, 20, 40] };
  it("are_counted_by_bins_and_parts_of_them", () => {
    expect([0, 1, 1.5, 2.75, 3, -1].map((score) => estimateFrom(bins, score))).toEqual([70, 60, 50, 10, 0, 70]);
    expect(sumOf(bins.counts)).toBe(70);
  });
});

describe.each(COUNT_AXES)("the %s axis of counts", (kind) => {
  const axis = countAxis(kind, 90_000, 200, 20);
  it("rises_with_the_count_from_the_foot", () => {
    const heights = [0, 1, 10, 1000, 90_000].map((count) => axis.at(count));
    expect(heights[0]).toBe(200);
    expect(heights).toEqual([...heights].sort((a, b) => b - a));
    expect(new Set(heights).size).toBe(5);
  });
  it("has_ticks_that_stand_where_they_say", () => {
    expect(axis.ticks.length).toBeGreaterThan(1);
    for (const { value, at } of axis.ticks) expect(at).toBeCloseTo(axis.at(value), 6);
  });
});

it("shows_one_photo_beside_a_huge_bulk", () => {
  expect(200 - countAxis("log", 1_000_000, 200, 20).at(1)).toBeGreaterThan(3);
  expect(200 - countAxis("sqrt", 1_000_000, 200, 20).at(100)).toBeGreaterThan(1);
});

it("steps_finely_near_the_ends_and_never_reaches_them", () => {
  expect([thresholdStep(0.5, false), thresholdStep(0.5, true), thresholdStep(0.98, false)]).toEqual([0.01, 0.1, 0.002]);
  expect([inRange(0), inRange(1), inRange(0.12345)]).toEqual([0.001, 0.999, 0.123]);
});
