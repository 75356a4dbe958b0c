// The whole screen as text, in both languages and for every kind of head: nothing throws, and nothing shows a hole.
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
import { Workspace } from "../../state/workspace.svelte";
import Stage from "./Stage.test.svelte";
import { TABS } from "./tabs";

async function workspace(query: string): Promise<Workspace> {
  vi.useFakeTimers();
  const app = new Workspace(new FakeBackend(new URLSearchParams(query)));
  void app.library.attach();
  void app.models.load();
  app.projection.show();
  await vi.advanceTimersByTimeAsync(9000);
  return app;
}

const drawn = (app: Workspace, View?: (typeof TABS)[number]["view"]) => render(Stage, { props: { app, View } }).body.replace(/<!--.*?-->/gu, "");
const HOLE = /undefined|NaN[^<]|\[object|>null/u;

describe.each(["en", "zh-CN"] as const)("the_projection_screen_in_%s", (language) => {
  beforeAll(() => preferences.set("language", language));

  it.each(["photos=30", "photos=30&model=mlp", "photos=30&model=none", "photos=30&model=wide", "", "photos=1"])("draws_the_cards_and_every_tab_with_?%s", async (query) => {
    const app = await workspace(query);
    const html = drawn(app);
    expect(html.match(/data-testid="projection-card"/gu)).toHaveLength(2);
    expect(html).not.toMatch(HOLE);
    for (const { id, view } of TABS) {
      app.projection.tab = id;
      expect(drawn(app), id).toContain(`data-testid="panel-${id}"`);
      expect(drawn(app, view), id).not.toMatch(HOLE);
    }
  });

  it("says_that_it_waits_for_a_model_and_why_there_is_none", async () => {
    const waiting = new Workspace(new FakeBackend(new URLSearchParams("")));
    expect(drawn(waiting)).toContain('role="status"');
    expect(drawn(await workspace("failed=model"))).toContain('role="alert"');
  });

  it("offers_to_try_again_after_a_failure", async () => {
    const app = await workspace("inspect=fails");
    expect(drawn(app)).toContain('role="alert"');
    app.projection.refresh();
    await vi.advanceTimersByTimeAsync(2000);
    expect(drawn(app)).not.toContain('role="alert"');
  });

  it("dims_the_figures_of_before_while_new_ones_are_on_their_way", async () => {
    const app = await workspace("photos=5");
    app.projection.refresh();
    expect(drawn(app)).toContain('data-stale="true"');
    await vi.advanceTimersByTimeAsync(2000);
    expect(drawn(app)).toContain('data-stale="false"');
  });
});

it("finds_out_why_a_head_has_no_fixed_shift", async () => {
  preferences.set("language", "en");
  const html = drawn(await workspace("photos=3&model=mlp"));
  expect(html).toContain("the head is an MLP");
  expect(html).toMatch(/data-testid="effective-bias" data-value="0\.94/u);
});
