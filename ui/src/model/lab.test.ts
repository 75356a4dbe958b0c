import { describe, expect, it } from "vitest";
import type { Edit, EditKind } from "../ipc/bindings";
import { fileName, flips, formulaOf, inForce, lacks, moved, pointed, sideOf, strengthRange, withChange, withNew, without } from "./lab";

const CENTRE: EditKind = { kind: "centre", side: "image" };
const edit = (id: number, change: Partial<Edit> = {}): Edit => ({ id, enabled: true, strength: 1, what: CENTRE, ...change });
const ids = (edits: readonly Edit[]) => edits.map(({ id }) => id);

describe("a stack of edits", () => {
  it("gives_a_new_edit_an_id_that_no_other_has", () => {
    const edits = withNew([edit(7), edit(3)], CENTRE);
    expect(ids(edits)).toEqual([7, 3, 8]);
    expect(withNew([], CENTRE)).toMatchObject([{ id: 1, enabled: true, strength: 1 }]);
  });

  it("begins_a_direction_gently", () => {
    const [added] = withNew([], { kind: "addBias", side: "image", along: { kind: "gap" } });
    expect(added?.strength).toBeLessThan(1);
  });

  it("moves_changes_and_removes_one_edit_and_leaves_the_others", () => {
    const edits = [edit(1), edit(2), edit(3)];
    expect(ids(moved(edits, 0, 2))).toEqual([2, 3, 1]);
    expect(ids(moved(edits, 2, -4))).toEqual([3, 1, 2]);
    expect(ids(moved(edits, 1, 99))).toEqual([1, 3, 2]);
    expect(withChange(edits, 2, { strength: 0.5 }).map(({ strength }) => strength)).toEqual([1, 0.5, 1]);
    expect(ids(without(edits, 2))).toEqual([1, 3]);
    expect(ids(edits)).toEqual([1, 2, 3]);
  });

  it("counts_only_edits_that_act", () => {
    const replace: EditKind = { kind: "replace", name: "linear" };
    const edits = [edit(1), edit(2, { enabled: false }), edit(3, { strength: 0 }), edit(4), edit(5, { what: replace, strength: 0 })];
    const problems = [{ id: 4, problem: { code: "edit", params: {}, message: "" } as const }];
    expect(ids(inForce({ edits, problems }))).toEqual([1, 5]);
  });

  it("knows_what_a_direction_lacks", () => {
    expect(lacks({ kind: "addBias", side: "image", along: { kind: "labels", plus: [], minus: [] } })).toBe("labels");
    expect(lacks({ kind: "addBias", side: "image", along: { kind: "photos", plus: [], minus: [3] } })).toBeNull();
    expect(lacks({ kind: "addBias", side: "text", along: { kind: "gap" } })).toBeNull();
    expect(lacks(CENTRE)).toBeNull();
  });

  it("puts_a_label_on_one_side_only", () => {
    expect(pointed(["cat"], ["dog"], "dog", 1)).toEqual({ plus: ["cat", "dog"], minus: [] });
    expect(pointed(["cat"], [], "cat", -1)).toEqual({ plus: [], minus: ["cat"] });
    expect(pointed(["cat"], ["dog"], "cat", 0)).toEqual({ plus: [], minus: ["dog"] });
  });

  it("has_a_formula_for_every_edit_and_no_strength_for_replacing", () => {
    expect(formulaOf({ kind: "rankCut", side: "image", keep: { kind: "band", dropTop: 1, dropBottom: 2 } })).toContain("Ψ");
    expect(formulaOf(CENTRE)).toContain("mean(y)");
    expect(strengthRange({ kind: "replace", name: "x" })).toBeNull();
    expect([sideOf(CENTRE), sideOf({ kind: "gapShift" })]).toEqual(["image", null]);
  });
});

describe("a flip", () => {
  it("needs_a_shift_of_the_other_sign_that_is_larger_than_the_lead", () => {
    expect(flips({ lead: -0.02, shift: 0.03 })).toBe(true);
    expect(flips({ lead: -0.02, shift: 0.01 })).toBe(false);
    expect(flips({ lead: -0.02, shift: -0.3 })).toBe(false);
    expect(flips({ lead: -0.02, shift: 0.02 })).toBe(false);
  });
});

describe("names of files", () => {
  it("are_the_last_part_of_a_path", () => {
    expect([fileName("/a/b.safetensors"), fileName("C:\\a\\b.json"), fileName("linear-bias")]).toEqual(["b.safetensors", "b.json", "linear-bias"]);
  });
});
