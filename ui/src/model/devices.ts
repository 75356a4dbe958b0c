// Devices: how their self-tests ended, what would be picked, and how that is said. The words themselves are the catalogue's.
import type { DeviceInfo, DeviceStatus, Precision, SelfTest } from "../ipc/bindings";
import type { Values } from "./i18n";

/** Mebibytes for decoded pictures: less than one large photo is too little, more than this is hardly ever there. */
export const PICTURE_MEMORY = { least: 64, most: 65536 } as const;

export type MemoryFault = "whole" | "low" | "high";

/** What is wrong with a number of mebibytes; null if nothing. */
export function memoryFault(mib: number): MemoryFault | null {
  if (!Number.isInteger(mib)) return "whole";
  if (mib < PICTURE_MEMORY.least) return "low";
  return mib > PICTURE_MEMORY.most ? "high" : null;
}

/** 2.6e-6 → `3e-6`: rounded up, so that a device is never said to agree better than was found. */
export function agreementText(difference: number): string {
  if (difference === 0) return "0";
  // An f32 has six digits for certain; what is behind them would round a plain 3e-6 up.
  const [mantissa = "0", exponent = "0"] = Number(difference.toPrecision(6)).toExponential().split("e");
  return Number(`${Math.ceil(Number(mantissa))}e${exponent}`).toExponential(0);
}

/** 41.3 → `41`, 3.24 → `3.2`, 0.0031 → `0.003`: how many times the speed of the CPU. */
export function timesText(speedup: number, locale: string): string {
  const digits = speedup < 0.95 ? { maximumSignificantDigits: 1 } : { maximumFractionDigits: speedup < 9.95 ? 1 : 0 };
  return new Intl.NumberFormat(locale, digits).format(speedup);
}

export type Pace = "faster" | "same" | "slower" | "none";

/** Differences below a twentieth are the weather of a measurement. */
export function paceOf(speedup: number | null): Pace {
  if (speedup === null) return "none";
  return speedup >= 1.05 ? "faster" : speedup <= 0.95 ? "slower" : "same";
}

export interface TestSentence {
  key: "device.test.passed" | "device.test.failed";
  values: Values;
}

/** `Agrees with the CPU to 3e-6 at 61 stages, 41× faster, in f16.`, or by how much it does not. */
export function testSentence(test: SelfTest, locale: string): TestSentence {
  const { precision, difference, speedup } = test;
  if (!test.passed) {
    return { key: "device.test.failed", values: { precision, difference: difference === null ? "none" : twoDigits(difference), stage: test.worstStage } };
  }
  return {
    key: "device.test.passed",
    values: {
      precision, stages: test.stages, difference: difference === null ? "none" : agreementText(difference),
      pace: paceOf(speedup), speedup: speedup === null ? "" : timesText(speedup, locale),
    },
  };
}

/** A difference that is too large: what it is, not what it stays under. */
export function twoDigits(difference: number): string {
  return difference < 1e-3 || difference >= 1e4 ? difference.toExponential(1) : String(Number(difference.toPrecision(2)));
}

/** The test to speak of: with the model in use the one that counts, else the newest. */
export function lastTest({ tests }: DeviceInfo, model: string | null): SelfTest | null {
  const here = tests.filter((test) => test.model === model);
  return best(here) ?? here[0] ?? tests[0] ?? null;
}

/** Of tests that were passed, the one in the fastest numbers. */
function best(tests: readonly SelfTest[]): SelfTest | null {
  const passed = tests.filter((test) => test.passed);
  return passed.reduce<SelfTest | null>((first, test) => ((test.speedup ?? 0) > (first?.speedup ?? -1) ? test : first), null);
}

/** A list in which a device has a new test, in place of the older one of the same model and numbers. */
export function withTest(devices: readonly DeviceInfo[], id: string, test: SelfTest): DeviceInfo[] {
  const isOlder = (other: SelfTest) => other.model === test.model && other.precision === test.precision;
  return devices.map((device) => (device.id === id ? { ...device, tests: [test, ...device.tests.filter((other) => !isOlder(other))] } : device));
}

/** A GPU, and not a driver that imitates one. */
export function isRealGpu({ kind }: DeviceInfo): boolean {
  return kind !== "cpu" && kind !== "software";
}

/** The device whose row is chosen; `gpu` is the first GPU there is, as the command line has it. */
export function chosenRow(chosen: string, devices: readonly DeviceInfo[]): string {
  return chosen === "gpu" ? (devices.find(isRealGpu)?.id ?? chosen) : chosen;
}

export interface AutoPick {
  why: "fastest" | "preparing" | "untested" | "failed" | "slower" | "noGpu" | "plain";
  /** Whether it computes now, or only would. */
  isNow: boolean;
  /** The device that the sentence is about, where it is not the CPU. */
  name: string;
  speedup: number | null;
}

