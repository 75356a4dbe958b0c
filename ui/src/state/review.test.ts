// Decisions as a quick hand makes them, against a shell that is slow, refuses, or knows better.
import { beforeEach, describe, expect, it, vi } from "vitest";
import type { Backend } from "../ipc/backend";
import type { Problem, Queue, QueueQuery, ReviewState, ReviewVerdict, StepDone, Suggested, ThresholdEffect, WorkbenchEvent } from "../ipc/bindings";
import { FakeReview } from "../ipc/fakeReview";
import { NO_REVIEW } from "../model/review";
import { Review } from "./review.svelte";
import { BATCH } from "./reviewQueue.svelte";

const FULL: Problem = { code: "diskSpace", params: {}, message: "full" };
const by = { model: "m", prompt: "p", cosine: 0.3, score: 0.1, probability: 0.7, suggestedMs: 1 };
const item = (photo: number, label = "dog"): Suggested => ({ photo, label, by });

/** A shell whose answers a test gives. */
class Shell {
  calls: string[] = [];
  items: Suggested[] = Array.from({ length: 5 }, (_, index) => item(index + 1));
  total: number | null = null;
  refuses = new Set<number>();
  done: { label: string; photos: number[] }[] = [];
  waits: (() => void)[] | null = null;

  async decide(photos: number[], label: string, verdict: ReviewVerdict): Promise<void> {
    this.calls.push(`${verdict} ${label} ${photos.join(",")}`);
    await this.#pause();
    if (photos.some((photo) => this.refuses.has(photo))) throw FULL;
    this.done.push({ label, photos });
  }
  async undo(): Promise<StepDone | null> {
    this.calls.push("undo");
    await this.#pause();
    const step = this.done.pop();
    return step ? { step: { kind: "accept", label: step.label, photos: step.photos.length }, photos: step.photos, skipped: 0 } : null;
  }
  async redo(): Promise<StepDone | null> {
    this.calls.push("redo");
    return { step: { kind: "accept", label: "dog", photos: 1 }, photos: [1], skipped: 0 };
  }
  async queue({ label }: QueueQuery): Promise<Queue> {
    this.calls.push("queue");
    const isDone = (one: Suggested) => this.done.some((step) => step.label === one.label && step.photos.includes(one.photo));
    const items = this.items.filter((one) => (label === null || one.label === label) && !isDone(one));
    return { total: this.total ?? items.length, items };
  }
  async state(): Promise<ReviewState> {
    return { ...NO_REVIEW, waiting: this.total ?? this.items.length, suggestedBy: "m" };
  }
  async setThreshold(): Promise<void> {
    throw FULL;
  }
  async #pause(): Promise<void> {
    const waits = this.waits;
    if (waits) await new Promise<void>((resolve) => waits.push(resolve));
  }
}

let shell: Shell;
let review: Review;
let problems: Problem[];
const settled = () => vi.waitFor(() => expect(review.decisions.pending).toBe(0));
const values = () => shell.items.map(({ photo, label }) => review.decisions.of(photo, label));

beforeEach(async () => {
  vi.useRealTimers();
  shell = new Shell();
  problems = [];
  review = new Review({ review: shell, photoRecords: async () => [] } as unknown as Backend, (problem) => problems.push(problem));
  await review.load();
});

