import { expect, it } from "vitest";
import type { ProjectionCard, ProjectionReport } from "../ipc/bindings";
import { countOf, possible, type AtHand } from "./direction";

const card = (singularValues: number[][], norm: number | null) =>
  ({ maps: singularValues.map((values) => ({ figures: { singularValues: values } })), effectiveBias: norm === null ? null : { norm } }) as unknown as ProjectionCard;
const atHand = (image: ProjectionCard, text: ProjectionCard): AtHand => ({ report: { image, text, joint: { dim: 8 } } as ProjectionReport, labels: ["cat", "dog"], hasGap: false });

const LINEAR = atHand(card([[3, 2, 1]], 0), card([[1, 1]], 0.5));
const BARE = atHand(card([], null), card([[2, 1], [1]], null));

it("keeps_what_there_is", () => expect(possible({ kind: "effectiveBias", side: "text" }, LINEAR)).toEqual({ kind: "effectiveBias", side: "text" }));
it("goes_to_the_other_bias_when_one_was_removed", () => expect(possible({ kind: "effectiveBias", side: "image" }, LINEAR)).toEqual({ kind: "effectiveBias", side: "text" }));
it("stays_within_the_directions_of_a_head", () => expect(possible({ kind: "singular", side: "image", index: 99 }, LINEAR)).toEqual({ kind: "singular", side: "image", index: 2 }));
it("finds_no_singular_direction_of_two_maps", () => expect(countOf({ kind: "singular", side: "text", index: 0 }, BARE)).toBe(0));
it("has_dimensions_where_there_is_nothing_else", () => expect(possible({ kind: "gap" }, BARE)).toEqual({ kind: "dimension", index: 0 }));
it("takes_another_label_for_one_that_is_gone", () => expect(possible({ kind: "label", label: "boat" }, LINEAR)).toEqual({ kind: "label", label: "cat" }));
