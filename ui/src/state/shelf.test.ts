import { beforeEach, describe, expect, it, vi } from "vitest";
import type { Backend } from "../ipc/backend";
import type { LibraryState, NearReport, ReviewState, WorkbenchEvent } from "../ipc/bindings";
import { FakeShelf } from "../ipc/fakeShelf";
import { markedIn, toSetAside } from "../model/shelfNear";
import { Shelf } from "./shelf.svelte";

const REVIEW = { labels: [], waiting: 3, decided: 1, suggestedBy: null, suggestedMs: null, outdated: false, undo: null, redo: null, suggesting: null } satisfies ReviewState;

let shelf: Shelf;
let fake: FakeShelf;
let selected: Set<number>;
const asked: string[] = [];

function begin(query = ""): void {
  vi.useFakeTimers();
  asked.length = 0;
  selected = new Set();
  fake = new FakeShelf(new URLSearchParams(query), (event: WorkbenchEvent) => shelf.apply(event));
  const told = new Proxy(fake, {
    get: (target, name) => {
      const found: unknown = Reflect.get(target, name);
      if (typeof found !== "function") return found;
      return (...given: unknown[]): unknown => {
        asked.push(String(name));
        return Reflect.apply(found, target, given);
      };
    },
  });
  shelf = new Shelf({ shelf: told } as unknown as Backend, () => selected);
}

async function settled<T>(work?: Promise<T>): Promise<T | undefined> {
  // A rejection must not be unheard of while time is made to pass.
  const outcome = work?.then((value) => ({ value }), (reason: unknown) => ({ reason }));
  await vi.advanceTimersByTimeAsync(10_000);
  const done = await outcome;
  if (done && "reason" in done) throw done.reason;
  return done?.value;
}

const count = (name: string) => asked.filter((other) => other === name).length;

describe("the library", () => {
  beforeEach(() => begin());

  it("is_asked_for_once_and_then_follows_events", async () => {
    shelf.show();
    await settled();
    shelf.show();
    await settled(shelf.watch());
    expect(count("state")).toBe(1);
    expect(shelf.library.value?.watched).toHaveLength(4);
    expect(shelf.library.value?.photos).toBe(12_480 + 1230);
  });

  it("believes_an_event_more_than_an_older_answer", async () => {
    shelf.show();
    const library = { ...(await settled(fake.state())), photos: 7 } as LibraryState;
    begin();
    shelf.show();
    shelf.apply({ kind: "libraryChanged", library });
    await settled();
    expect(shelf.library.value?.photos).toBe(7);
  });

  it("says_what_is_under_way_until_it_is_over", async () => {
    shelf.show();
    await settled();
    const looking = shelf.look();
    expect(shelf.working).toBe("look");
    await settled(looking);
    expect([shelf.working, shelf.library.value?.missing]).toEqual([null, 209]);
  });

  it("is_another_one_only_from_the_next_start_on", async () => {
    shelf.show();
    await settled();
    expect(await settled(shelf.choose())).toBe(true);
    expect([shelf.next, shelf.library.value?.path.startsWith("/home")]).toEqual(["/media/photos/Cliploupe", true]);
  });

  it("goes_on_after_a_command_that_was_refused", async () => {
    begin("shelf=readonly");
    shelf.show();
    await settled();
    expect(shelf.readOnly).not.toBeNull();
    await expect(settled(shelf.watch())).rejects.toMatchObject({ code: "permission" });
    expect(shelf.working).toBeNull();
  });

  it("says_what_went_wrong_and_answers_the_second_time", async () => {
    begin("shelf=fails");
    shelf.show();
    await settled();
    expect([shelf.library.value, shelf.library.problem?.code]).toEqual([null, "unreadable"]);
    shelf.load();
    await settled();
    expect([shelf.library.value?.photos, shelf.library.problem]).toEqual([12_480, null]);
  });
});

describe("health", () => {
  it("is_found_out_repaired_and_then_better", async () => {
    begin();
    shelf.check();
    await settled();
    const quick = shelf.health.value?.total ?? 0;
    shelf.isDeep = true;
    shelf.check();
    await settled();
    expect(shelf.health.value?.total).toBeGreaterThan(quick);
    shelf.repair();
    expect(shelf.asked).toBe("repair");
    await settled();
    expect(shelf.health.value?.repaired).toBe(true);
    shelf.check();
    await settled();
    expect(shelf.health.value?.findings.map(({ repairable }) => repairable)).toEqual([false]);
  });
});