describe("the queue", () => {
  it("goes_on_at_once_while_the_shell_still_writes", () => {
    shell.waits = [];
    review.queue.decide("accept");
    review.queue.decide("reject");
    expect(review.queue.current?.photo).toBe(3);
    expect(values()).toEqual([true, false, undefined, undefined, undefined]);
  });
  it("sends_decisions_one_after_the_other_in_the_order_of_the_hand", async () => {
    shell.waits = [];
    for (const verdict of ["accept", "reject", "accept"] as const) review.queue.decide(verdict);
    await vi.waitFor(() => expect(shell.waits).toHaveLength(1));
    expect(shell.calls.slice(1)).toEqual(["accept dog 1"]);
    for (let sent = 1; sent <= 3; sent++) {
      await vi.waitFor(() => expect(shell.waits).toHaveLength(sent));
      shell.waits[sent - 1]?.();
    }
    await settled();
    expect(shell.calls.slice(1)).toEqual(["accept dog 1", "reject dog 2", "accept dog 3"]);
  });
  it("takes_back_only_the_decision_that_was_not_kept_and_says_so", async () => {
    shell.refuses.add(2);
    for (let count = 0; count < 3; count++) review.queue.decide("accept");
    await settled();
    expect(values().slice(0, 3)).toEqual([true, undefined, true]);
    expect(review.decisions.notKept.map(({ made, problem }) => [made.photos[0], problem.code])).toEqual([[2, "diskSpace"]]);
    expect(review.queue.current?.photo).toBe(4);
  });
  it("comes_back_to_what_was_not_kept_before_it_ends", async () => {
    shell.refuses.add(2);
    for (let count = 0; count < 4; count++) review.queue.decide("accept");
    await settled();
    review.queue.decide("accept");
    expect(review.queue.current?.photo).toBe(2);
  });
  it("tries_again_what_was_not_kept", async () => {
    shell.refuses.add(1);
    review.queue.decide("reject");
    await settled();
    shell.refuses.clear();
    review.decisions.tryAgain();
    await settled();
    expect([values()[0], review.decisions.notKept]).toEqual([false, []]);
  });
  it("keeps_the_newer_of_two_decisions_when_the_older_one_is_lost", async () => {
    shell.refuses.add(1);
    shell.waits = [];
    review.queue.decide("accept");
    review.queue.back();
    review.queue.decide("reject");
    await vi.waitFor(() => expect(shell.waits).toHaveLength(1));
    shell.waits[0]?.();
    await vi.waitFor(() => expect(review.decisions.notKept).toHaveLength(1));
    expect(values()[0]).toBe(false);
    await vi.waitFor(() => expect(shell.waits).toHaveLength(2));
    shell.waits[1]?.();
    await settled();
    // Neither was kept: nothing of either is left.
    expect([values()[0], review.decisions.notKept.length]).toEqual([undefined, 2]);
  });
  it("steps_over_and_back_and_offers_what_was_skipped_at_the_end", async () => {
    review.queue.skip();
    review.queue.skip();
    expect(review.queue.current?.photo).toBe(3);
    review.queue.back();
    expect(review.queue.current?.photo).toBe(2);
    review.queue.goTo(2);
    for (let count = 0; count < 3; count++) review.queue.decide("accept");
    expect([review.queue.current, review.queue.skippedCount]).toEqual([null, 2]);
    await settled();
    review.queue.again();
    expect([review.queue.current?.photo, review.queue.skippedCount]).toEqual([1, 0]);
  });
  it("asks_for_more_before_it_runs_out", async () => {
    shell.total = 90;
    await review.load();
    shell.calls.length = 0;
    review.queue.decide("accept");
    await vi.waitFor(() => expect(shell.calls).toContain("queue"));
  });
  it("does_not_bring_a_decision_again_that_is_still_on_its_way", async () => {
    shell.waits = [];
    review.queue.decide("accept");
    await review.queue.refresh();
    expect(review.queue.row.items.slice(review.queue.row.at).map(({ photo }) => photo)).toEqual([2, 3, 4, 5]);
  });
  it("does_not_take_an_answer_of_before_a_decision_for_news", async () => {
    const before = await shell.queue({ label: null, order: "useful" });
    let answer: (queue: Queue) => void = () => undefined;
    vi.spyOn(shell, "queue").mockImplementation(() => new Promise((resolve) => (answer = resolve)));
    const asked = review.queue.refresh();
    review.queue.decide("accept");
    await settled();
    answer(before);
    await asked;
    expect(values()[0]).toBe(true);
    expect(review.queue.current?.photo).toBe(2);
  });
  it("opens_again_what_waits_again_by_a_newer_answer", async () => {
    review.queue.decide("accept");
    await settled();
    shell.done = [];
    await review.queue.refresh();
    expect(values()[0]).toBeUndefined();
  });
  it("follows_when_something_else_has_changed_what_waits", async () => {
    vi.useFakeTimers();
    review.show();
    await vi.advanceTimersByTimeAsync(10);
    shell.calls.length = 0;
    shell.items = shell.items.slice(2);
    review.apply({ kind: "reviewChanged", review: { ...review.state, waiting: 3 } });
    await vi.advanceTimersByTimeAsync(1000);
    expect(shell.calls).toEqual(["queue"]);
    review.apply({ kind: "reviewChanged", review: { ...review.state, waiting: 3 } });
    await vi.advanceTimersByTimeAsync(1000);
    expect(shell.calls).toEqual(["queue"]);
  });
  it("does_not_ask_again_after_its_own_decisions", async () => {
    vi.useFakeTimers();
    review.show();
    await vi.advanceTimersByTimeAsync(10);
    shell.calls.length = 0;
    review.queue.decide("accept");
    await vi.advanceTimersByTimeAsync(10);
    review.apply({ kind: "reviewChanged", review: { ...review.state, waiting: 4, decided: 1 } });
    await vi.advanceTimersByTimeAsync(1000);
    expect(shell.calls).toEqual(["accept dog 1"]);
  });
});

it("says_why_nothing_was_suggested_and_tries_that_again", async () => {
  const suggest = vi.fn(() => Promise.reject(FULL));
  Object.assign(shell, { suggest });
  await review.suggest();
  expect(review.problem).toEqual(FULL);
  review.retry();
  await vi.waitFor(() => expect(suggest).toHaveBeenCalledTimes(2));
});

