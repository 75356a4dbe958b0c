// The Photos screen as text, in both languages and every state: nothing throws, and nothing shows a hole.
import { render } from "svelte/server";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";

// What the page asks of a browser before it draws anything.
vi.hoisted(() => {
  vi.stubGlobal("location", { search: "" });
  vi.stubGlobal("innerWidth", 1280);
  vi.stubGlobal("navigator", { languages: ["en"], platform: "Linux" });
  vi.stubGlobal("localStorage", { getItem: () => null, setItem: () => undefined });
});

import type { PhotoDetails } from "../../ipc/bindings";
import { FakeBackend } from "../../ipc/fake";
import { everything, NOTHING, only } from "../../model/selection";
import { preferences } from "../../state/preferences.svelte";
import { Workspace } from "../../state/workspace.svelte";
import Stage from "./Stage.test.svelte";

const OLD = "photos=120&import=none";
const HOLE = /undefined|NaN|\[object|>null/u;

async function workspace(query: string): Promise<Workspace> {
  vi.useFakeTimers();
  const app = new Workspace(new FakeBackend(new URLSearchParams(query)));
  void app.library.attach();
  await vi.advanceTimersByTimeAsync(4000);
  app.labels.adopt(app.library.labels);
  app.figures.askWhole();
  app.figures.askMenu();
  await vi.advanceTimersByTimeAsync(1000);
  return app;
}

async function drawn(app: Workspace, ids: readonly number[] = []): Promise<string> {
  await app.library.recordsOf(ids).catch(() => []);
  const details: PhotoDetails | null = ids[0] === undefined ? null : await app.backend.details(ids[0]);
  return render(Stage, { props: { app, ids, details } }).body.replace(/<!--.*?-->/gu, "");
}

/** What is asked for goes on while time does not. */
async function inTime<T>(answer: Promise<T>): Promise<T> {
  await vi.advanceTimersByTimeAsync(500);
  return answer;
}

describe.each(["en", "zh-CN"] as const)("the_photos_screen_in_%s", (language) => {
  beforeAll(() => preferences.set("language", language));
  afterEach(() => void vi.useRealTimers());

  it.each([OLD, "photos=40", "", `${OLD}&table=1`, "failed=model", `${OLD}&search=fails`])("draws_every_part_with_?%s", async (query) => {
    const app = await workspace(query);
    for (const selection of [NOTHING, only(3), everything(app.grid.ids, NOTHING)]) {
      app.grid.selection = selection;
      expect(await inTime(drawn(app, [...app.grid.ids.subarray(0, 60)]))).not.toMatch(HOLE);
    }
  });

  it("says_what_a_search_found_and_how_it_is_counted", async () => {
    const app = await workspace(OLD);
    app.grid.type("beach − people");
    app.grid.keepTyped();
    app.grid.addPhotos([3], 0.5);
    await vi.advanceTimersByTimeAsync(1000);
    const html = await inTime(drawn(app, [3, 4]));
    expect(html).not.toMatch(HOLE);
    expect(html.match(/data-testid="term"/gu)).toHaveLength(3);
    expect(html).toMatch(/data-testid="search-strip" data-kept="\d+"/u);
    expect(html).toContain("0.213");
  });

  it("tells_a_missing_photo_its_tags_and_what_the_machine_says_apart", async () => {
    const app = await workspace(OLD);
    await inTime(app.backend.review.decide([7], "animal/cat", "accept"));
    await inTime(app.backend.review.decide([7], "dog", "reject"));
    const html = await inTime(drawn(app, [7]));
    expect(html).toMatch(/data-id="7"[^>]*data-missing="true"/u);
    expect(html).toContain('data-testid="tag" data-tag="animal/cat"');
    expect(html).toMatch(/data-testid="confirmed" data-tag="animal\/cat"/u);
    expect(html).toMatch(/data-testid="rejected" data-tag="dog"/u);
    expect(html).not.toMatch(/data-testid="chip" data-label="animal\/cat"/u);
  });

  it("shows_each_filter_in_force_with_its_removal", async () => {
    const app = await workspace(OLD);
    app.grid.narrow({ text: "dsc", tags: ["beach"], withoutTags: ["animal/cat"], takenFromMs: Date.UTC(2015, 0), camera: "Canon EOS R6", folder: "/home", missing: false, labels: ["sea"] });
    await vi.advanceTimersByTimeAsync(1000);
    const html = await inTime(drawn(app));
    expect(html.match(/data-testid="filter"/gu)).toHaveLength(8);
    expect(html).not.toMatch(HOLE);
    app.grid.clearFilter();
    await vi.advanceTimersByTimeAsync(1000);
    expect([...app.grid.ids]).toHaveLength(120);
  });

  it("offers_to_clear_the_filters_when_nothing_meets_them", async () => {
    const app = await workspace(OLD);
    app.grid.narrow({ camera: "none" });
    await vi.advanceTimersByTimeAsync(1000);
    expect(await inTime(drawn(app))).toMatch(/data-testid="nothing"[\s\S]*<button/u);
  });
});

describe("what_is_done_can_be_undone", () => {
  beforeAll(() => preferences.set("language", "en"));
  afterEach(() => void vi.useRealTimers());

  it("takes_photos_out_and_brings_them_back", async () => {
    const app = await workspace(OLD);
    app.grid.selection = only(5);
    await inTime(app.removeSelected());
    expect([app.grid.ids.includes(5), app.library.total, [...app.grid.selection.ids]]).toEqual([false, 119, [6]]);
    app.toasts.list[0]?.action?.run();
    await vi.advanceTimersByTimeAsync(2000);
    expect([app.grid.ids[4], app.library.total]).toEqual([5, 120]);
  });

  it("tags_all_selected_photos_in_one_step", async () => {
    const app = await workspace(OLD);
    app.library.record(1);
    await inTime(app.decide([1, 2, 3], "holiday", "accept"));
    expect((await inTime(app.library.recordsOf([1, 2, 3]))).map(({ tags }) => tags.includes("holiday"))).toEqual([true, true, true]);
    app.toasts.list[0]?.action?.run();
    await vi.advanceTimersByTimeAsync(1000);
    expect((await inTime(app.library.recordsOf([1, 2, 3]))).some(({ tags }) => tags.includes("holiday"))).toBe(false);
  });

  it("keeps_a_label_set_and_knows_when_it_was_changed", async () => {
    const app = await workspace(OLD);
    const saved = await inTime(app.labelSets.save("Mine"));
    await vi.advanceTimersByTimeAsync(500);
    expect([saved.version, app.labels.value.set?.name, app.labelSets.isChanged]).toEqual([1, "Mine", false]);
    app.labels.change({ prompts: { cat: { prompts: ["kitten"], templates: null } } });
    expect(app.labelSets.isChanged).toBe(true);
    await inTime(app.labelSets.use(saved));
    await vi.advanceTimersByTimeAsync(500);
    expect([app.labels.value.prompts, app.labelSets.isChanged]).toEqual([{}, false]);
  });
});
