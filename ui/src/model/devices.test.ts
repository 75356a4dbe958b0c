import { describe, expect, it } from "vitest";
import type { DeviceInfo, DeviceStatus, SelfTest } from "../ipc/bindings";
import {
  agreementText, autoPick, chosenRow, deviceState, deviceText, hasTakenOver, lastTest, memoryFault, paceOf, testSentence, timesText, twoDigits, withTest,
} from "./devices";

const TEST: SelfTest = {
  model: "m", precision: "f16", passed: true, stages: 61, difference: 2.6e-6, worstStage: "visual.blocks.3", cosine: 0.99999, speedup: 41.2,
  picturesPerSecond: 1294, cause: null, takenMs: Date.UTC(2026, 10, 25, 9),
};
const FAILED: SelfTest = { ...TEST, passed: false, difference: 0.3418, speedup: null, picturesPerSecond: null, cause: "over the limit" };

function device(id: string, kind: DeviceInfo["kind"], tests: SelfTest[] = []): DeviceInfo {
  return {
    id, name: `the ${id}`, vendor: "", kind, backend: "Vulkan", driver: "", threads: null, simd: [], memory: null, f16: true, subgroups: false, limits: null, tests,
  };
}

const CPU = device("cpu", "cpu");

function status(part: Partial<DeviceStatus> = {}): DeviceStatus {
  return { chosen: "auto", active: CPU, precision: "f32", selfTest: null, preparing: null, batch: 8, fellBack: null, ...part };
}

describe("figures", () => {
  it("never_say_that_a_device_agrees_better_than_was_found", () => {
    const found = [2.6e-6, 3.04e-6, 9.2e-6, 0, 1.5e-3].map(agreementText);
    expect(found).toEqual(["3e-6", "4e-6", "1e-5", "0", "2e-3"]);
  });

  it("do_not_take_the_noise_of_an_f32_for_a_digit", () => expect([3e-6, Math.fround(3e-6)].map(agreementText)).toEqual(["3e-6", "3e-6"]));

  it("give_a_speed_as_many_digits_as_it_is_worth", () => {
    expect([41.3, 9.96, 3.24, 0.28, 0.0031].map((speedup) => timesText(speedup, "en"))).toEqual(["41", "10", "3.2", "0.3", "0.003"]);
    expect([41.3, 1.02, 0.28, null].map(paceOf)).toEqual(["faster", "same", "slower", "none"]);
  });

  it("show_a_difference_that_is_too_large_as_it_is", () => expect([0.3418, 12.7, 8.4e-5, 2.5e7].map(twoDigits)).toEqual(["0.34", "13", "8.4e-5", "2.5e+7"]));
});

describe("sentences", () => {
  it("say_how_far_a_device_agrees_and_how_fast_it_is", () => {
    expect(testSentence(TEST, "en")).toEqual({
      key: "device.test.passed", values: { precision: "f16", stages: 61, difference: "3e-6", pace: "faster", speedup: "41" },
    });
  });

  it("say_by_how_much_it_does_not_agree_and_where", () => {
    expect(testSentence(FAILED, "en")).toEqual({ key: "device.test.failed", values: { precision: "f16", difference: "0.34", stage: "visual.blocks.3" } });
  });

  it("have_a_place_for_a_device_that_gave_no_numbers", () => {
    expect(testSentence({ ...FAILED, difference: null }, "en").values).toMatchObject({ difference: "none" });
    expect(testSentence({ ...TEST, speedup: null }, "en").values).toMatchObject({ pace: "none", speedup: "" });
  });
});

describe("self-tests", () => {
  it("speak_of_the_model_in_use_before_a_newer_test_of_another", () => {
    const other = { ...TEST, model: "other" };
    expect(lastTest(device("gpu:0", "discreteGpu", [other, TEST]), "m")).toBe(TEST);
    expect(lastTest(device("gpu:0", "discreteGpu", [other]), "m")).toBe(other);
    expect(lastTest(device("gpu:0", "discreteGpu"), "m")).toBeNull();
  });

  it("trust_a_device_in_the_numbers_that_passed", () => {
    const inF32: SelfTest = { ...TEST, precision: "f32", speedup: 20 };
    expect(lastTest(device("gpu:0", "discreteGpu", [FAILED, inF32]), "m")).toBe(inF32);
    expect(lastTest(device("gpu:0", "discreteGpu", [inF32, TEST]), "m")).toBe(TEST);
  });

  it("replace_the_older_one_of_the_same_model_and_numbers", () => {
    const inF32: SelfTest = { ...TEST, precision: "f32" };
    const [, gpu] = withTest([CPU, device("gpu:0", "discreteGpu", [inF32, TEST])], "gpu:0", FAILED);
    expect(gpu?.tests).toEqual([FAILED, inF32]);
  });
});

