import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Backend } from "../ipc/backend";
import type { DeviceStatus, EngineStatus, LabelSettings, ModelInfo, PhotoRecord, Problem, Snapshot, WorkbenchEvent } from "../ipc/bindings";
import { LabelDraft } from "./labelDraft.svelte";
import { Library } from "./library.svelte";

const SETTINGS: LabelSettings = { labels: ["cat", "dog"], templates: ["a {}"], topK: 5, threshold: 0.3, prompts: {}, set: null };
const SNAPSHOT: Snapshot = {
  photos: 0, failures: [], outdated: 0, library: null, progress: { phase: "idle", done: 0, total: 0, failed: 0, ratePerSec: null, secsLeft: null },
  engine: { state: "ready", model: null, device: null, problem: null }, labels: SETTINGS, labelsVersion: 1, labelSets: [], templateSets: [], samplesAvailable: false,
};
const STUB = { id: 1, name: "1.jpg", path: "/p/1.jpg" };
const record = (id: number, change: Partial<PhotoRecord> = {}): PhotoRecord => ({
  id, name: `${id}.jpg`, path: `/p/${id}.jpg`, state: "labelled", width: 3, height: 2, best: [{ label: 0, score: 0.9 }], problem: null, tags: [], missing: false, files: 1, ...change,
});

/** Only what these tests call; anything else would be a mistake and throws. */
function shell(overrides: Partial<Backend>): Backend {
  return overrides as Backend;
}

