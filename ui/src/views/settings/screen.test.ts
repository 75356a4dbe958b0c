// The settings as text, in both languages and every state: nothing throws, nothing shows a hole, and each choice has its effect.
import { render } from "svelte/server";
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";

// What the page asks of a browser before it draws anything.
vi.hoisted(() => {
  vi.stubGlobal("location", { search: "" });
  vi.stubGlobal("innerWidth", 1280);
  vi.stubGlobal("navigator", { languages: ["en"], platform: "Linux" });
  vi.stubGlobal("localStorage", { getItem: () => null, setItem: () => undefined });
});

import { FakeBackend } from "../../ipc/fake";
import { preferences } from "../../state/preferences.svelte";
import { SETTINGS_TABS, Workspace } from "../../state/workspace.svelte";
import Stage from "./Stage.test.svelte";

const HOLE = /undefined|NaN|\[object|>null/u;
const PREPARED_MS = 9000;

async function workspace(query: string): Promise<Workspace> {
  const app = new Workspace(new FakeBackend(new URLSearchParams(query)));
  void app.library.attach();
  await vi.advanceTimersByTimeAsync(700);
  void app.devices.load();
  void app.speed.load();
  await vi.advanceTimersByTimeAsync(400);
  return app;
}

function drawn(app: Workspace, tab: Workspace["settingsTab"] = "devices"): string {
  app.openSettings(tab);
  return render(Stage, { props: { app } }).body.replace(/<!--.*?-->/gu, "");
}

function chip(html: string): string {
  return /<button[^>]*data-testid="device"[\s\S]*?<\/button>/u.exec(html)?.[0] ?? "";
}

/** The row of a device. */
function row(html: string, id: string): string {
  return html.split('data-testid="device-choice"').find((part) => part.startsWith(` data-id="${id}"`)) ?? "";
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe.each(["en", "zh-CN"] as const)("the_settings_in_%s", (language) => {
  beforeAll(() => preferences.set("language", language));

  it.each(["", "device=cpu", "device=preparing", "device=broken", "device=alone", "device=untested", "device=error", "failed=model"])("draw_every_part_with_?%s", async (query) => {
    const app = await workspace(query);
    for (const tab of SETTINGS_TABS) expect(drawn(app, tab)).not.toMatch(HOLE);
  });

  it("say_the_figures_of_a_test_that_was_passed_and_of_one_that_failed", async () => {
    const html = drawn(await workspace(""));
    // The languages have them in another order.
    const passed = /data-passed="true"[\s\S]*?<\/p>/u.exec(row(html, "gpu:0"))?.[0] ?? "";
    for (const figure of ["3e-6", "61", "41", "f16"]) expect(passed).toContain(figure);
    expect(row(html, "gpu:2")).toMatch(/data-passed="false"[\s\S]*0\.34[\s\S]*the difference is over the limit of 2e-3/u);
    expect(row(html, "gpu:1")).not.toContain('data-testid="self-test"');
    expect(row(html, "cpu")).not.toContain("device-test");
  });
});

describe("devices", () => {
  beforeAll(() => preferences.set("language", "en"));

  it("show_the_speed_of_the_gpu_that_computes", async () => {
    const html = drawn(await workspace(""));
    expect(chip(html)).toMatch(/NVIDIA GeForce RTX 3060[\s\S]*41× faster/u);
    expect(row(html, "auto")).toContain("Computes on NVIDIA GeForce RTX 3060, which agrees with the CPU and is 41× faster.");
  });

  it("compute_on_the_cpu_until_the_chosen_gpu_is_prepared", async () => {
    const app = await workspace("device=cpu");
    void app.devices.choose("gpu:1");
    await vi.advanceTimersByTimeAsync(400);
    const html = drawn(app);
    expect(chip(html)).toMatch(/Preparing the GPU \(1 of 5\)[\s\S]*the CPU computes meanwhile[\s\S]*progressbar/u);
    expect(app.library.engine.device?.active.id).toBe("cpu");
    await vi.advanceTimersByTimeAsync(PREPARED_MS);
    expect(chip(drawn(app))).toContain("Intel(R) UHD Graphics 770");
    expect(app.devices.list?.find(({ id }) => id === "gpu:1")?.tests).toHaveLength(1);
  });

  it("leave_results_as_they_are_when_a_gpu_takes_over_and_mark_them_on_another_change", async () => {
    const app = await workspace("device=cpu&photos=40&import=none");
    void app.devices.choose("gpu:0");
    await vi.advanceTimersByTimeAsync(PREPARED_MS);
    expect([app.library.engine.device?.active.id, app.library.outdated]).toEqual(["gpu:0", 0]);
    void app.devices.choose("cpu");
    await vi.advanceTimersByTimeAsync(310);
    expect(app.library.outdated).toBeGreaterThan(0);
  });

  it("fall_back_from_one_that_does_not_agree_and_say_by_how_much", async () => {
    const app = await workspace("");
    void app.devices.choose("gpu:2");
    await vi.advanceTimersByTimeAsync(PREPARED_MS);
    const html = drawn(app);
    expect(chip(html)).toMatch(/data-fell-back="device"[\s\S]*AMD Radeon RX 580[\s\S]*0\.34/u);
    expect(html).toMatch(/data-testid="fell-back"[\s\S]*0\.34 at visual\.blocks\.3\.conv/u);
    expect(row(html, "gpu:2")).toMatch(/checked[\s\S]*data-passed="false"/u);
  });

  it("are_tested_on_request_one_at_a_time", async () => {
    const app = await workspace("");
    void app.devices.test("gpu:1");
    void app.devices.test("gpu:2");
    expect(row(drawn(app), "gpu:1")).toContain("Testing…");
    await vi.advanceTimersByTimeAsync(5000);
    expect(row(drawn(app), "gpu:1")).toMatch(/2\.4× faster[\s\S]*Tested just now with the built-in model\./u);
    expect(app.devices.list?.find(({ id }) => id === "gpu:2")?.tests[0]?.takenMs).toBeLessThan(Date.now() - 86_400_000);
  });

  it("say_in_their_row_why_they_could_not_be_tested", async () => {
    const app = await workspace("device=lost");
    void app.devices.test("gpu:1");
    await vi.advanceTimersByTimeAsync(5000);
    expect(row(drawn(app), "gpu:1")).toMatch(/data-testid="test-problem"[\s\S]*the driver was reset/u);
    expect(app.devices.testing).toBeNull();
  });
});

describe("speed", () => {
  it("keeps_the_last_of_several_changes", async () => {
    const app = await workspace("");
    void app.speed.change({ precision: "f32" });
    void app.speed.change({ halfAtRest: true });
    expect([app.speed.value?.precision, app.speed.value?.halfAtRest, app.speed.saving]).toEqual(["f32", true, 2]);
    await vi.advanceTimersByTimeAsync(1000);
    void app.speed.load();
    await vi.advanceTimersByTimeAsync(1000);
    expect(app.speed.value).toEqual({ exactDecoding: false, precision: "f32", halfAtRest: true, pictureMemoryMib: 512 });
    expect(app.library.engine.device?.precision).toBe("f32");
  });

  it("takes_back_what_the_shell_does_not_take", async () => {
    const app = await workspace("");
    app.backend.setSpeed = () => Promise.reject(new Error("disk full"));
    void app.speed.change({ exactDecoding: true });
    expect(app.speed.value?.exactDecoding).toBe(true);
    await vi.advanceTimersByTimeAsync(10);
    expect([app.speed.value?.exactDecoding, app.toasts.list.length]).toEqual([false, 1]);
  });
});