describe("near duplicates", () => {
  beforeEach(() => begin());
  const groups = () => shelf.alike.near.value?.groups ?? [];

  it("are_looked_for_once_by_themselves_and_in_a_large_library_not", async () => {
    shelf.alike.showNear(1_000_000);
    expect(count("nearDuplicates")).toBe(0);
    shelf.alike.showNear(12_480);
    shelf.alike.showNear(12_480);
    await settled();
    shelf.alike.showNear(12_480);
    expect(count("nearDuplicates")).toBe(1);
    expect(groups().length).toBeGreaterThan(50);
  });

  it("follow_the_slider_when_it_has_come_to_rest", async () => {
    shelf.alike.setMinCosine(0.9);
    await settled();
    expect(count("nearDuplicates")).toBe(0);
    shelf.alike.searchNear();
    await settled();
    const before = groups().length;
    for (const cosine of [0.91, 0.95, 0.99]) {
      shelf.alike.setMinCosine(cosine);
      await vi.advanceTimersByTimeAsync(100);
    }
    expect(shelf.alike.foundWith).toBe(0.9);
    await settled();
    expect([count("nearDuplicates"), shelf.alike.foundWith]).toEqual([2, 0.99]);
    expect(groups().length).toBeLessThan(before);
    expect(groups().every(({ photos }) => photos.every(({ keep, cosine }) => keep || cosine >= 0.99))).toBe(true);
  });

  it("keep_their_marks_and_give_them_back", async () => {
    shelf.show();
    shelf.alike.searchNear();
    shelf.alike.searchOutliers();
    await settled();
    const all = toSetAside(groups());
    await settled(shelf.alike.mark(all, true));
    expect([toSetAside(groups()), markedIn(groups()).length, shelf.library.value?.marked]).toEqual([[], all.length, all.length]);
    shelf.alike.searchNear();
    await settled();
    expect(markedIn(groups())).toHaveLength(all.length);
    await settled(shelf.alike.mark(all, false));
    expect([markedIn(groups()), shelf.library.value?.marked]).toEqual([[], 0]);
  });

  it("show_a_mark_among_the_outliers_too", async () => {
    shelf.alike.searchOutliers();
    await settled();
    const first = shelf.alike.outliers.value?.[0]?.id ?? -1;
    await settled(shelf.alike.mark([first], true));
    expect(shelf.alike.outliers.value?.filter(({ marked }) => marked).map(({ id }) => id)).toEqual([first]);
  });

  it("do_not_lose_a_mark_that_was_set_while_they_were_on_their_way", async () => {
    const report: NearReport = await (async () => {
      shelf.alike.searchNear();
      await settled();
      return shelf.alike.near.value as NearReport;
    })();
    const id = toSetAside(report.groups)[0] ?? -1;
    let answer: (report: NearReport) => void = () => undefined;
    const slow = { mark: async () => undefined, nearDuplicates: () => new Promise<NearReport>((resolve) => (answer = resolve)) };
    shelf = new Shelf({ shelf: slow } as unknown as Backend, () => selected);
    shelf.alike.searchNear();
    await shelf.alike.mark([id], true);
    answer(report);
    await settled();
    expect(markedIn(groups())).toEqual([id]);
  });

  it("are_outdated_by_photos_and_not_by_marks", async () => {
    shelf.show();
    shelf.alike.searchNear();
    await settled();
    await settled(shelf.alike.mark([1], true));
    expect(shelf.alike.isNearOutdated).toBe(false);
    await settled(shelf.watch());
    expect(shelf.alike.isNearOutdated).toBe(true);
    shelf.alike.searchNear();
    expect(shelf.alike.isNearOutdated).toBe(false);
  });

  it("are_compared_with_the_one_to_keep", () => {
    shelf.alike.compareNear({ group: 4, photo: 0 });
    expect([shelf.alike.comparing, shelf.alike.place]).toEqual(["near", { group: 4, photo: 1 }]);
  });
});

