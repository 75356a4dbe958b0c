// Made-up devices. `?device=` begins with `cpu`, with `preparing` (a GPU on its way), or with `broken` (fell back to the CPU);
// `alone` has no graphics card, `untested` none that was tested, `lost` lets every test fail, and `error` the list.
import type { DeviceInfo, DeviceLimits, DeviceStatus, Preparing, PreparingStep, Problem, SelfTest, SpeedSettings } from "./bindings";
import { hasTakenOver, isRealGpu, withTest } from "../model/devices";
import { MODEL } from "./fakeData";
import { wait } from "./fakeModels";

const LISTING_MS = 300;
const TESTING_MS = 2600;
const SAVING_MS = 120;
const STEP_MS = 1400;
const STEPS: readonly PreparingStep[] = ["loading", "testing", "tuning", "tuning", "tuning"];
const DAY_MS = 86_400_000;
const MIB = 2 ** 20;
const BROKEN = "gpu:2";

const LIMITS: DeviceLimits = { largestBuffer: 2048 * MIB, largestBinding: 2048 * MIB - 4, bindings: 16, workgroupMemory: 49_152, workgroupSize: 1024 };
const PLAIN = { threads: null, simd: [], backend: "Vulkan", memory: null, f16: true, subgroups: true, limits: LIMITS, tests: [] };

function passed(precision: SelfTest["precision"], difference: number, speedup: number, daysAgo: number, model = MODEL.name): SelfTest {
  return {
    model, precision, passed: true, stages: 61, difference, worstStage: "visual.blocks.14.conv", cosine: precision === "f16" ? 0.999987 : 0.9999999,
    speedup, picturesPerSecond: speedup * 31.4, cause: null, takenMs: Date.now() - daysAgo * DAY_MS,
  };
}

function failed(precision: SelfTest["precision"], daysAgo: number): SelfTest {
  return {
    model: MODEL.name, precision, passed: false, stages: 61, difference: 0.3418, worstStage: "visual.blocks.3.conv", cosine: 0.8127, speedup: null,
    picturesPerSecond: null, cause: "the difference is over the limit of 2e-3", takenMs: Date.now() - daysAgo * DAY_MS,
  };
}

function seeded(): DeviceInfo[] {
  return [
    { ...PLAIN, id: "cpu", name: "AMD Ryzen 7 5800X", vendor: "AMD", kind: "cpu", backend: "flex", driver: "", threads: 8, simd: ["avx2", "fma"], f16: false, subgroups: false, limits: null },
    {
      ...PLAIN, id: "gpu:0", name: "NVIDIA GeForce RTX 3060", vendor: "NVIDIA", kind: "discreteGpu", driver: "NVIDIA 560.35.03", memory: 12_288 * MIB,
      tests: [passed("f16", 2.6e-6, 41.2, 2.2), passed("f32", 8.4e-7, 23.8, 2.2), passed("f16", 4.1e-6, 38.4, 40, "ViT-B-32-256/datacomp_s34b_b86k")],
    },
    { ...PLAIN, id: "gpu:1", name: "Intel(R) UHD Graphics 770 (ADL-S GT1)", vendor: "Intel", kind: "integratedGpu", driver: "Intel open-source Mesa driver Mesa 25.0.7" },
    {
      ...PLAIN, id: BROKEN, name: "AMD Radeon RX 580 Series (RADV POLARIS10)", vendor: "AMD", kind: "discreteGpu", driver: "radv Mesa 25.0.7", memory: 8192 * MIB, f16: false,
      tests: [failed("f32", 5.1)],
    },
    { ...PLAIN, id: "gpu:3", name: "llvmpipe (LLVM 19.1.7, 256 bits)", vendor: "Mesa", kind: "software", driver: "llvmpipe Mesa 25.0.7", limits: { ...LIMITS, largestBuffer: 128 * MIB, largestBinding: 128 * MIB, workgroupMemory: 32_768 } },
  ];
}

export class FakeDevices {
  status: DeviceStatus;
  #devices = seeded();
  #speed: SpeedSettings = { exactDecoding: false, precision: "auto", halfAtRest: false, pictureMemoryMib: 512 };
  #scenario: string;
  /** Rises with each choice, so that a preparation of before ends. */
  #turn = 0;

