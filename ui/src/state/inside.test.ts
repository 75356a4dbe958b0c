import { beforeEach, describe, expect, it, vi } from "vitest";

// The page's preferences look at these when they are first read.
vi.hoisted(() => {
  vi.stubGlobal("location", { search: "" });
  vi.stubGlobal("innerWidth", 1280);
  vi.stubGlobal("navigator", { languages: ["en"], platform: "Linux" });
});

import type { ExplainAbilities } from "../ipc/bindings";
import { FakeBackend } from "../ipc/fake";
import { Inside } from "./inside.svelte";
import { Workspace } from "./workspace.svelte";

const ALL: ExplainAbilities = {
  layers: 12, heads: 12, poolHeads: 0, grid: [7, 7], classToken: true,
  patchMap: null, valueMap: null, attention: null, poolAttention: "noAttentionPool", lens: null, directEffects: null,
};

describe("Inside", () => {
  let app: Workspace;
  let best: string[];
  beforeEach(async () => {
    vi.useFakeTimers();
    app = new Workspace(new FakeBackend(new URLSearchParams("")));
    app.labels.value = { labels: ["cat", "dog", "sky"], templates: [], topK: 5, threshold: 0, prompts: {}, set: null };
    best = ["dog", "sky"];
  });
  const looking = async (can: Partial<ExplainAbilities>) => {
    const inside = new Inside(app, () => 1, () => true, () => best);
    await inside.abilities.ask(async () => ({ ...ALL, ...can }));
    return inside;
  };

  it("asks_for_the_best_label_until_one_is_chosen", async () => {
    const inside = await looking({});
    expect(inside.ask).toEqual({ kind: "patchMap", label: "dog" });
    inside.chosenLabel = "cat";
    inside.byValues = true;
    expect(inside.ask).toEqual({ kind: "valueMap", label: "cat" });
    app.labels.value = { ...app.labels.value, labels: ["dog"] };
    expect(inside.ask).toEqual({ kind: "valueMap", label: "dog" });
  });

  it("takes_the_value_path_where_it_is_all_there_is", async () => {
    const inside = await looking({ patchMap: "attentionPool" });
    expect([inside.reason, inside.ask?.kind]).toEqual([null, "valueMap"]);
  });

  it("asks_nothing_that_the_tower_cannot_answer_and_says_why", async () => {
    const inside = await looking({ patchMap: "otherWidths", valueMap: "otherWidths", lens: "convolutional" });
    expect([inside.reason, inside.ask]).toEqual(["otherWidths", null]);
    inside.look = "depth";
    expect([inside.reason, inside.ask]).toEqual(["convolutional", null]);
  });

  it("begins_with_the_last_block_and_stays_within_what_there_is", async () => {
    const inside = await looking({});
    inside.look = "attention";
    expect(inside.ask).toEqual({ kind: "attention", layer: 11, head: null, from: null });
    Object.assign(inside, { layer: 3, head: 2, from: 48 });
    expect(inside.ask).toEqual({ kind: "attention", layer: 3, head: 2, from: 48 });
    await inside.abilities.ask(async () => ({ ...ALL, layers: 2, heads: 2, grid: [4, 4] }));
    expect(inside.ask).toEqual({ kind: "attention", layer: 1, head: null, from: null });
  });

  it("looks_at_the_pool_where_blocks_have_no_attention", async () => {
    const inside = await looking({ attention: "convolutional", poolAttention: null, poolHeads: 8 });
    inside.look = "attention";
    expect([inside.reason, inside.ask]).toEqual([null, { kind: "poolAttention", head: null }]);
  });

  it("follows_the_chosen_label_and_the_best_ones_over_depth", async () => {
    const inside = await looking({});
    Object.assign(inside, { look: "depth", chosenLabel: "cat" });
    expect(inside.ask).toEqual({ kind: "lens", labels: ["cat", "dog", "sky"] });
  });
});