describe("undo and redo", () => {
  it("go_back_to_the_photo_at_once_and_tell_the_shell_in_order", async () => {
    review.queue.decide("accept");
    review.queue.decide("accept");
    review.undo();
    expect([values()[1], review.queue.current?.photo]).toEqual([undefined, 2]);
    await settled();
    expect(shell.calls.slice(1)).toEqual(["accept dog 1", "accept dog 2", "undo"]);
    expect(review.told).toMatchObject({ way: "undo", step: { label: "dog", photos: 1 } });
  });
  it("do_again_what_was_taken_back", async () => {
    review.queue.decide("accept");
    review.undo();
    await settled();
    review.redo();
    expect(values()[0]).toBe(true);
    await settled();
    expect(shell.calls.at(-1)).toBe("redo");
    expect(values()[0]).toBe(true);
  });
  it("take_nothing_back_in_the_shell_for_a_decision_that_never_got_there", async () => {
    shell.refuses.add(2);
    review.queue.decide("accept");
    review.queue.decide("accept");
    review.undo();
    await settled();
    expect(shell.calls).not.toContain("undo");
    expect(values().slice(0, 2)).toEqual([true, undefined]);
  });
  it("show_what_the_shell_did_when_it_was_another_step", async () => {
    review.queue.decide("accept");
    await settled();
    shell.done.push({ label: "dog", photos: [4] });
    review.undo();
    expect(values()[0]).toBeUndefined();
    await settled();
    expect(values()[0]).toBe(true);
    expect(review.told?.step.photos).toBe(1);
    expect(review.decisions.canUndo).toBe(true);
  });
  it("take_back_steps_of_before_this_window", async () => {
    shell.done.push({ label: "dog", photos: [7, 8] });
    review.undo();
    await settled();
    expect(review.told?.step).toMatchObject({ label: "dog", photos: 2 });
  });
  it("forget_what_could_be_done_again_after_a_new_decision", async () => {
    review.queue.decide("accept");
    review.undo();
    await settled();
    expect(review.decisions.canRedo).toBe(true);
    review.queue.decide("reject");
    expect(review.decisions.canRedo).toBe(false);
  });
});

describe("a batch", () => {
  beforeEach(async () => {
    shell.items = Array.from({ length: BATCH + 10 }, (_, index) => item(index + 1)).concat(item(1, "cat"));
    await review.load();
    review.queue.show("batch");
    await vi.waitFor(() => expect(review.queue.batch).toHaveLength(BATCH));
  });
  it("is_of_one_label", () => expect([review.queue.label, new Set(review.queue.batch.map(({ label }) => label))]).toEqual(["dog", new Set(["dog"])]));
  it("rejects_a_photo_that_is_picked_out_and_opens_it_again", async () => {
    const first = review.queue.batch[0] as Suggested;
    review.queue.toggle(first);
    expect(review.decisions.of(first.photo, "dog")).toBe(false);
    expect(review.queue.batch).toHaveLength(BATCH);
    review.queue.toggle(first);
    await settled();
    expect(shell.calls.slice(-2)).toEqual(["reject dog 1", "clear dog 1"]);
  });
  it("accepts_the_others_in_one_step_that_one_undo_takes_back", async () => {
    review.queue.toggle(review.queue.batch[0] as Suggested);
    review.queue.decideBatch("accept");
    expect(review.queue.batch.map(({ photo }) => photo)).toEqual(Array.from({ length: 10 }, (_, index) => BATCH + index + 1));
    await settled();
    expect(shell.calls.filter((call) => call.startsWith("accept"))).toHaveLength(1);
    expect(review.told?.step).toEqual({ kind: "accept", label: "dog", photos: BATCH - 1 });
    review.undo();
    expect(review.decisions.isDecided(2, "dog")).toBe(false);
    expect(review.decisions.of(1, "dog")).toBe(false);
    expect(review.queue.batch[0]?.photo).toBe(2);
  });
});

