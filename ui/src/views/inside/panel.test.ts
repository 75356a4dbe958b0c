// The panel as text, in both languages, for every way to look and every reason against it: nothing throws, and nothing shows a hole.
import { render } from "svelte/server";
import { beforeAll, describe, expect, it, vi } from "vitest";

// What the page asks of a browser before it draws anything.
vi.hoisted(() => {
  vi.stubGlobal("location", { search: "" });
  vi.stubGlobal("innerWidth", 1280);
  vi.stubGlobal("navigator", { languages: ["en"], platform: "Linux" });
  vi.stubGlobal("localStorage", { getItem: () => null, setItem: () => undefined });
});

import type { ExplainAbilities, Unavailable } from "../../ipc/bindings";
import { FakeBackend } from "../../ipc/fake";
import { explained } from "../../ipc/fakeExplain";
import { Inside, LOOKS, type Look } from "../../state/inside.svelte";
import { preferences } from "../../state/preferences.svelte";
import { Workspace } from "../../state/workspace.svelte";
import Stage from "./Stage.test.svelte";

const ALL: ExplainAbilities = {
  layers: 12, heads: 12, poolHeads: 8, grid: [7, 7], classToken: true,
  patchMap: null, valueMap: null, attention: null, poolAttention: null, lens: null, directEffects: null,
};
const REASONS: Unavailable[] = ["convolutional", "otherWidths", "attentionPool", "noAttentionPool", "normBeforeAverage", "postNorm", "innerNorm"];

async function looking(look: Look, can: Partial<ExplainAbilities> = {}) {
  vi.useFakeTimers();
  const app = new Workspace(new FakeBackend(new URLSearchParams("")));
  app.labels.value = { labels: ["cat", "pet", "animal"], templates: [], topK: 5, threshold: 0, prompts: {}, set: null };
  const inside = new Inside(app, () => 1, () => true, () => ["cat", "pet"]);
  inside.look = look;
  await inside.abilities.ask(async () => ({ ...ALL, ...can }));
  const ask = inside.ask;
  if (ask) await inside.answer.ask(async () => ({ id: 1, ask, explanation: explained(1, ask, [7, 7]) }));
  return { app, inside };
}

const drawn = (props: Awaited<ReturnType<typeof looking>>) => render(Stage, { props }).body.replace(/<!--.*?-->/gu, "");

describe.each(["en", "zh-CN"] as const)("the_panel_in_%s", (language) => {
  beforeAll(() => preferences.set("language", language));

  it.each(LOOKS)("draws_%s", async (look) => {
    const html = drawn(await looking(look));
    expect(html).toContain(`data-look="${look}"`);
    expect(html).not.toMatch(/undefined|NaN|\[object|>null/u);
    expect(html).not.toContain("inside-unavailable");
  });

  it.each(REASONS)("explains_%s", async (reason) => {
    for (const look of LOOKS) {
      const html = drawn(await looking(look, { patchMap: reason, valueMap: reason, attention: reason, poolAttention: reason, lens: reason, directEffects: reason }));
      expect(html).toContain(`data-reason="${reason}"`);
    }
  });
});

it("warns_of_the_raw_map_and_not_of_the_value_path", async () => {
  preferences.set("language", "en");
  const shown = await looking("map");
  expect(drawn(shown)).toContain("CLIP Surgery");
  shown.inside.byValues = true;
  expect(drawn(shown)).not.toContain("CLIP Surgery");
});

it("adds_up_the_parts_that_are_too_small_for_a_bar", async () => {
  const { app, inside } = await looking("parts");
  const answer = inside.answer.value?.explanation;
  if (answer?.kind !== "effects") throw new Error("no effects");
  const bars = [...drawn({ app, inside }).matchAll(/data-testid="bar"[^>]*data-value="([^"]+)"/gu)].map((found) => Number(found[1]));
  const rest = Number(/parts? adds? ([−\d.]+)\./u.exec(drawn({ app, inside }))?.[1]?.replace("−", "-"));
  expect(bars.reduce((sum, value) => sum + value, rest)).toBeCloseTo(answer.cosine, 3);
});
