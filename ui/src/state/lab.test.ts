import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Backend } from "../ipc/backend";
import type { AblationReport, Edit, EngineStatus, LabEffect, LabState, ModelInfo, Problem, TuneProgress, TuneReport, WorkbenchEvent } from "../ipc/bindings";
import { NO_LAB } from "../model/lab";
import { Lab } from "./lab.svelte";
import { Tuning } from "./tuning.svelte";

const PROBLEM: Problem = { code: "edit", params: { cause: "c" }, message: "m" };
const GEOMETRY = { gap: null, coneImage: null, coneText: null, imageText: null, imageSpectrum: [], textSpectrum: [] };
const effectOf = (changed: number): LabEffect => ({ photos: 9, changed, flips: [], before: GEOMETRY, after: GEOMETRY, overlap: null, measures: null, elapsedMs: 1 });
const edit = (id: number, strength = 1): Edit => ({ id, enabled: true, strength, what: { kind: "centre", side: "image" } });
const engine = (name: string): WorkbenchEvent => ({
  kind: "engine", engine: { state: "ready", model: { name, path: "" } as ModelInfo, device: null, problem: null } satisfies EngineStatus,
});

/** A shell that answers each `setEdits` when told to. */
class Slow {
  sent: Edit[][] = [];
  answers: (() => void)[] = [];
  past: Edit[][] = [];
  edits: Edit[] = [];

  setEdits(edits: Edit[]): Promise<LabEffect> {
    this.sent.push(edits);
    return new Promise((resolve) => {
      this.answers.push(() => {
        this.past.push(this.edits);
        this.edits = edits;
        resolve(effectOf(this.sent.length));
      });
    });
  }

  async undoEdit(): Promise<LabEffect> {
    this.edits = this.past.pop() ?? [];
    return effectOf(0);
  }

  async lab(): Promise<LabState> {
    return { ...NO_LAB, edits: this.edits, canUndo: this.past.length > 0 };
  }
}

describe("Lab", () => {
  let problems: Problem[];
  let shell: Slow;
  const lab = (backend: object) => new Lab(backend as Backend, (problem) => problems.push(problem));
  const answer = async (index: number) => {
    await vi.advanceTimersByTimeAsync(0);
    shell.answers[index]?.();
    await vi.advanceTimersByTimeAsync(0);
  };
  beforeEach(() => {
    vi.useFakeTimers();
    problems = [];
    shell = new Slow();
  });
  afterEach(() => void vi.useRealTimers());

  it("sends_one_stack_at_a_time_and_of_a_drag_only_the_newest", async () => {
    const shown = lab(shell);
    for (const strength of [0.1, 0.2, 0.3]) void shown.change([edit(1, strength)]);
    await answer(0);
    expect(shown.edits[0]?.strength).toBe(0.3);
    for (const strength of [0.4, 0.5]) void shown.change([edit(1, strength)]);
    await vi.advanceTimersByTimeAsync(0);
    void shown.change([edit(1, 0.6)]);
    void shown.change([edit(1, 0.7)]);
    await answer(1);
    await answer(2);
    expect(shell.sent.map((edits) => edits[0]?.strength)).toEqual([0.3, 0.5, 0.7]);
    expect([shown.isWorking, shown.effect?.changed, shown.state.edits[0]?.strength]).toEqual([false, 3, 0.7]);
  });

  it("is_not_overruled_by_an_older_stack_while_a_newer_one_is_on_its_way", async () => {
    const shown = lab(shell);
    void shown.change([edit(1, 0.9)]);
    shown.apply({ kind: "labChanged", lab: { ...NO_LAB, edits: [edit(1, 0.2)] } });
    expect([shown.edits[0]?.strength, shown.isWorking]).toEqual([0.9, true]);
    await answer(0);
    shown.apply({ kind: "labChanged", lab: { ...NO_LAB, edits: [edit(2)] } });
    expect(shown.edits[0]?.id).toBe(2);
  });

  it("goes_back_to_what_is_in_force_when_a_stack_is_refused_and_says_why", async () => {
    const shown = lab({ setEdits: () => Promise.reject(PROBLEM) });
    shown.apply({ kind: "labChanged", lab: { ...NO_LAB, edits: [edit(1)] } });
    shown.add({ kind: "gapShift" });
    expect(shown.edits).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(0);
    expect([shown.edits.length, shown.isWorking, problems]).toEqual([1, false, [PROBLEM]]);
  });

  it("undoes_after_what_is_under_way", async () => {
    const shown = lab(shell);
    void shown.change([edit(1)]);
    const undone = shown.undo();
    await answer(0);
    await undone;
    expect([shown.edits, shown.isWorking, shown.effect?.changed]).toEqual([[], false, 0]);
  });

  it("leaves_no_trace_of_a_comparison", async () => {
    const shown = lab(shell);
    void shown.change([edit(1), { ...edit(2), enabled: false }]);
    await answer(0);
    const off = shown.setAside();
    await answer(1);
    await off;
    expect([shown.isOff, shown.inForce.length]).toEqual([true, 0]);
    await shown.bringBack();
    expect(shown.edits.map(({ enabled }) => enabled)).toEqual([true, false]);
    expect([shown.isOff, shell.past.length]).toEqual([false, 1]);
  });

  it("tells_what_is_in_force_from_what_cannot_act", () => {
    const shown = lab({});
    shown.apply({ kind: "labChanged", lab: { ...NO_LAB, edits: [edit(1), edit(2)], problems: [{ id: 2, problem: PROBLEM }] } });
    expect([shown.inForce.map(({ id }) => id), shown.problemOf(2), shown.problemOf(1)]).toEqual([[1], PROBLEM, null]);
  });

  it("asks_for_the_stack_once_for_each_model", async () => {
    const asked = vi.fn(async () => ({ ...NO_LAB, edits: [edit(5)] }));
    const shown = lab({ lab: asked });
    for (const name of ["a", "a", "b"]) shown.apply(engine(name));
    await vi.advanceTimersByTimeAsync(0);
    expect([asked.mock.calls.length, shown.edits[0]?.id]).toEqual([2, 5]);
  });

  it("keeps_the_effect_up_to_date_while_it_is_shown_and_joins_batches_of_photos", async () => {
    const asked = vi.fn(async () => effectOf(4));
    const shown = lab({ labEffect: asked });
    const scored = (labelsVersion: number) => shown.apply({ kind: "photosScored", labelsVersion, photos: [] });
    scored(1);
    await vi.advanceTimersByTimeAsync(1000);
    expect(asked).toHaveBeenCalledTimes(0);
    const stop = shown.watch();
    await vi.advanceTimersByTimeAsync(0);
    expect([asked.mock.calls.length, shown.effect?.changed]).toEqual([1, 4]);
    scored(1);
    await vi.advanceTimersByTimeAsync(1000);
    expect(asked).toHaveBeenCalledTimes(1);
    scored(2);
    shown.apply({ kind: "photosRemoved", ids: [1] });
    await vi.advanceTimersByTimeAsync(1000);
    expect(asked).toHaveBeenCalledTimes(2);
    stop();
    scored(3);
    await vi.advanceTimersByTimeAsync(1000);
    expect(asked).toHaveBeenCalledTimes(2);
    shown.watch();
    await vi.advanceTimersByTimeAsync(0);
    expect(asked).toHaveBeenCalledTimes(3);
  });

  it("says_why_there_is_no_effect", async () => {
    const shown = lab({ labEffect: () => Promise.reject(PROBLEM) });
    shown.watch();
    await vi.advanceTimersByTimeAsync(0);
    expect([shown.effect, shown.problem]).toEqual([null, PROBLEM]);
  });
});

