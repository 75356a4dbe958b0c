import { expect, it } from "vitest";
import { fittedPoints, legible, nearest, neighbour, spread } from "./place";

it("spreads_labels_no_further_than_it_must", () => {
  expect(spread([10, 50, 90], 12, 0, 100)).toEqual([10, 50, 90]);
  expect(spread([50, 50, 52], 12, 0, 100)).toEqual([50, 62, 74]);
});
it("keeps_labels_on_the_chart", () => expect(spread([98, 99], 12, 0, 100)).toEqual([88, 100]));
it("finds_the_nearest_point_within_reach", () => {
  const points = [[0, 0], [10, 0]] as const;
  expect([nearest(points, 8, 1, 5), nearest(points, 50, 50, 5)]).toEqual([1, null]);
});
it("steps_ahead_rather_than_aside", () => {
  const points = [[0, 0], [10, 1], [3, 9], [-5, 0]] as const;
  expect([neighbour(points, 0, 1, 0), neighbour(points, 0, 0, 1), neighbour(points, 0, -1, 0), neighbour(points, 3, -1, 0)]).toEqual([1, 2, 3, 3]);
});
it("fits_points_without_stretching_them", () => {
  expect(fittedPoints([[0, 0], [4, 1]], 100, 100, 10)).toEqual([[10, 60], [90, 40]]);
  expect(fittedPoints([[7, 7]], 100, 50, 10)).toEqual([[50, 25]]);
});
it("leaves_out_words_that_would_cover_others", () => {
  expect(legible([[0, 0], [20, 3], [20, 14], [60, 0]], [40, 40, 40, 40], 12)).toEqual([true, false, true, true]);
});
