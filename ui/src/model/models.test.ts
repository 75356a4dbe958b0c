import { describe, expect, it } from "vitest";
import type { CatalogueModel, InstalledModel, ModelInfo, Transfer } from "../ipc/bindings";
import {
  actionsFor, arranged, completed, hasWords, nextModelOrder, NO_FILTER, passes, pullCommand, RECOMMENDED_FIRST, shareOf, standingOf, stepIn,
  withTransfer, type ModelFilter,
} from "./models";

const UNLISTED: CatalogueModel = {
  name: "x", model: null, tag: null, group: null, state: "available", active: false, imageSize: null, embedDim: null, parameters: null, bytes: null,
  imagenetTop1: null, licence: null, noncommercial: null, language: null, recommended: null, why: null, note: null, source: null, page: null,
  unsupported: null, installed: null, transfer: null,
};
const model = (name: string, change: Partial<CatalogueModel> = {}): CatalogueModel => ({ ...UNLISTED, name, model: name, tag: "t", ...change });
const transfer = (change: Partial<Transfer> = {}): Transfer => ({
  name: "a", state: "receiving", file: null, received: 50, total: 200, ratePerSec: null, secsLeft: null, problem: null, ...change,
});
const INSTALLED: InstalledModel = { name: "a", path: "/m/a", inPlace: false, origin: "", bytes: 1, installedMs: 0, sha256: "", files: [], licence: null, problem: null };
const GONE = { code: "modelFolder" as const, params: {}, message: "gone" };

describe("standing", () => {
  const standing = (change: Partial<CatalogueModel>) => standingOf(model("a", change));
  it("tells_every_step_of_a_transfer_apart", () => {
    const steps = ["waiting", "connecting", "receiving", "retrying", "checking"] as const;
    expect(steps.map((state) => standing({ state: "downloading", transfer: transfer({ state }) }))).toEqual(steps);
    expect([standing({ state: "paused" }), standing({ state: "failed" })]).toEqual(["paused", "failed"]);
  });
  it("says_where_installed_files_are", () => {
    expect(standing({ state: "installed", installed: INSTALLED })).toBe("installed");
    expect(standing({ state: "installed", installed: { ...INSTALLED, inPlace: true } })).toBe("inPlace");
    expect(standing({ state: "installed", installed: { ...INSTALLED, inPlace: true, problem: GONE } })).toBe("missing");
  });
  it("marks_what_cannot_be_computed", () => expect(standing({ unsupported: "CoCa" })).toBe("unsupported"));
});

describe("actions", () => {
  const actions = (change: Partial<CatalogueModel>) => actionsFor(model("a", change));
  it("offers_nothing_that_the_shell_would_refuse", () => {
    expect(actions({ unsupported: "CoCa" })).toEqual([]);
    expect(actions({ state: "installed", installed: INSTALLED, active: true })).not.toContain("remove");
    expect(actions({ state: "embedded" })).toEqual(["use", "verify"]);
    expect(actions({ state: "installed", installed: { ...INSTALLED, problem: GONE } })).toEqual(["remove"]);
  });
  it("pauses_downloads_but_only_cancels_copies", () => {
    expect(actions({ state: "downloading", transfer: transfer() })).toEqual(["pause", "cancel"]);
    expect(actions({ state: "downloading", transfer: transfer(), model: null })).toEqual(["cancel"]);
  });
  it("goes_on_with_what_was_paused_or_failed", () => {
    expect(actions({ state: "paused", transfer: transfer({ state: "paused" }) })).toEqual(["resume", "cancel"]);
    expect(actions({ state: "failed", transfer: transfer({ state: "failed" }) })).toEqual(["resume", "cancel"]);
  });
});

describe("transfers", () => {
  it("never_shows_more_than_all_of_it", () => {
    expect(shareOf(transfer())).toBe(0.25);
    expect(shareOf(transfer({ received: 300 }))).toBe(1);
    expect([shareOf(transfer({ total: null })), shareOf(transfer({ total: 0 }))]).toEqual([null, null]);
  });
  it("puts_new_figures_into_their_row_alone", () => {
    const before = [model("a"), model("b")];
    const after = withTransfer(before, transfer({ state: "paused" }));
    expect(after.map((row) => row.state)).toEqual(["paused", "available"]);
    expect(after[1]).toBe(before[1]);
  });
  it("leaves_the_end_to_the_list_that_follows", () => {
    const moving = [model("a", { state: "downloading", transfer: transfer() })];
    expect(withTransfer(moving, transfer({ state: "done" }))).toEqual(moving);
    const here = [model("a", { state: "installed", installed: INSTALLED })];
    expect(withTransfer(here, transfer())).toEqual(here);
  });
});

describe("what_loading_shows", () => {
  const info = { name: "a", imageSize: [260, 260], embedDim: 256, parameters: 17, bytes: 34, licence: "MIT" } as unknown as ModelInfo;
  it("fills_gaps_and_overrules_nothing", () => {
    expect(completed(model("a", { parameters: 5 }), info)).toMatchObject({ parameters: 5, embedDim: 256, imageSize: [260, 260], licence: "MIT" });
  });
  it("invents_nothing_without_it", () => expect(completed(model("a"), undefined)).toEqual(model("a")));
});

