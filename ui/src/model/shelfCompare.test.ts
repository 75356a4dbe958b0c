import { describe, expect, it } from "vitest";
import { magnified, moved, WHOLE } from "./shelfCompare";

describe("the magnifier", () => {
  it("keeps_in_place_what_is_under_the_pointer", () => {
    const at = { x: 0.25, y: -0.1 };
    const first = magnified(WHOLE, 2, at);
    const second = magnified(first, 1.5, at);
    // A point p of the picture is drawn at x + scale · p.
    const under = (glass: typeof first) => [(at.x - glass.x) / glass.scale, (at.y - glass.y) / glass.scale];
    expect(under(second)[0]).toBeCloseTo(0.25, 12);
    expect(under(second)[1]).toBeCloseTo(-0.1, 12);
    expect(second.scale).toBe(3);
  });
  it("goes_no_further_than_the_whole_and_sixteen_times", () => {
    expect(magnified(WHOLE, 0.5)).toEqual(WHOLE);
    expect(magnified(WHOLE, 100).scale).toBe(16);
  });
  it("draws_no_edge_into_the_frame", () => {
    expect(moved({ scale: 2, x: 0, y: 0 }, 3, -0.2)).toEqual({ scale: 2, x: 0.5, y: -0.2 });
    expect(magnified({ scale: 4, x: 1.5, y: 0 }, 0.25)).toEqual(WHOLE);
  });
});
