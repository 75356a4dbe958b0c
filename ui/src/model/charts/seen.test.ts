import { expect, it } from "vitest";
import { containedIn, seenOf, steppedPlace } from "./seen";

it("finds_the_photo_in_its_stage", () => {
  expect(containedIn({ width: 1000, height: 500 }, { width: 300, height: 300 })).toEqual({ x: 250, y: 0, width: 500, height: 500 });
  expect(containedIn({ width: 1000, height: 500 }, { width: 0, height: 0 })).toEqual({ x: 0, y: 0, width: 1000, height: 500 });
});
it("finds_the_part_that_is_seen", () => {
  const photo = { x: 100, y: 0, width: 800, height: 400 };
  expect(seenOf(photo, [0.25, 0, 0.75, 1])).toEqual({ x: 300, y: 0, width: 400, height: 400 });
});
it("reaches_beyond_a_photo_that_is_padded", () => expect(seenOf({ x: 0, y: 100, width: 400, height: 200 }, [0, -0.5, 1, 1.5])).toEqual({ x: 0, y: 0, width: 400, height: 400 }));
it("steps_from_place_to_place_and_stops_at_the_edge", () => {
  const step = (place: number, key: string) => steppedPlace(place, key, 2, 3);
  expect([step(0, "ArrowRight"), step(2, "ArrowRight"), step(1, "ArrowDown"), step(4, "ArrowDown"), step(4, "End"), step(5, "Home"), step(0, "x")]).toEqual([1, 2, 4, 4, 5, 3, null]);
});
