import { describe, expect, it } from "vitest";
import { extentOf, linearAxis, logAxis } from "./axis";
import { directionsFor, figure } from "./figures";

describe("figure", () => {
  it.each([
    [0.83217, "0.832"], [12.345, "12.3"], [1204, "1204"], [1204.4, "1204"], [-0.5, "−0.500"], [0.000032, "3.2·10⁻⁵"], [-0.000032, "−3.2·10⁻⁵"],
    [0.0001, "10⁻⁴"], [123456, "1.23·10⁵"], [0, "0"], [null, "–"], [Infinity, "∞"], [0.0123456, "0.0123"], [0.001, "0.00100"],
  ])("writes_%s_as_%s", (value, words) => expect(figure(value)).toBe(words));
});

describe("directionsFor", () => {
  it("counts_from_one", () => expect(directionsFor([0.5, 0.8, 0.95, 1], 0.9)).toBe(3));
  it("needs_all_where_none_is_enough", () => expect(directionsFor([0.5, 0.8], 0.9)).toBe(2));
});

describe("linearAxis", () => {
  it("leads_there_and_back", () => {
    const axis = linearAxis([0, 10], [20, 120], 5);
    expect([axis.at(5), axis.value(70)]).toEqual([70, 5]);
    expect(axis.ticks.map((tick) => tick.text)).toEqual(["0", "2", "4", "6", "8", "10"]);
  });
  it("gives_one_value_some_room", () => {
    const axis = linearAxis([3, 3], [0, 100], 4);
    expect(axis.at(3)).toBeCloseTo(50, 9);
  });
});

describe("logAxis", () => {
  it("has_ticks_at_powers_of_ten", () => {
    expect(logAxis([0.002, 900], [100, 0], 6).ticks.map((tick) => tick.value)).toEqual([0.001, 0.01, 0.1, 1, 10, 100, 1000].map((value) => expect.closeTo(value, 12)));
  });
  it("puts_zero_and_rounding_at_the_foot", () => {
    const axis = logAxis([10, 1, 0, 1e-17], [100, 0], 4);
    expect(axis.domain[0]).toBeCloseTo(1, 12);
    expect([axis.at(0), axis.at(1e-17)]).toEqual([100, 100]);
  });
  it("skips_decades_where_there_are_many", () => expect(logAxis([1e-8, 1], [100, 0], 4).ticks.length).toBeLessThanOrEqual(5));
});

it("finds_the_extent_of_all_rows", () => expect([extentOf([[3, 1, NaN], [7, Infinity]]), extentOf([])]).toEqual([[1, 7], [0, 1]]));
