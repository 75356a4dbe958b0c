// The whole screen as text, in both languages and in every state of a model: nothing throws, and nothing shows a hole.
import { render } from "svelte/server";
import { beforeAll, describe, expect, it, vi } from "vitest";

// What the page asks of a browser before it draws anything.
vi.hoisted(() => {
  vi.stubGlobal("location", { search: "" });
  vi.stubGlobal("innerWidth", 1280);
  vi.stubGlobal("navigator", { languages: ["en"], platform: "Linux" });
  vi.stubGlobal("localStorage", { getItem: () => null, setItem: () => undefined });
});

import type { CatalogueModel, WorkbenchEvent } from "../../ipc/bindings";
import { FakeBackend } from "../../ipc/fake";
import { standingOf } from "../../model/models";
import { preferences } from "../../state/preferences.svelte";
import { Workspace } from "../../state/workspace.svelte";
import Stage from "./Stage.test.svelte";

async function workspace(query: string): Promise<Workspace> {
  vi.useFakeTimers();
  const app = new Workspace(new FakeBackend(new URLSearchParams(query)));
  void app.library.attach();
  void app.models.load();
  await vi.advanceTimersByTimeAsync(1000);
  return app;
}

const drawn = (app: Workspace, detailsOf?: CatalogueModel) => render(Stage, { props: { app, detailsOf } }).body.replace(/<!--.*?-->/gu, "");

describe.each(["en", "zh-CN"] as const)("the_models_screen_in_%s", (language) => {
  beforeAll(() => preferences.set("language", language));

  it.each(["", "models=downloading", "models=broken", "models=full"])("draws_the_list_and_the_details_with_?%s", async (query) => {
    const app = await workspace(query);
    expect(drawn(app).match(/data-testid="model-row"/gu)).toHaveLength(app.models.all.length);
    // One model of every kind and standing is as good as all.
    const kinds = new Map(app.models.all.map((model) => [`${model.group}/${standingOf(model)}/${model.transfer?.problem?.code}`, model]));
    for (const model of kinds.values()) {
      const html = drawn(app, model);
      expect(html).toContain(`data-testid="model-details" data-name="${model.name}"`);
      expect(html).not.toMatch(/undefined|NaN|\[object|null (?:MB|GB)/u);
    }
  });

  it("says_why_there_is_no_list", async () => {
    const app = await workspace("models=error");
    expect(drawn(app)).toContain("/home/ada/.local/share/cliploupe/models");
  });

  it("draws_a_report_and_its_wrong_checks", async () => {
    const app = await workspace("");
    app.dialog = "verifyModel";
    const checking = app.models.verify("flowers-finetune");
    await vi.advanceTimersByTimeAsync(1000);
    expect(drawn(app)).toContain('data-outcome="pass"');
    await vi.advanceTimersByTimeAsync(10_000);
    await checking;
    const html = drawn(app);
    expect(html.match(/data-testid="check"/gu)).toHaveLength(15);
    expect(html).toContain('data-id="activation" data-outcome="fail"');
    // Every sentence of the report is in the person's language.
    expect(html).not.toMatch(/class="found[^"]*" lang="en"/u);
  });

  it("falls_back_to_the_shells_english_where_a_check_lacks_a_value", async () => {
    const app = await workspace("");
    app.dialog = "verifyModel";
    app.models.reported = "embedded";
    const check = { id: "samples", outcome: "pass", figure: null, params: {}, message: "Nine of twelve." } as const;
    const event: WorkbenchEvent = { kind: "verifyProgress", progress: { name: "embedded", id: "language", fraction: 0.9, checks: [check] } };
    app.models.apply(event);
    expect(drawn(app)).toMatch(/lang="en">Nine of twelve\./u);
  });
});