describe("sidecars", () => {
  beforeEach(async () => {
    begin();
    shelf.show();
    shelf.sidecars.show();
    await settled();
  });
  const sidecars = () => shelf.sidecars;

  it("are_written_only_after_a_dry_run_of_the_same_options", async () => {
    expect(sidecars().canWrite).toBe(false);
    await settled(sidecars().dryRun());
    expect(sidecars().canWrite).toBe(true);
    sidecars().wish({ microsoft: true });
    expect(sidecars().canWrite).toBe(false);
    await settled(sidecars().write());
    expect(count("writeSidecars")).toBe(0);
    sidecars().wish({ microsoft: false });
    expect(sidecars().canWrite).toBe(true);
  });

  it("are_not_written_after_another_choice_of_photos", async () => {
    selected = new Set([1, 4]);
    sidecars().onlySelected = true;
    await settled(sidecars().dryRun());
    const some = sidecars().plan.value?.changed ?? 0;
    expect([some > 0 && some <= 2, sidecars().canWrite]).toEqual([true, true]);
    selected = new Set();
    expect([sidecars().ids, sidecars().canWrite]).toEqual([null, false]);
  });

  it("once_written_need_not_be_written_again", async () => {
    await settled(sidecars().dryRun());
    const changed = sidecars().plan.value?.changed;
    await settled(sidecars().write());
    expect([sidecars().result?.kind, sidecars().result?.report.changed, sidecars().canWrite]).toEqual(["written", changed, false]);
    await settled(sidecars().dryRun());
    expect([sidecars().plan.value?.changed, sidecars().result, sidecars().canWrite]).toEqual([0, null, false]);
  });

  it("lose_their_machine_tags_again_in_one_step", async () => {
    sidecars().wish({ suggestions: true });
    await settled(sidecars().dryRun());
    await settled(sidecars().write());
    await settled(sidecars().removeMachineTags());
    const report = sidecars().result?.report;
    expect([sidecars().result?.kind, (report?.changed ?? 0) > 100]).toEqual(["removed", true]);
    expect(report?.plans.every(({ removes }) => removes.every((tag) => tag.startsWith("Cliploupe|")))).toBe(true);
  });

  it("need_a_root_for_suggestions", async () => {
    sidecars().wish({ suggestions: true, root: " " });
    await settled(sidecars().dryRun());
    expect([sidecars().rootProblem, count("planSidecars")]).toEqual(["empty", 0]);
    sidecars().wish({ suggestions: false });
    expect(sidecars().rootProblem).toBeNull();
  });

  it("ask_for_another_dry_run_when_tags_have_changed", async () => {
    shelf.apply({ kind: "reviewChanged", review: REVIEW });
    await settled(sidecars().dryRun());
    shelf.apply({ kind: "reviewChanged", review: { ...REVIEW } });
    expect(sidecars().canWrite).toBe(true);
    shelf.apply({ kind: "reviewChanged", review: { ...REVIEW, waiting: 2, decided: 2 } });
    expect(sidecars().canWrite).toBe(false);
    await settled(sidecars().dryRun());
    expect(sidecars().canWrite).toBe(true);
  });

  it("that_could_not_be_written_say_so_and_ask_for_another_dry_run", async () => {
    begin("shelf=fails");
    sidecars().show();
    await settled();
    sidecars().load();
    await settled();
    await settled(sidecars().dryRun());
    expect([sidecars().plan.problem?.code, sidecars().canWrite]).toEqual(["unreadable", false]);
    await settled(sidecars().dryRun());
    await settled(sidecars().write());
    expect([sidecars().plan.problem?.code, sidecars().result, sidecars().canWrite, sidecars().doing]).toEqual(["unreadable", null, false, null]);
  });

  it("give_their_tags_to_the_library_once", async () => {
    await settled(sidecars().look());
    const tags = sidecars().reading.value?.tags ?? 0;
    const before = shelf.library.value?.tags ?? 0;
    expect(sidecars().canTake).toBe(true);
    expect(await settled(sidecars().take())).toBe(true);
    expect([shelf.library.value?.tags, sidecars().canTake]).toEqual([before + tags, false]);
    await settled(sidecars().look());
    expect([sidecars().reading.value?.tags, sidecars().canTake]).toEqual([0, false]);
    sidecars().evenRejected = true;
    expect(sidecars().canTake).toBe(true);
    await settled(sidecars().take());
    await settled(sidecars().look());
    expect(sidecars().reading.value?.photos).toBe(0);
  });

  it("give_only_what_a_look_at_the_same_photos_has_shown", async () => {
    await settled(sidecars().look());
    selected = new Set([7]);
    sidecars().onlySelected = true;
    expect(sidecars().canTake).toBe(false);
    expect(await settled(sidecars().take())).toBe(false);
  });
});