describe("search", () => {
  it.each([
    ["vit b32", true], ["VIT-B-32", true], ["b-32 multi", true], ["siglip2256", true], ["", true], ["  ", true], ["vit l14", false], ["-", true],
  ])("%j in a name: %s", (text, found) => expect(hasWords("ViT-B-32-SigLIP2-256/webli\nmultilingual", text)).toBe(found));

  const all = [
    model("here", { state: "embedded", noncommercial: false }),
    model("coming", { state: "downloading", transfer: transfer(), noncommercial: null, group: "vit" }),
    model("free", { noncommercial: false, recommended: "small", language: "en", group: "vit" }),
    model("research", { noncommercial: true, language: "multilingual", group: "siglip" }),
  ];
  const found = (change: Partial<ModelFilter>) => all.filter((row) => passes(row, { ...NO_FILTER, ...change }, row.name)).map((row) => row.name);
  it("counts_what_is_on_its_way_as_here", () => expect(found({ here: true })).toEqual(["here", "coming"]));
  it("takes_an_unknown_licence_for_one_that_forbids", () => expect(found({ commercial: true })).toEqual(["here", "free"]));
  it("joins_its_conditions", () => {
    expect(found({ group: "vit" })).toEqual(["coming", "free"]);
    expect(found({ group: "vit", recommended: true, text: "fr" })).toEqual(["free"]);
    expect(found({ language: "multilingual" })).toEqual(["research"]);
  });
});

describe("order", () => {
  const names = (by: Parameters<typeof arranged>[1], rows: CatalogueModel[]) =>
    arranged(rows, by, (a, b) => a.localeCompare(b)).map((section) => [section.id, section.models.map((row) => row.name)]);
  const rows = [
    model("built in", { state: "embedded", bytes: 3 }),
    model("refused", { unsupported: "x", recommended: "small", bytes: 9, imagenetTop1: 0.9 }),
    model("plain", { bytes: 5 }),
    model("best", { recommended: "best", bytes: 8, imagenetTop1: 0.8 }),
    model("first", { recommended: "default", bytes: 1, imagenetTop1: 0.7 }),
    model("moving", { state: "downloading", transfer: transfer(), bytes: 7 }),
  ];
  it("makes_parts_in_the_order_of_use", () => {
    expect(names(RECOMMENDED_FIRST, rows)).toEqual([
      ["moving", ["moving"]], ["here", ["built in"]], ["recommended", ["first", "best"]], ["rest", ["plain"]], ["refused", ["refused"]],
    ]);
  });
  it("puts_the_unknown_last_both_ways", () => {
    expect(names({ by: "accuracy", descending: true }, rows)[0]?.[1]).toEqual(["refused", "best", "first", "built in", "moving", "plain"]);
    expect(names({ by: "accuracy", descending: false }, rows)[0]?.[1]).toEqual(["first", "best", "refused", "built in", "moving", "plain"]);
    expect(names({ by: "bytes", descending: false }, rows)[0]?.[1]).toEqual(["first", "built in", "plain", "moving", "best", "refused"]);
  });
  it("turns_around_at_the_second_click", () => {
    const once = nextModelOrder(RECOMMENDED_FIRST, "accuracy");
    expect(once).toEqual({ by: "accuracy", descending: true });
    expect(nextModelOrder(once, "accuracy")).toEqual({ by: "accuracy", descending: false });
    expect(nextModelOrder(once, "bytes")).toEqual({ by: "bytes", descending: false });
  });
});

describe("keyboard", () => {
  it("stays_inside_the_list", () => {
    expect([stepIn("ArrowUp", 0, 5, 3), stepIn("ArrowDown", 4, 5, 3), stepIn("PageDown", 3, 5, 3), stepIn("PageUp", 1, 5, 3)]).toEqual([0, 4, 4, 0]);
    expect([stepIn("Home", 3, 5, 3), stepIn("End", 0, 5, 3)]).toEqual([0, 4]);
  });
  it("enters_at_the_top", () => expect([stepIn("ArrowDown", -1, 5, 3), stepIn("ArrowUp", -1, 5, 3)]).toEqual([0, 0]));
  it("leaves_other_keys_and_empty_lists_alone", () => expect([stepIn("a", 0, 5, 3), stepIn("ArrowDown", -1, 0, 3)]).toEqual([null, null]));
});

describe("command_line", () => {
  it("quotes_only_what_a_shell_would_take_apart", () => {
    expect(pullCommand("ViT-B-32/laion2b_s34b_b79k")).toBe("cliploupe-cli models pull ViT-B-32/laion2b_s34b_b79k");
    expect(pullCommand("my model's")).toBe(String.raw`cliploupe-cli models pull 'my model'\''s'`);
  });
});