  constructor(
    query: URLSearchParams,
    readonly tell: (status: DeviceStatus) => void,
    readonly model: () => string,
  ) {
    this.#scenario = query.get("device") ?? "";
    if (this.#scenario === "alone") this.#devices = this.#devices.filter(({ kind }) => kind === "cpu" || kind === "software");
    if (this.#scenario === "untested") this.#devices = this.#devices.map((device) => ({ ...device, tests: [] }));
    const [gpu] = this.#devices.filter(isRealGpu);
    const isReady = gpu !== undefined && !["preparing", "untested"].includes(this.#scenario);
    this.status = this.#computing("auto", isReady ? gpu : this.#cpu);
    if (this.#scenario === "cpu") this.status = this.#computing("cpu", this.#cpu);
    if (this.#scenario === "broken") this.status = { ...this.#computing(BROKEN, this.#cpu), fellBack: disagreed(this.#get(BROKEN).name) };
  }

  /** What goes on by itself once the window looks. */
  begin(): void {
    if (this.#scenario === "preparing") void this.#prepare("auto", this.#get("gpu:0"));
  }

  async list(): Promise<DeviceInfo[]> {
    await wait(LISTING_MS);
    if (this.#scenario === "error") throw absent("gpu");
    return this.#devices;
  }

  /** Comes back when something computes; a GPU takes over later. */
  async choose(id: string): Promise<void> {
    const device = id === "auto" ? (this.#devices.find((one) => one.tests.some((test) => test.passed)) ?? this.#cpu) : this.#get(id);
    await wait(LISTING_MS);
    if (device.id === this.status.active.id && this.status.preparing === null) return this.#become(this.#computing(id, device));
    if (device.kind === "cpu") return this.#become(this.#computing(id, device));
    void this.#prepare(id, device);
  }

  async test(id: string): Promise<SelfTest> {
    const { name, kind, f16 } = this.#get(id);
    await wait(TESTING_MS);
    if (this.#scenario === "lost") throw lost(name);
    const model = this.model();
    const speedup = kind === "software" ? 0.28 : kind === "integratedGpu" ? 2.37 : 41.2;
    const found = id === BROKEN ? failed("f32", 0) : passed(f16 ? "f16" : "f32", f16 ? 2.6e-6 : 8.4e-7, speedup, 0);
    const test = { ...found, model };
    this.#devices = withTest(this.#devices, id, test);
    return test;
  }

  async speedSettings(): Promise<SpeedSettings> {
    await wait(SAVING_MS);
    return this.#speed;
  }

  async setSpeed(speed: SpeedSettings): Promise<void> {
    await wait(SAVING_MS);
    this.#speed = speed;
    this.#become({ ...this.status, precision: this.#precisionOf(this.status.active) });
  }

  async #prepare(chosen: string, device: DeviceInfo): Promise<void> {
    const turn = ++this.#turn;
    for (const [done, step] of STEPS.entries()) {
      const preparing: Preparing = { name: device.name, step, done, total: STEPS.length };
      this.#show({ ...this.#computing(chosen, this.#cpu), preparing });
      await wait(STEP_MS);
      if (turn !== this.#turn) return;
      if (step !== "testing" || device.id !== BROKEN) continue;
      this.#devices = withTest(this.#devices, device.id, failed("f32", 0));
      return this.#show({ ...this.#computing(chosen, this.#cpu), fellBack: disagreed(device.name) });
    }
    if (!device.tests.some((test) => test.passed)) this.#devices = withTest(this.#devices, device.id, passed(device.f16 ? "f16" : "f32", 2.6e-6, 2.37, 0, this.model()));
    const status = this.#computing(chosen, this.#get(device.id));
    if (hasTakenOver(this.status, status)) this.#show(status);
  }

  #become(status: DeviceStatus): void {
    this.#turn += 1;
    this.#show(status);
  }

  #show(status: DeviceStatus): void {
    this.status = status;
    this.tell(status);
  }

  #computing(chosen: string, active: DeviceInfo): DeviceStatus {
    const [selfTest = null] = active.tests;
    return { chosen, active, precision: this.#precisionOf(active), selfTest, preparing: null, batch: active.kind === "cpu" ? 8 : 64, fellBack: null };
  }

  #precisionOf(device: DeviceInfo): DeviceStatus["precision"] {
    if (device.kind === "cpu") return this.#speed.halfAtRest ? "halfAtRest" : "f32";
    return device.f16 && this.#speed.precision === "auto" ? "f16" : "f32";
  }

  get #cpu(): DeviceInfo {
    return this.#get("cpu");
  }

  #get(id: string): DeviceInfo {
    const device = this.#devices.find((one) => one.id === id);
    if (!device) throw absent(id);
    return device;
  }
}

function absent(id: string): Problem {
  return { code: "device", params: { device: id, cause: "no such device is here" }, message: `no device ${id}` };
}

function lost(device: string): Problem {
  return { code: "device", params: { device, cause: "the driver was reset while it was computing" }, message: `${device} was lost` };
}

function disagreed(device: string): Problem {
  const cause = "in f32 it differs from the CPU by 0.34 at visual.blocks.3.conv, where 2e-3 is allowed";
  return { code: "device", params: { device, cause }, message: `${device} failed its self-test: ${cause}` };
}
