// The whole screen as text, in both languages and at every stage of a review: nothing throws, and nothing shows a hole.
import { render } from "svelte/server";
import { beforeAll, describe, expect, it, vi } from "vitest";

// What the page asks of a browser before it draws anything.
vi.hoisted(() => {
  vi.stubGlobal("location", { search: "" });
  vi.stubGlobal("innerWidth", 1280);
  vi.stubGlobal("navigator", { languages: ["en"], platform: "Linux" });
  vi.stubGlobal("localStorage", { getItem: () => null, setItem: () => undefined });
  vi.stubGlobal("document", { getElementById: () => null });
});

import { FakeBackend } from "../../ipc/fake";
import { preferences } from "../../state/preferences.svelte";
import { REVIEW_TABS } from "../../state/review.svelte";
import { Workspace } from "../../state/workspace.svelte";
import { reviewActions } from "./keys";
import Stage from "./Stage.test.svelte";

async function workspace(query: string): Promise<Workspace> {
  vi.useFakeTimers();
  const app = new Workspace(new FakeBackend(new URLSearchParams(query)));
  void app.library.attach();
  await vi.advanceTimersByTimeAsync(3000);
  app.review.show();
  await vi.advanceTimersByTimeAsync(9000);
  return app;
}

const drawn = (app: Workspace) => render(Stage, { props: { app } }).body.replace(/<!--.*?-->/gu, "");
const HOLE = /undefined|NaN[^<]|\[object|>null/u;
const START = "photos=120&rate=4000&review=";

describe.each(["en", "zh-CN"] as const)("the_review_screen_in_%s", (language) => {
  beforeAll(() => preferences.set("language", language));

  it.each(["begun", "few", "done", "outdated", ""])("draws_every_tab_of_a_review_that_is_%s", async (scenario) => {
    const app = await workspace(START + scenario);
    for (const tab of REVIEW_TABS) {
      app.review.tab = tab;
      const first = app.review.state.labels[0]?.label;
      if (tab === "thresholds" && first !== undefined) app.review.thresholds.choose(first);
      if (tab === "evaluation") void app.review.evaluate({ kind: "unedited" });
      await vi.advanceTimersByTimeAsync(4000);
      const html = drawn(app);
      expect(html, tab).toContain(`data-testid="panel-${tab}"`);
      expect(html, tab).not.toMatch(HOLE);
    }
  });

  it("asks_about_one_suggestion_with_all_that_is_known_of_it", async () => {
    const app = await workspace(`${START}begun`);
    const html = drawn(app);
    const item = app.review.queue.current;
    expect(html).toMatch(new RegExp(`data-testid="review-photo"[^>]*data-photo="${item?.photo}"`, "u"));
    expect(html).toContain(`data-label="${item?.label}"`);
    for (const id of ["review-accept", "review-reject", "review-undo", "review-progress"]) expect(html).toContain(`data-testid="${id}"`);
    expect(html).toContain(item?.by.prompt);
    expect(html).toContain('data-kind="suggested"');
  });

  it("shows_what_was_decided_as_solid_when_one_goes_back", async () => {
    const app = await workspace(`${START}begun`);
    app.review.queue.decide("accept");
    app.review.queue.back();
    expect(drawn(app)).toContain('data-kind="accepted"');
  });

  it("draws_a_batch_of_one_label_and_marks_the_rejected", async () => {
    const app = await workspace(`${START}begun`);
    app.review.queue.show("batch");
    await vi.advanceTimersByTimeAsync(1000);
    const [first] = app.review.queue.batch;
    if (first) app.review.queue.toggle(first);
    const html = drawn(app);
    expect(html).not.toMatch(HOLE);
    expect(html.match(/data-testid="batch-photo"/gu)?.length).toBe(app.review.queue.batch.length);
    expect(html.match(/<button[^>]*aria-pressed="true"[^>]*data-testid="batch-photo"/gu)).toHaveLength(1);
  });

  it("shows_the_threshold_with_its_examples_and_what_it_would_tag", async () => {
    const app = await workspace(`${START}begun`);
    app.review.tab = "thresholds";
    app.review.thresholds.choose("cat");
    await vi.advanceTimersByTimeAsync(1000);
    const html = drawn(app);
    for (const id of ["threshold-slider", "would-tag", "examples-above", "examples-below", "example-accept", "rename"]) expect(html, id).toContain(`data-testid="${id}"`);
    app.review.thresholds.try(0.9);
    await vi.advanceTimersByTimeAsync(1000);
    expect(drawn(app)).toMatch(/data-testid="would-tag" data-tagged="\d+" data-threshold="0.9"/u);
    expect(drawn(app)).toContain('data-testid="threshold-use"');
  });

  it("says_when_nothing_was_suggested_and_when_all_is_done", async () => {
    expect(drawn(await workspace(START))).toMatch(/data-testid="queue-empty" data-why="never"[\s\S]*data-testid="suggest"/u);
    expect(drawn(await workspace(`${START}done`))).toContain('data-why="done"');
  });

  it("tells_of_suggestions_that_are_out_of_date_and_of_decisions_that_were_not_kept", async () => {
    expect(drawn(await workspace(`${START}outdated`))).toContain('data-testid="suggest-again"');
    const app = await workspace(`${START}failing`);
    for (let count = 0; count < 8; count++) app.review.queue.decide("accept");
    await vi.advanceTimersByTimeAsync(2000);
    expect(drawn(app)).toMatch(/role="alert" data-testid="review-not-kept" data-count="2"/u);
    expect(app.review.state.decided).toBe(6);
  });
});

describe("suggesting", () => {
  it("shows_how_far_it_is_and_can_be_stopped", async () => {
    const app = await workspace(START);
    void app.review.suggest();
    await vi.advanceTimersByTimeAsync(600);
    expect(drawn(app)).toContain('data-testid="suggesting"');
    void app.review.cancelSuggest();
    await vi.advanceTimersByTimeAsync(2000);
    const html = drawn(app);
    expect(html).not.toContain('role="alert"');
    expect(html).toContain('data-why="never"');
  });
  it("fills_the_queue", async () => {
    const app = await workspace(START);
    void app.review.suggest();
    await vi.advanceTimersByTimeAsync(5000);
    expect(app.review.queue.row.items.length).toBe(app.review.state.waiting);
  });
});

describe("the_keys", () => {
  it("decide_in_the_queue_and_only_undo_elsewhere", async () => {
    const { review } = await workspace(`${START}begun`);
    expect(Object.keys(reviewActions(review))).toEqual(["reviewUndo", "reviewRedo", "reviewAccept", "reviewReject", "reviewSkip", "reviewBack"]);
    reviewActions(review).reviewReject?.();
    expect(review.queue.row.at).toBe(1);
    reviewActions(review).reviewUndo?.();
    expect(review.queue.row.at).toBe(0);
    review.tab = "evaluation";
    expect(Object.keys(reviewActions(review))).toEqual(["reviewUndo", "reviewRedo"]);
  });
  it("mean_all_that_is_shown_in_a_batch", async () => {
    const { review } = await workspace(`${START}begun`);
    review.queue.show("batch");
    await vi.advanceTimersByTimeAsync(1000);
    const shown = review.queue.open.map(({ photo }) => photo);
    const label = review.queue.label ?? "";
    reviewActions(review).reviewAccept?.();
    expect(shown.length > 1 && shown.every((photo) => review.decisions.of(photo, label) === true)).toBe(true);
    await vi.advanceTimersByTimeAsync(1000);
    expect(review.state.undo).toEqual({ kind: "accept", label, photos: shown.length });
  });
});