describe("Library", () => {
  let send: (event: WorkbenchEvent) => void;
  let asked: number[][];
  let answer: (ids: number[]) => Promise<PhotoRecord[]>;
  let problems: Problem[];
  let library: Library;

  beforeEach(async () => {
    vi.useFakeTimers();
    asked = [];
    problems = [];
    answer = async (ids) => ids.map((id) => record(id));
    library = new Library(shell({
      attach: async (onEvent) => ((send = onEvent), SNAPSHOT),
      photoRecords: (ids) => {
        asked.push(ids);
        return answer(ids);
      },
    }), (problem) => problems.push(problem));
    await library.attach();
  });
  afterEach(() => void vi.useRealTimers());
  const pause = (ms = 50) => vi.advanceTimersByTimeAsync(ms);

  it("keeps_events_that_come_before_the_first_snapshot", async () => {
    const early = new Library(shell({
      attach: async (onEvent: (event: WorkbenchEvent) => void) => {
        onEvent({ kind: "photosAdded", photos: [STUB] });
        return SNAPSHOT;
      },
    }), () => undefined);
    await early.attach();
    expect([early.total, early.name(1)]).toEqual([1, "1.jpg"]);
  });

  it("asks_for_all_that_comes_into_sight_at_once", async () => {
    for (const id of [5, 6, 7, 6]) expect(library.record(id)).toBeUndefined();
    await pause();
    expect(asked).toEqual([[5, 7, 6]]);
    expect(library.record(6)).toMatchObject({ name: "6.jpg", best: [{ label: "cat", score: 0.9 }] });
    await pause();
    expect(asked).toHaveLength(1);
  });

  it("asks_for_what_was_seen_last_first_and_in_batches", async () => {
    for (let id = 1; id <= 450; id++) library.record(id);
    await pause();
    expect(asked.map((ids) => [ids.length, ids.at(-1)])).toEqual([[200, 450], [200, 250], [50, 50]]);
  });

  it("does_not_ask_for_everything_that_was_scrolled_past", async () => {
    answer = () => new Promise(() => undefined);
    for (let id = 1; id <= 10_000; id++) library.record(id);
    await pause();
    expect(asked.map((ids) => ids.at(-1))).toEqual([10_000, 9800]);
  });

  it("does_not_ask_twice_while_an_answer_is_on_its_way_or_for_what_is_gone", async () => {
    answer = async () => [];
    library.record(3);
    await pause();
    library.record(3);
    await pause();
    expect(asked).toEqual([[3]]);
    send({ kind: "photosChanged", ids: [3] });
    library.record(3);
    await pause();
    expect(asked).toHaveLength(2);
  });

  it("keeps_an_old_record_until_the_new_one_comes", async () => {
    library.record(1);
    await pause();
    answer = async (ids) => ids.map((id) => record(id, { tags: ["animal/cat"] }));
    send({ kind: "photosChanged", ids: [1] });
    expect(library.record(1)).toMatchObject({ tags: [] });
    await pause();
    expect(library.record(1)).toMatchObject({ tags: ["animal/cat"] });
    expect(asked).toHaveLength(2);
  });

  it("asks_once_more_for_what_changed_while_its_record_was_on_the_way", async () => {
    let come: (records: PhotoRecord[]) => void = () => undefined;
    answer = () => new Promise((resolve) => (come = resolve));
    library.record(1);
    library.record(2);
    await pause();
    send({ kind: "photosChanged", ids: [2] });
    come([record(1), record(2)]);
    await pause();
    library.record(1);
    library.record(2);
    await pause();
    expect(asked).toEqual([[1, 2], [2]]);
  });

  it("takes_an_answer_from_before_a_rescoring_for_old", async () => {
    let come: (records: PhotoRecord[]) => void = () => undefined;
    answer = () => new Promise((resolve) => (come = resolve));
    library.record(1);
    await pause();
    send({ kind: "labels", labels: { ...SETTINGS, labels: ["dog"] }, labelsVersion: 2, problems: [] });
    send({ kind: "photosRescored", labelsVersion: 2 });
    come([record(1)]);
    await pause();
    expect(library.record(1)?.best).toEqual([{ label: "cat", score: 0.9 }]);
    await pause();
    come([record(1)]);
    await pause();
    expect(library.record(1)?.best).toEqual([{ label: "dog", score: 0.9 }]);
  });

  it("updates_what_is_known_from_events_and_asks_for_nothing", async () => {
    library.record(1);
    await pause();
    send({ kind: "photosScored", labelsVersion: 1, photos: [{ id: 1, best: [{ label: 1, score: 0.8 }] }] });
    expect(library.record(1)?.best).toEqual([{ label: "dog", score: 0.8 }]);
    await pause();
    expect(asked).toHaveLength(1);
  });

  it("counts_photos_and_lists_failures_with_and_without_a_cell", async () => {
    send({ kind: "photosAdded", photos: [STUB, { ...STUB, id: 2 }] });
    send({ kind: "photosFailed", failures: [{ ...STUB, id: 77, problem: { code: "emptyFile", params: {}, message: "" } }, { ...STUB, problem: { code: "corrupt", params: {}, message: "" } }] });
    expect([library.total, library.failures.map(({ id }) => id), library.record(1)?.state]).toEqual([2, [77, 1], "failed"]);
    send({ kind: "photosWaiting", ids: [77] });
    send({ kind: "photosRemoved", ids: [1] });
    expect([library.total, library.failures]).toEqual([1, []]);
  });

  it("marks_results_when_another_model_computes_and_not_when_a_switch_fails", async () => {
    const engine = (model: string, state: EngineStatus["state"] = "ready"): WorkbenchEvent => ({
      kind: "engine", engine: { state, model: { name: model, path: "" } as ModelInfo, device: { active: { id: "cpu" } } as DeviceStatus, problem: null },
    });
    const progress = (phase: "working" | "idle"): WorkbenchEvent => ({ kind: "progress", progress: { ...SNAPSHOT.progress, phase } });
    send(engine("a"));
    send({ kind: "photosAdded", photos: [STUB, { ...STUB, id: 2 }] });
    library.record(1);
    library.record(2);
    await pause();
    send(engine("a", "loading"));
    send(engine("a"));
    expect([library.outdated, library.record(1)?.outdated]).toEqual([0, false]);
    send(engine("a", "loading"));
    send(engine("b"));
    send(progress("working"));
    expect([library.outdated, library.record(1)?.outdated, library.record(1)?.best]).toEqual([2, true, [{ label: "cat", score: 0.9 }]]);
    send({ kind: "photosScored", labelsVersion: 1, photos: [{ id: 1, best: [{ label: 1, score: 0.8 }] }] });
    expect([library.outdated, library.record(1)?.outdated, library.record(2)?.outdated]).toEqual([1, false, true]);
    send(progress("idle"));
    expect([library.outdated, library.record(2)?.outdated]).toEqual([0, false]);
  });

  it("says_why_it_could_not_attach_or_get_records", async () => {
    answer = () => Promise.reject(new Error("disk gone"));
    library.record(1);
    await pause();
    const unattached = new Library(shell({ attach: () => Promise.reject(new Error("no channel")) }), (problem) => problems.push(problem));
    await unattached.attach();
    expect(problems).toMatchObject([{ code: "internal", params: { cause: "disk gone" } }, { params: { cause: "no channel" } }]);
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