describe("Tuning", () => {
  const progress = (done: number): WorkbenchEvent => ({ kind: "tuneProgress", progress: { form: null, done, total: 5, curve: [] } satisfies TuneProgress });

  it("uses_the_models_own_loss_until_one_is_chosen", async () => {
    const tune = vi.fn<Backend["tune"]>(async () => ({}) as TuneReport);
    const tuning = new Tuning({ tune } as Partial<Backend> as Backend);
    await tuning.tune("sigmoid");
    tuning.wish({ loss: "softmax", epochs: 7 });
    await tuning.tune("sigmoid");
    expect(tune.mock.calls.map(([options]) => [options.loss, options.epochs])).toEqual([["sigmoid", 60], ["softmax", 7]]);
    expect(tune.mock.calls[0]?.[0]).not.toHaveProperty("seeds");
  });

  it("follows_its_progress_and_runs_one_thing_at_a_time", async () => {
    let finish: (report: TuneReport) => void = () => undefined;
    const tune = vi.fn<Backend["tune"]>(() => new Promise((resolve) => (finish = resolve)));
    const ablation = vi.fn<Backend["ablation"]>();
    const tuning = new Tuning({ tune, ablation } as Partial<Backend> as Backend);
    tuning.apply(progress(4));
    expect(tuning.progress).toBeNull();
    const running = tuning.tune("softmax");
    tuning.apply(progress(1));
    await tuning.compareForms("softmax");
    expect([tuning.running, tuning.progress?.done, ablation.mock.calls.length]).toEqual(["tune", 1, 0]);
    finish({ replacement: "tuned" } as TuneReport);
    await running;
    expect([tuning.running, tuning.progress, tuning.report?.replacement]).toEqual([null, null, "tuned"]);
  });

  it("keeps_the_last_report_when_an_ablation_is_stopped_and_takes_no_offence", async () => {
    const stopped: Problem = { code: "cancelled", params: {}, message: "" };
    let refuse: (reason: Problem) => void = () => undefined;
    const answers = [async () => ({ model: "a" }) as AblationReport, () => new Promise<AblationReport>((_, reject) => (refuse = reject))];
    const cancelTune = vi.fn(async () => refuse(stopped));
    const tuning = new Tuning({ ablation: () => answers.shift()?.(), cancelTune } as Partial<Backend> as Backend);
    await tuning.compareForms("softmax");
    const running = tuning.compareForms("softmax");
    await tuning.stop();
    await running;
    expect([tuning.ablation?.model, tuning.problem, tuning.isStopping, cancelTune.mock.calls.length]).toEqual(["a", null, false, 1]);
  });
});