/** What `auto` computes on, and why; where something else was chosen, what it would begin with. */
export function autoPick(devices: readonly DeviceInfo[], status: DeviceStatus | null, model: string | null): AutoPick {
  const isNow = status?.chosen === "auto";
  if (isNow && status.preparing) return { why: "preparing", isNow, name: status.preparing.name, speedup: null };
  if (isNow && status.active.kind !== "cpu") return { why: "fastest", isNow, name: status.active.name, speedup: status.selfTest?.speedup ?? null };
  const known = devices.filter(isRealGpu).map((gpu) => ({ gpu, test: best(gpu.tests.filter((test) => test.model === model)) }));
  const fastest = known.reduce<(typeof known)[number] | null>((first, one) => ((one.test?.speedup ?? 0) > (first?.test?.speedup ?? 1) ? one : first), null);
  const untested = known.find(({ gpu }) => !gpu.tests.some((test) => test.model === model));
  const of = (why: AutoPick["why"], name = "", speedup: number | null = null): AutoPick => ({ why, isNow, name, speedup });
  if (known.length === 0) return of("noGpu");
  if (fastest && !isNow) return of("fastest", fastest.gpu.name, fastest.test?.speedup);
  // A GPU that passed and is faster is not passed over for what is said below.
  if (fastest) return of("plain");
  if (untested) return of("untested", untested.gpu.name);
  return of(known.some(({ test }) => test !== null) ? "slower" : "failed");
}

export type DeviceState =
  | { kind: "looking" }
  | { kind: "preparing"; step: number; total: number; share: number }
  | { kind: "fellBack" }
  | { kind: "computing"; test: SelfTest | null };

/** What the chip is about. A GPU on its way says more than the reason why an earlier one was given up. */
export function deviceState(status: DeviceStatus | null): DeviceState {
  if (!status) return { kind: "looking" };
  const { preparing } = status;
  if (preparing) {
    // People count the step that is being made, the shell those that are done.
    const total = Math.max(1, preparing.total);
    return { kind: "preparing", step: Math.min(preparing.done + 1, total), total, share: Math.min(1, preparing.done / total) };
  }
  return status.fellBack ? { kind: "fellBack" } : { kind: "computing", test: status.selfTest };
}

/** Whether a GPU that was being prepared has taken over. It was found to agree with the CPU, so that no result is of before. */
export function hasTakenOver(before: DeviceStatus | null, now: DeviceStatus | null): boolean {
  if (!before?.preparing || !now) return false;
  return before.chosen === now.chosen && now.active.kind !== "cpu" && now.active.name === before.preparing.name;
}

/** What is known of a device, a line a thing and in English: what a report to others needs. */
export function deviceText(info: DeviceInfo): string {
  const { limits } = info;
  const lines: (string | null)[] = [
    `${info.name} (${info.id})`,
    `kind: ${info.kind}`,
    info.vendor && `vendor: ${info.vendor}`,
    `backend: ${info.backend}`,
    info.driver && `driver: ${info.driver}`,
    info.threads === null ? null : `threads: ${info.threads}`,
    info.simd.length > 0 ? `instructions: ${info.simd.join(", ")}` : null,
    info.memory === null ? null : `memory: ${info.memory} bytes`,
    info.kind === "cpu" ? null : `f16: ${yes(info.f16)}, subgroups: ${yes(info.subgroups)}`,
    limits && `limits: buffer ${limits.largestBuffer} bytes, binding ${limits.largestBinding} bytes, ${limits.bindings} bindings, `
      + `workgroup ${limits.workgroupSize} threads and ${limits.workgroupMemory} bytes`,
    ...info.tests.map(testText),
  ];
  return lines.filter(Boolean).join("\n") + "\n";
}

function testText(test: SelfTest): string {
  const found = [
    `${test.stages} stages`,
    test.difference === null ? "no numbers" : `difference ${test.difference.toExponential(2)} at ${test.worstStage}`,
    test.cosine === null ? null : `cosine ${test.cosine}`,
    test.speedup === null ? null : `${test.speedup.toFixed(2)} times the CPU`,
    test.picturesPerSecond === null ? null : `${test.picturesPerSecond.toFixed(1)} pictures/s`,
    test.cause && `cause: ${test.cause}`,
  ];
  return `self-test with ${test.model} in ${NUMBERS[test.precision]}, ${new Date(test.takenMs).toISOString()}: ${test.passed ? "passed" : "failed"}, ${found.filter(Boolean).join(", ")}`;
}

const NUMBERS: Record<Precision, string> = { f32: "f32", halfAtRest: "f32 with weights in f16", f16: "f16" };

function yes(value: boolean): string {
  return value ? "yes" : "no";
}
