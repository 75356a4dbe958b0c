import { describe, expect, it } from "vitest";
import { nearestRow } from "./thresholds";

const row = (threshold: number) => ({ threshold, precision: 0, recall: 0, tagsPerPhoto: 0, withoutTag: 0 });

describe("nearestRow", () => {
  it("takes the row nearest to the threshold", () => {
    expect(nearestRow([row(0.1), row(0.3), row(0.5)], 0.38)?.threshold).toBe(0.3);
  });

  it("is null for a model that was not measured", () => {
    expect(nearestRow([], 0.3)).toBeNull();
  });
});