describe("thresholds", () => {
  const effect = (threshold: number): ThresholdEffect => ({ threshold, score: threshold, tagged: Math.round(threshold * 100), above: [], below: [] });
  function tried(answers: Map<number, () => void>, asked: number[]) {
    const backend = {
      labelCard: async (label: string) => ({ label, prompts: [], edges: [0, 1], counts: [1], accepted: [0], rejected: [0], probabilities: [0, 1], decisions: 0, at: effect(0.5), thresholdBy: null, bestF1: null }),
      thresholdEffect: (_: string, threshold: number) => {
        asked.push(threshold);
        return new Promise<ThresholdEffect>((resolve) => answers.set(threshold, () => resolve(effect(threshold))));
      },
      setThreshold: async () => undefined,
    };
    return new Review({ review: backend } as unknown as Backend, (problem) => problems.push(problem)).thresholds;
  }
  it("asks_when_the_hand_rests_and_then_only_for_the_newest", async () => {
    vi.useFakeTimers();
    const [answers, asked] = [new Map<number, () => void>(), [] as number[]];
    const thresholds = tried(answers, asked);
    thresholds.choose("dog");
    await vi.advanceTimersByTimeAsync(10);
    for (const value of [0.6, 0.61, 0.62]) thresholds.try(value);
    expect([thresholds.threshold, asked]).toEqual([0.62, []]);
    await vi.advanceTimersByTimeAsync(60);
    for (const value of [0.7, 0.75, 0.8]) thresholds.try(value);
    answers.get(0.62)?.();
    await vi.advanceTimersByTimeAsync(0);
    expect([asked, thresholds.shown?.threshold, thresholds.isBehind]).toEqual([[0.62, 0.8], 0.62, true]);
    answers.get(0.8)?.();
    await vi.advanceTimersByTimeAsync(0);
    expect([thresholds.shown?.tagged, thresholds.isBehind]).toEqual([80, false]);
  });
  it("drops_answers_about_a_label_that_is_no_longer_shown", async () => {
    vi.useFakeTimers();
    const [answers, asked] = [new Map<number, () => void>(), [] as number[]];
    const thresholds = tried(answers, asked);
    thresholds.choose("dog");
    thresholds.try(0.7);
    await vi.advanceTimersByTimeAsync(60);
    thresholds.choose("cat");
    answers.get(0.7)?.();
    await vi.advanceTimersByTimeAsync(10);
    expect([thresholds.tried, thresholds.effect, thresholds.shown?.threshold]).toEqual([null, null, 0.5]);
    thresholds.try(0.9);
    await vi.advanceTimersByTimeAsync(60);
    expect(asked).toEqual([0.7, 0.9]);
  });
  it("goes_back_to_the_one_in_force", async () => {
    vi.useFakeTimers();
    const thresholds = tried(new Map(), []);
    thresholds.choose("dog");
    await vi.advanceTimersByTimeAsync(10);
    thresholds.try(0.9);
    thresholds.letGo();
    await vi.advanceTimersByTimeAsync(100);
    expect([thresholds.threshold, thresholds.tried]).toEqual([0.5, null]);
  });
  it("says_why_one_could_not_be_put_in_force", async () => {
    await review.thresholds.use(0.7, "dog");
    expect(problems).toEqual([FULL]);
  });
});

describe("the made-up review", () => {
  async function begun(scenario: string): Promise<{ fake: FakeReview; states: ReviewState[] }> {
    vi.useFakeTimers();
    const states: ReviewState[] = [];
    const send = (event: WorkbenchEvent) => {
      if (event.kind === "reviewChanged") states.push(event.review);
    };
    const fake = new FakeReview(new URLSearchParams({ review: scenario }), send, { photos: () => Array.from({ length: 120 }, (_, id) => id + 1), labels: () => ["beach", "cat", "sky"], model: () => "embedded" });
    return { fake, states };
  }
  const after = async <T>(promise: Promise<T>): Promise<T> => {
    await vi.advanceTimersByTimeAsync(5000);
    return promise;
  };
  it("counts_what_it_lists_and_undoes_what_was_decided", async () => {
    const { fake, states } = await begun("few");
    const before = await after(fake.state());
    const queue = await after(fake.queue({ label: "cat", order: "likely" }));
    expect(queue.total).toBe(before.labels.find(({ label }) => label === "cat")?.waiting);
    await after(fake.decide(queue.items.slice(0, 3).map(({ photo }) => photo), "cat", "accept"));
    expect([states.at(-1)?.waiting, states.at(-1)?.undo]).toEqual([before.waiting - 3, { kind: "accept", label: "cat", photos: 3 }]);
    await after(fake.undo());
    expect([states.at(-1)?.waiting, states.at(-1)?.undo, states.at(-1)?.redo?.photos]).toEqual([before.waiting, null, 3]);
    await after(fake.redo());
    expect(states.at(-1)?.waiting).toBe(before.waiting - 3);
  });
  it("suggests_more_below_a_lower_threshold", async () => {
    const { fake, states } = await begun("begun");
    await after(fake.state());
    const [high, low] = [await after(fake.thresholdEffect("sky", 0.95)), await after(fake.thresholdEffect("sky", 0.02))];
    expect(low.tagged).toBeGreaterThan(high.tagged);
    expect(high.above.every(({ probability }) => probability >= 0.95) && high.below.every(({ probability }) => probability < 0.95)).toBe(true);
    await after(fake.setThreshold("sky", 0.95));
    const waiting = () => states.at(-1)?.labels.find(({ label }) => label === "sky")?.waiting ?? 0;
    const few = waiting();
    await after(fake.setThreshold("sky", 0.02));
    expect(waiting()).toBeGreaterThan(few);
  });
});
