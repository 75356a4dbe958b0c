import { beforeEach, describe, expect, it, vi } from "vitest";
import type { Backend } from "../ipc/backend";
import type { Edit, WorkbenchEvent } from "../ipc/bindings";
import { MODEL } from "../ipc/fakeData";
import { Asked } from "./asked.svelte";
import { Projection } from "./projection.svelte";

const READY = (name: string): WorkbenchEvent => ({ kind: "engine", engine: { state: "ready", model: { ...MODEL, name }, device: null, problem: null } });
const SCORED: WorkbenchEvent = { kind: "photosScored", labelsVersion: 1, photos: [] };

describe("Asked", () => {
  it("keeps_the_old_answer_until_the_new_one_is_here", async () => {
    const asked = new Asked<number>();
    await asked.ask(async () => 1);
    const second = asked.ask(async () => 2);
    expect([asked.value, asked.isLoading]).toEqual([1, true]);
    await second;
    expect([asked.value, asked.isLoading]).toEqual([2, false]);
  });
  it("asks_only_the_last_of_the_questions_that_came_meanwhile", async () => {
    const asked = new Asked<string>();
    const questions: string[] = [];
    const question = (name: string) => async () => {
      questions.push(name);
      return name;
    };
    const first = asked.ask(question("a"));
    void asked.ask(question("b"));
    void asked.ask(question("c"));
    await first;
    expect([questions, asked.value]).toEqual([["a", "c"], "c"]);
  });
  it("shows_no_answer_that_was_dropped", async () => {
    const asked = new Asked<number>();
    const first = asked.ask(async () => 1);
    asked.clear();
    await first;
    expect([asked.value, asked.isLoading]).toEqual([null, false]);
  });
  it("says_what_went_wrong_and_forgets_it_with_the_next_answer", async () => {
    const asked = new Asked<number>();
    await asked.ask(() => Promise.reject(new Error("no")));
    expect(asked.problem?.code).toBe("internal");
    await asked.ask(async () => 3);
    expect([asked.value, asked.problem]).toEqual([3, null]);
  });
});

describe("Projection", () => {
  let asked: number;
  let projection: Projection;
  beforeEach(() => {
    vi.useFakeTimers();
    asked = 0;
    const count = async () => {
      asked += 1;
      throw new Error("not needed here");
    };
    const nothing = async () => null;
    projection = new Projection({ projectionReport: count, collectionReport: nothing } as unknown as Backend);
  });

  it("asks_for_nothing_until_it_is_shown_and_there_is_a_model", async () => {
    projection.apply(SCORED);
    const hide = projection.show();
    expect(asked).toBe(0);
    projection.apply(READY("a"));
    await vi.advanceTimersByTimeAsync(400);
    expect(asked).toBe(1);
    hide();
    projection.apply(SCORED);
    await vi.advanceTimersByTimeAsync(5000);
    expect(asked).toBe(1);
    projection.show();
    expect(asked).toBe(2);
  });

  it("follows_a_stream_of_photos_now_and_then", async () => {
    projection.apply(READY("a"));
    projection.show();
    for (let beat = 0; beat < 70; beat++) {
      projection.apply(SCORED);
      await vi.advanceTimersByTimeAsync(100);
    }
    expect(asked).toBe(1 + 2);
    await vi.advanceTimersByTimeAsync(400);
    expect(asked).toBe(1 + 3);
  });

  it("does_not_ask_again_when_the_engine_only_says_the_same", async () => {
    projection.apply(READY("a"));
    projection.show();
    projection.apply(READY("a"));
    await vi.advanceTimersByTimeAsync(5000);
    expect(asked).toBe(1);
  });

  it("tells_of_other_heads_behind_every_screen_but_not_of_photos_or_names", async () => {
    const lab = (edits: Edit[], name: string | null): WorkbenchEvent => ({ kind: "labChanged", lab: { name, edits, problems: [], canUndo: false, canRedo: false, saved: [], replacements: [], classes: [] } });
    const after = async (event: WorkbenchEvent) => {
      projection.apply(event);
      await vi.advanceTimersByTimeAsync(400);
      return projection.headsRevision;
    };
    expect(await after(READY("a"))).toBe(1);
    expect(await after(lab([{ id: 1, enabled: true, strength: 1, what: { kind: "gapShift" } }], null))).toBe(2);
    expect(await after(lab([{ id: 1, enabled: true, strength: 1, what: { kind: "gapShift" } }], "mine"))).toBe(2);
    expect(await after(SCORED)).toBe(2);
    expect(await after(READY("b"))).toBe(3);
    expect(asked).toBe(0);
  });

  it("forgets_with_the_model_what_was_picked_in_it", () => {
    projection.apply(READY("a"));
    projection.source = { kind: "tensor", name: "x" };
    projection.direction = { kind: "dimension", index: 900 };
    projection.apply(READY("b"));
    expect([projection.source, projection.direction.kind]).toEqual([null, "effectiveBias"]);
  });
});
