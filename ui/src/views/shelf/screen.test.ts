// The whole screen as text, in both languages and in every state: nothing throws, and nothing shows a hole.
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
import { SHELF_TABS } from "../../state/shelf.svelte";
import { SIDECAR_PARTS } from "../../state/shelfSidecars.svelte";
import { Workspace } from "../../state/workspace.svelte";
import CompareDialog from "./CompareDialog.svelte";
import { setAside, takeOver } from "./shelfActions";
import Stage from "./Stage.test.svelte";

async function workspace(query: string): Promise<Workspace> {
  vi.useFakeTimers();
  const app = new Workspace(new FakeBackend(new URLSearchParams(query)));
  void app.library.attach();
  app.shelf.show();
  await vi.advanceTimersByTimeAsync(2000);
  return app;
}

const later = () => vi.advanceTimersByTimeAsync(6000);
const drawn = (app: Workspace, View?: typeof CompareDialog) => render(Stage, { props: { app, View } }).body.replace(/<!--.*?-->/gu, "");
const HOLE = /undefined|NaN|\[object|>null|data-[a-z]+="null/u;
const times = (html: string, testid: string) => html.match(new RegExp(`data-testid="${testid}"`, "gu"))?.length ?? 0;

/** Everything that can be asked here, asked and answered. */
async function asked(app: Workspace): Promise<void> {
  const { alike, sidecars } = app.shelf;
  alike.searchNear();
  alike.searchOutliers();
  sidecars.load();
  app.shelf.isDeep = true;
  app.shelf.check();
  await later();
  void sidecars.dryRun();
  void sidecars.look();
  await later();
}

describe.each(["en", "zh-CN"] as const)("the_library_screen_in_%s", (language) => {
  beforeAll(() => preferences.set("language", language));

  it.each(["", "shelf=empty", "shelf=readonly", "shelf=healthy", "shelf=large", "shelf=fails"])("draws_every_tab_before_and_after_its_answers_with_?%s", async (query) => {
    const app = await workspace(query);
    // Fewer groups are as good.
    app.shelf.alike.minCosine = 0.99;
    for (let round = 0; round < (query === "shelf=fails" ? 3 : 2); round++) {
      for (const tab of SHELF_TABS) {
        app.shelf.tab = tab;
        for (const part of tab === "sidecars" ? SIDECAR_PARTS : (["write"] as const)) {
          app.shelf.sidecars.part = part;
          const html = drawn(app);
          expect(html, tab).toContain(`data-testid="panel-${tab}"`);
          expect(html, `${tab} ${part}`).not.toMatch(HOLE);
        }
      }
      if (round === 0) app.shelf.load();
      await asked(app);
    }
  });

  it("says_why_there_is_no_library_and_offers_another_try", async () => {
    const app = await workspace("shelf=fails");
    expect(drawn(app)).toContain('data-testid="trouble" data-code="unreadable"');
    app.shelf.load();
    await later();
    expect(drawn(app)).toContain('data-testid="library-facts"');
  });

  it("draws_the_library_in_figures_and_what_a_story_needs_of_it", async () => {
    const html = drawn(await workspace(""));
    expect(html).toMatch(/data-testid="library-facts"[^>]* data-photos="12480" data-missing="214" data-tags="18204"/u);
    expect(times(html, "watched-folder")).toBe(3);
    expect(html).toContain('data-path="/media/ada/Archive SSD/Photos 2009–2016" data-present="false"');
    for (const testid of ["watch-folder", "rescan", "show-missing", "tab-near", "tab-sidecars"]) expect(times(html, testid), testid).toBe(1);
  });

  it("invites_to_watch_a_folder_where_none_is", async () => {
    const html = drawn(await workspace("shelf=empty"));
    expect([times(html, "watched-none"), times(html, "watched-folder"), times(html, "show-missing")]).toEqual([1, 0, 0]);
  });

  it("draws_two_photos_side_by_side", async () => {
    const app = await workspace("");
    await asked(app);
    const { alike } = app.shelf;
    const kinds = new Map(alike.near.value?.groups.map(({ kind }, index) => [kind, index]));
    expect(kinds.size).toBe(3);
    for (const group of kinds.values()) {
      alike.compareNear({ group, photo: 0 });
      expect(drawn(app, CompareDialog)).not.toMatch(HOLE);
    }
    alike.compareOutlier(2);
    expect(drawn(app, CompareDialog)).not.toMatch(HOLE);
    expect(drawn(app, CompareDialog)).toContain('data-testid="compare-photos"');
  });

  it("draws_what_was_written_and_what_was_not", async () => {
    const app = await workspace("");
    app.shelf.tab = "sidecars";
    await asked(app);
    const planned = drawn(app);
    expect(times(planned, "sidecar-row")).toBe(200);
    expect(planned).toMatch(/data-testid="sidecars-write"(?![^>]*disabled)/u);
    void app.shelf.sidecars.write();
    await later();
    const html = drawn(app);
    expect(html).toMatch(/data-testid="sidecars-result" data-changed="207"[^>]* data-failed="2" data-written="true"/u);
    expect(html).toMatch(/<button[^>]*disabled[^>]*data-testid="sidecars-write"/u);
    expect(html).not.toMatch(HOLE);
  });
});

it("gives_marks_back_by_the_note_that_tells_of_them", async () => {
  const app = await workspace("");
  void setAside(app, [1, 2], true);
  await later();
  expect(app.shelf.library.value?.marked).toBe(2);
  app.toasts.list = [];
  void setAside(app, [2, 3], true);
  await vi.advanceTimersByTimeAsync(100);
  app.toasts.list[0]?.action?.run();
  await later();
  expect(app.shelf.library.value?.marked).toBe(1);
});

it("marks_nothing_in_a_library_that_can_only_be_read", async () => {
  const app = await workspace("shelf=readonly");
  await setAside(app, [1], true);
  expect([app.shelf.library.value?.marked, app.toasts.list]).toEqual([0, []]);
});

it("undoes_taking_over_as_a_step_of_review_and_looks_again", async () => {
  const app = await workspace("");
  let undone = 0;
  const undo = async () => {
    undone += 1;
    return { step: { kind: "import", label: null, photos: 57 }, photos: [], skipped: 0 } as const;
  };
  Object.assign(app.backend, { review: { undo } });
  void app.shelf.sidecars.look();
  await later();
  void takeOver(app);
  await vi.advanceTimersByTimeAsync(1000);
  app.toasts.list[0]?.action?.run();
  expect(undone).toBe(1);
  await later();
  expect(app.shelf.sidecars.reading.value?.taken).toBe(false);
});

it("shows_missing_photos_among_the_photos", async () => {
  const app = await workspace("");
  app.screen = "shelf";
  let filtered = 0;
  Object.assign(app.grid, { filterMissing: () => (filtered += 1) });
  app.showMissing();
  expect([app.screen, filtered]).toEqual(["photos", 1]);
});
