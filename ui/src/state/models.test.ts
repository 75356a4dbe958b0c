import { beforeEach, describe, expect, it, vi } from "vitest";
import type { Backend } from "../ipc/backend";
import type { CatalogueModel, ModelList, Problem, Transfer, VerifyReport } from "../ipc/bindings";
import { Models, type Happening } from "./models.svelte";

// The page's preferences look at these when they are first read.
vi.hoisted(() => {
  vi.stubGlobal("location", { search: "" });
  vi.stubGlobal("navigator", { languages: ["en"], platform: "Linux" });
});

const PROBLEM: Problem = { code: "network", params: { host: "h", cause: "c" }, message: "m" };
const REPORT: VerifyReport = { name: "a", outcome: "pass", checks: [] };
const ROW: CatalogueModel = {
  name: "a", model: "a", tag: "t", group: "vit", state: "available", active: false, imageSize: null, embedDim: null, parameters: null, bytes: null,
  imagenetTop1: null, licence: null, noncommercial: null, language: null, recommended: null, why: null, note: null, source: null, page: null,
  unsupported: null, installed: null, transfer: null,
};
const TRANSFER: Transfer = { name: "a", state: "receiving", file: null, received: 1, total: 2, ratePerSec: null, secsLeft: null, problem: null };
const list = (...models: CatalogueModel[]): ModelList => ({
  models, folder: "/m", freeBytes: null, hub: { setting: null, endpoint: "https://huggingface.co", fromEnvironment: false, hasToken: false },
});
const coming: CatalogueModel = { ...ROW, state: "downloading", transfer: TRANSFER };
const here: CatalogueModel = { ...ROW, state: "installed", installed: { name: "a", path: "/m/a", inPlace: false, origin: "", bytes: 1, installedMs: 0, sha256: "", files: [], licence: null, problem: null } };

describe("Models", () => {
  let happenings: Happening[];
  const shelf = (backend: Partial<Backend>) => new Models(backend as Backend, (model) => model.name, (happening) => happenings.push(happening));
  beforeEach(() => (happenings = []));

  it("asks_once_and_again_after_a_failure", async () => {
    const models = vi.fn<() => Promise<ModelList>>().mockRejectedValueOnce(PROBLEM).mockResolvedValue(list(ROW));
    const shown = shelf({ models });
    await shown.load();
    expect([shown.list, shown.problem?.code]).toEqual([null, "network"]);
    await shown.load();
    await shown.load();
    expect([shown.shown.map((model) => model.name), shown.problem, models.mock.calls.length]).toEqual([["a"], null, 2]);
  });

  it("takes_a_newer_list_that_came_as_an_event", async () => {
    const shown = shelf({ models: async () => list(ROW) });
    const loading = shown.load();
    shown.apply({ kind: "modelsChanged", list: list(here) });
    await loading;
    expect(shown.get("a")?.state).toBe("installed");
  });

  it("tells_when_a_download_arrives_or_fails_and_only_then", () => {
    const shown = shelf({});
    shown.apply({ kind: "modelsChanged", list: list(ROW) });
    shown.apply({ kind: "modelsChanged", list: list(coming) });
    shown.apply({ kind: "transferProgress", transfer: { ...TRANSFER, received: 2 } });
    shown.apply({ kind: "modelsChanged", list: list(here) });
    shown.apply({ kind: "modelsChanged", list: list(here) });
    expect(happenings).toEqual([{ kind: "arrived", name: "a" }]);
    shown.apply({ kind: "modelsChanged", list: list(coming) });
    shown.apply({ kind: "modelsChanged", list: list({ ...coming, state: "failed", transfer: { ...TRANSFER, state: "failed", problem: PROBLEM } }) });
    expect(happenings.at(-1)).toEqual({ kind: "failed", name: "a", problem: PROBLEM });
  });

  it("follows_a_transfer_in_its_row", () => {
    const shown = shelf({});
    shown.apply({ kind: "modelsChanged", list: list(ROW) });
    shown.apply({ kind: "transferProgress", transfer: TRANSFER });
    expect(shown.get("a")).toMatchObject({ state: "downloading", transfer: { received: 1 } });
    expect(shown.moving).toHaveLength(1);
  });

  it("keeps_the_model_before_when_a_switch_fails_and_says_why", async () => {
    const chooseModel = vi.fn<Backend["chooseModel"]>().mockRejectedValueOnce(PROBLEM).mockResolvedValue();
    const shown = shelf({ chooseModel });
    const switching = shown.use("a");
    expect(shown.switchingTo).toBe("a");
    await shown.use("b");
    await switching;
    expect([shown.switchingTo, shown.switchFailure]).toEqual([null, { name: "a", problem: PROBLEM }]);
    expect(chooseModel).toHaveBeenCalledTimes(1);
    await shown.use("a");
    expect(shown.switchFailure).toBeNull();
  });

  it("shows_a_report_again_without_checking_again_until_the_files_go", async () => {
    const verifyModel = vi.fn<Backend["verifyModel"]>().mockResolvedValue(REPORT);
    const shown = shelf({ verifyModel });
    shown.apply({ kind: "modelsChanged", list: list(here) });
    const verifying = shown.verify("a");
    expect(shown.isVerifying("a")).toBe(true);
    await verifying;
    await shown.verify("a", false);
    expect([shown.isVerifying("a"), shown.verificationOf("a")?.report, verifyModel.mock.calls.length]).toEqual([false, REPORT, 1]);
    shown.apply({ kind: "modelsChanged", list: list(ROW) });
    expect(shown.verificationOf("a")).toBeUndefined();
  });

  it("shows_the_model_that_computes_until_another_is_selected", () => {
    const shown = shelf({});
    shown.apply({ kind: "modelsChanged", list: list(ROW, { ...here, name: "b", active: true }) });
    expect(shown.selected?.name).toBe("b");
    shown.selectedName = "a";
    expect(shown.selected?.name).toBe("a");
  });
});
