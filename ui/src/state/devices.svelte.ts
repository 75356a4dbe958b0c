// The devices of this computer, asked for when they are looked at, and the tests that were asked for here.
import type { Backend } from "../ipc/backend";
import type { DeviceInfo, Problem, WorkbenchEvent } from "../ipc/bindings";
import { withTest } from "../model/devices";
import { problemFrom } from "../model/problems";

export class Devices {
  /** Null until they were found once. */
  list: readonly DeviceInfo[] | null = $state.raw(null);
  problem: Problem | null = $state.raw(null);
  /** The device that was asked for while the shell switches to it. */
  choosing: string | null = $state(null);
  /** The device that is being tested. It goes on when nobody looks. */
  testing: string | null = $state(null);
  /** Why a test could not be made, until the next one. */
  failure: { id: string; problem: Problem } | null = $state.raw(null);

  #wasPreparing = false;

  constructor(
    readonly backend: Backend,
    readonly onProblem: (problem: Problem) => void,
  ) {}

  /** What is known stays in sight meanwhile. */
  async load(): Promise<void> {
    this.problem = null;
    try {
      this.list = await this.backend.devices();
    } catch (reason) {
      this.problem = problemFrom(reason);
    }
  }

  async choose(id: string): Promise<void> {
    this.choosing = id;
    try {
      await this.backend.chooseDevice(id);
    } catch (reason) {
      this.onProblem(problemFrom(reason));
    }
    // Of two choices in a row the later one is still being made.
    if (this.choosing === id) this.choosing = null;
  }

  async test(id: string): Promise<void> {
    if (this.testing !== null) return;
    this.testing = id;
    this.failure = null;
    try {
      const test = await this.backend.testDevice(id);
      if (this.list) this.list = withTest(this.list, id, test);
    } catch (reason) {
      this.failure = { id, problem: problemFrom(reason) };
    }
    this.testing = null;
  }

  /** A device that was prepared has been tested, whether it took over or not. */
  apply(event: WorkbenchEvent): void {
    if (event.kind !== "engine") return;
    const isPreparing = (event.engine.device?.preparing ?? null) !== null;
    if (this.#wasPreparing && !isPreparing && this.list) void this.load();
    this.#wasPreparing = isPreparing;
  }
}
