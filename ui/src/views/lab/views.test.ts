// The bias lab as text, in both languages and with every kind of edit: nothing throws, and nothing shows a hole.
import { render } from "svelte/server";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";

// What the page asks of a browser before it draws anything.
vi.hoisted(() => {
  vi.stubGlobal("location", { search: "" });
  vi.stubGlobal("innerWidth", 1280);
  vi.stubGlobal("navigator", { languages: ["en"], platform: "Linux" });
  vi.stubGlobal("localStorage", { getItem: () => null, setItem: () => undefined });
});

import type { EditKind } from "../../ipc/bindings";
import { FakeBackend } from "../../ipc/fake";
import { preferences } from "../../state/preferences.svelte";
import { Workspace } from "../../state/workspace.svelte";
import Stage from "./Stage.test.svelte";
import { ablationText, points, tuneText } from "./words";

const EVERY: EditKind[] = [
  { kind: "removeEffectiveBias", side: "text" }, { kind: "dropBias", side: "image" }, { kind: "centre", side: "image" }, { kind: "whiten", side: "text" },
  { kind: "addBias", side: "image", along: { kind: "labels", plus: ["cat"], minus: ["dog"] } }, { kind: "addBias", side: "text", along: { kind: "labels", plus: [], minus: [] } },
  { kind: "addBias", side: "image", along: { kind: "photos", plus: [1, 2], minus: [3] } }, { kind: "addBias", side: "image", along: { kind: "gap" } },
  { kind: "addBias", side: "image", along: { kind: "file", path: "/a/b.json" } }, { kind: "rankCut", side: "image", keep: { kind: "top", k: 64 } },
  { kind: "rankCut", side: "image", keep: { kind: "bottom", k: 64 } }, { kind: "rankCut", side: "text", keep: { kind: "band", dropTop: 4, dropBottom: 9 } },
  { kind: "gapShift" }, { kind: "replace", name: "mlp-bias" },
];

async function workspace(query: string): Promise<Workspace> {
  vi.useFakeTimers();
  const app = new Workspace(new FakeBackend(new URLSearchParams(query)));
  void app.library.attach();
  await vi.advanceTimersByTimeAsync(4000);
  app.labels.adopt(app.library.labels);
  await app.lab.refresh();
  return app;
}

function drawn(app: Workspace, view: "edits" | "tune"): string {
  const html = render(Stage, { props: { app, view } }).body.replace(/<!--.*?-->/gu, "");
  expect(html).not.toMatch(/undefined|NaN|\[object/u);
  return html;
}

const countOf = (html: string, id: string) => html.match(new RegExp(`data-testid="${id}"`, "gu"))?.length ?? 0;

describe.each(["en", "zh-CN"] as const)("the_bias_lab_in_%s", (language) => {
  beforeAll(() => preferences.set("language", language));
  afterEach(() => void vi.useRealTimers());

  it("says_what_can_be_done_without_photos_and_without_edits", async () => {
    const empty = drawn(await workspace(""), "edits");
    expect(empty).toContain('data-testid="lab-empty" data-missing="photos"');
    expect(empty).toContain('data-testid="first-edit"');
    const fresh = drawn(await workspace("photos=40"), "edits");
    expect(fresh).toMatch(/data-testid="flips" data-count="0"/u);
    expect(countOf(fresh, "lab-chip")).toBe(0);
  });

  it("draws_every_kind_of_edit_and_says_which_cannot_act", async () => {
    const app = await workspace("photos=40");
    for (const what of EVERY) app.lab.add(what);
    await vi.advanceTimersByTimeAsync(1000);
    const html = drawn(app, "edits");
    expect(countOf(html, "edit")).toBe(EVERY.length);
    expect(countOf(html, "edit-problem")).toBe(1);
    expect(countOf(html, "edit-lacks")).toBe(1);
    expect(html).toContain(`data-testid="lab-chip" data-count="${EVERY.length - 2}"`);
    expect(Number(/data-testid="flips" data-count="(\d+)"/u.exec(html)?.[1])).toBeGreaterThan(0);
  });

  it("follows_the_fit_and_puts_the_verdict_first", async () => {
    const app = await workspace("photos=90");
    expect(drawn(app, "tune")).toContain('data-testid="classes" data-count="8"');
    const fitting = app.tuning.tune("softmax");
    await vi.advanceTimersByTimeAsync(1500);
    expect(drawn(app, "tune")).toContain('data-testid="tune-progress"');
    await vi.advanceTimersByTimeAsync(20_000);
    await fitting;
    const html = drawn(app, "tune");
    expect(html.indexOf('data-question="bias"')).toBeGreaterThan(0);
    expect(html.indexOf('data-question="bias"')).toBeLessThan(html.indexOf('data-testid="folds"'));
    expect(app.tuning.report && tuneText(app.tuning.report)).toMatch(/\| 5 \|/u);
  });

  it("asks_for_classes_where_there_are_none", async () => {
    const html = drawn(await workspace("photos=30&classes=none"), "tune");
    expect(html).toMatch(/data-testid="tune-start"[^>]*disabled|disabled[^>]*data-testid="tune-start"/u);
    expect(countOf(html, "classes")).toBe(0);
  });

  it("writes_an_ablation_with_an_interval_for_every_pair", async () => {
    const app = await workspace("photos=90");
    const running = app.tuning.compareForms("sigmoid");
    await vi.advanceTimersByTimeAsync(60_000);
    await running;
    const text = app.tuning.ablation ? ablationText(app.tuning.ablation) : "";
    expect(text.split("\n").filter((line) => line.startsWith("|"))).toHaveLength(2 + 5 + 2 + 8);
    expect(text).not.toMatch(/undefined|NaN/u);
  });
});

describe("points", () => {
  it("have_a_sign_unless_they_round_to_none", () => {
    expect([points(0.0213), points(-0.004), points(0.0004), points(-0.0004)]).toEqual(["+2.1", "−0.4", "0.0", "0.0"]);
  });
});