describe("automatic", () => {
  const fast = device("gpu:0", "discreteGpu", [TEST]);
  const fresh = device("gpu:1", "integratedGpu");
  const broken = device("gpu:2", "discreteGpu", [FAILED]);
  const slow = device("gpu:3", "integratedGpu", [{ ...TEST, speedup: 0.7 }]);
  const software = device("gpu:4", "software", [TEST]);
  const why = (gpus: DeviceInfo[], now: DeviceStatus | null = status()) => autoPick([CPU, ...gpus], now, "m");

  it("says_what_computes_now", () => {
    expect(why([fast], status({ active: fast, selfTest: TEST }))).toEqual({ why: "fastest", isNow: true, name: "the gpu:0", speedup: 41.2 });
    const preparing = { name: "the gpu:1", step: "testing", done: 1, total: 5 } as const;
    expect(why([fresh], status({ preparing }))).toMatchObject({ why: "preparing", name: "the gpu:1" });
  });

  it("says_why_it_is_the_cpu", () => {
    expect([[], [software], [broken], [slow, broken], [broken, fresh]].map((gpus) => why(gpus).why)).toEqual(["noGpu", "noGpu", "failed", "slower", "untested"]);
    expect(why([fast]).why).toBe("plain");
  });

  it("says_what_it_would_take_where_something_else_was_chosen", () => {
    expect(why([broken, slow, fast], status({ chosen: "cpu" }))).toEqual({ why: "fastest", isNow: false, name: "the gpu:0", speedup: 41.2 });
    expect(autoPick([CPU, fast], status({ chosen: "cpu" }), "another model")).toMatchObject({ why: "untested", isNow: false });
  });

  it("knows_the_row_of_what_the_command_line_calls_gpu", () => {
    expect(["gpu", "gpu:2", "auto"].map((chosen) => chosenRow(chosen, [CPU, software, fast]))).toEqual(["gpu:0", "gpu:2", "auto"]);
  });
});

describe("what_computes", () => {
  const preparing = { name: "the gpu:0", step: "testing", done: 1, total: 5 } as const;
  const fellBack = { code: "device", params: {}, message: "" } as const;

  it("counts_the_step_that_is_being_made", () => {
    expect(deviceState(status({ preparing, fellBack }))).toEqual({ kind: "preparing", step: 2, total: 5, share: 0.2 });
    expect(deviceState(status({ preparing: { ...preparing, done: 0, total: 0 } }))).toMatchObject({ step: 1, total: 1, share: 0 });
    expect([deviceState(null).kind, deviceState(status({ fellBack })).kind]).toEqual(["looking", "fellBack"]);
  });

  it("keeps_results_only_when_the_gpu_that_was_prepared_takes_over", () => {
    const gpu = device("gpu:0", "discreteGpu");
    expect(hasTakenOver(status({ preparing }), status({ active: gpu }))).toBe(true);
    expect(hasTakenOver(status(), status({ active: gpu }))).toBe(false);
    expect(hasTakenOver(status({ preparing }), status({ fellBack }))).toBe(false);
    expect(hasTakenOver(status({ preparing }), status({ chosen: "gpu:1", active: device("gpu:1", "integratedGpu") }))).toBe(false);
  });
});

describe("settings", () => {
  it("take_whole_mebibytes_within_bounds", () => {
    expect([64, 65536, 63, 65537, 100.5, Number.NaN].map(memoryFault)).toEqual([null, null, "low", "high", "whole", "whole"]);
  });
});

describe("reports", () => {
  it("tell_all_that_is_known_and_nothing_that_is_not", () => {
    const text = deviceText({ ...device("gpu:0", "discreteGpu", [FAILED]), memory: 4096, limits: { largestBuffer: 1, largestBinding: 2, bindings: 3, workgroupMemory: 4, workgroupSize: 5 } });
    expect(text).toContain("memory: 4096 bytes");
    expect(text).toContain("limits: buffer 1 bytes, binding 2 bytes, 3 bindings, workgroup 5 threads and 4 bytes");
    expect(text).toContain("self-test with m in f16, 2026-11-25T09:00:00.000Z: failed, 61 stages, difference 3.42e-1 at visual.blocks.3, cosine 0.99999, cause: over the limit\n");
    expect(deviceText(CPU)).toBe("the cpu (cpu)\nkind: cpu\nbackend: Vulkan\n");
  });
});
