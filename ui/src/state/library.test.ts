import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Backend } from "../ipc/backend";
import type { DeviceStatus, EngineStatus, LabelSettings, ModelInfo, Problem, Snapshot, WorkbenchEvent } from "../ipc/bindings";
import { LabelDraft } from "./labelDraft.svelte";
import { Library } from "./library.svelte";

const SETTINGS: LabelSettings = { labels: ["cat", "dog"], templates: ["a {}"], topK: 5, threshold: 0.3 };
const SNAPSHOT: Snapshot = {
  photos: [], progress: { phase: "idle", done: 0, total: 0, failed: 0, ratePerSec: null, secsLeft: null },
  engine: { state: "ready", model: null, device: null, problem: null }, labels: SETTINGS, labelsVersion: 1, labelSets: [], templateSets: [], samplesAvailable: false,
};
const STUB = { id: 1, name: "1.jpg", path: "/p/1.jpg" };

/** Only what these tests call; anything else would be a mistake and throws. */
function shell(overrides: Partial<Backend>): Backend {
  return overrides as Backend;
}

describe("Library", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("keeps_events_that_come_before_the_first_snapshot", async () => {
    const backend = shell({
      attach: async (onEvent: (event: WorkbenchEvent) => void) => {
        onEvent({ kind: "photosAdded", photos: [STUB] });
        return SNAPSHOT;
      },
    });
    const library = new Library(backend, () => undefined);
    await library.attach();
    expect(library.photos.map((photo) => photo.name)).toEqual(["1.jpg"]);
  });

  it("shows_the_first_frames_at_once_and_joins_what_follows", async () => {
    let send: (event: WorkbenchEvent) => void = () => undefined;
    const library = new Library(shell({ attach: async (onEvent) => ((send = onEvent), SNAPSHOT) }), () => undefined);
    await library.attach();
    await vi.advanceTimersByTimeAsync(1000);
    const before = library.revision;
    for (let id = 1; id <= 50; id++) send({ kind: "photosAdded", photos: [{ ...STUB, id }] });
    await vi.advanceTimersByTimeAsync(1);
    expect(library.photos).toHaveLength(50);
    expect(library.revision).toBe(before + 1);
  });

  it("marks_results_when_another_model_computes_and_not_when_a_switch_fails", async () => {
    let send: (event: WorkbenchEvent) => void = () => undefined;
    const kinds: string[] = [];
    const library = new Library(shell({ attach: async (onEvent) => ((send = onEvent), SNAPSHOT) }), () => undefined, (event) => kinds.push(event.kind));
    await library.attach();
    const engine = (model: string, state: EngineStatus["state"] = "ready"): WorkbenchEvent => ({
      kind: "engine", engine: { state, model: { name: model, path: "" } as ModelInfo, device: { active: { id: "cpu" } } as DeviceStatus, problem: null },
    });
    send(engine("a"));
    send({ kind: "photosAdded", photos: [STUB] });
    send({ kind: "photosScored", labelsVersion: 1, photos: [{ id: 1, best: [{ label: 0, score: 0.9 }] }] });
    send(engine("a", "loading"));
    send(engine("a"));
    await vi.advanceTimersByTimeAsync(200);
    expect([library.outdated, library.photos[0]?.outdated]).toEqual([0, false]);
    send(engine("a", "loading"));
    send(engine("b"));
    expect([library.outdated, library.photos[0]?.best]).toEqual([1, [{ label: "cat", score: 0.9 }]]);
    send({ kind: "photosScored", labelsVersion: 1, photos: [{ id: 1, best: [{ label: 1, score: 0.8 }] }] });
    await vi.advanceTimersByTimeAsync(200);
    expect(library.outdated).toBe(0);
    expect(kinds.filter((kind) => kind === "engine")).toHaveLength(6);
  });

  it("says_why_it_could_not_attach", async () => {
    const problems: Problem[] = [];
    const library = new Library(shell({ attach: () => Promise.reject(new Error("no channel")) }), (problem) => problems.push(problem));
    await library.attach();
    expect(problems).toMatchObject([{ code: "internal", params: { cause: "no channel" } }]);
  });
});

describe("LabelDraft", () => {
  let sent: LabelSettings[];
  let draft: LabelDraft;

  beforeEach(() => {
    vi.useFakeTimers();
    sent = [];
    const backend = shell({ setLabels: async (settings) => void sent.push(settings) });
    draft = new LabelDraft(new Library(backend, () => undefined));
    draft.adopt(SETTINGS);
  });
  afterEach(() => void vi.useRealTimers());

  it("sends_a_burst_of_edits_once", async () => {
    draft.change({ labels: ["cat"] });
    draft.change({ labels: ["cat", "sea"] });
    await vi.advanceTimersByTimeAsync(200);
    expect(sent.map((settings) => settings.labels)).toEqual([["cat", "sea"]]);
  });

  it("is_not_overruled_while_an_edit_is_on_its_way", async () => {
    draft.change({ labels: ["sea"] });
    draft.adopt(SETTINGS);
    expect(draft.value.labels).toEqual(["sea"]);
    await vi.advanceTimersByTimeAsync(200);
    draft.adopt(SETTINGS);
    expect(draft.value.labels).toEqual(["cat", "dog"]);
  });

  it("undoes_a_sliders_drag_as_one_step", () => {
    for (const threshold of [0.31, 0.32, 0.4]) draft.change({ threshold }, "threshold");
    draft.change({ labels: [] });
    draft.undo();
    expect(draft.value).toEqual({ ...SETTINGS, threshold: 0.4 });
    draft.undo();
    expect(draft.value).toEqual(SETTINGS);
    expect(draft.undo()).toBe(false);
  });
});
